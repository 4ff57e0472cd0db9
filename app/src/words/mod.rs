//! Everything the page says, by place: whoever translates the page changes these files and no other.

pub mod bench;
pub mod inside;
pub mod places;
