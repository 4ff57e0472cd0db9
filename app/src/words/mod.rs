//! Everything the page says, by place: whoever translates the page changes these files and no other.

pub mod bench;
pub mod inside;
pub mod lessons;
pub mod places;
pub mod runs;
pub mod samples;
