//! What the page says, by place, so that it can be translated here alone.

pub mod bench;
pub mod inside;
pub mod keys;
pub mod lessons;
pub mod places;
pub mod presets;
pub mod ring;
pub mod runs;
pub mod samples;
pub mod settings;
pub mod teacher;
