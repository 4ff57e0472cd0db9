//! What the page says, by place, so that it can be translated here alone.
//!
//! Words import nothing of the page: whoever translates meets no type, and no module that speaks stands in a circle with them.

pub mod bench;
pub mod drop;
pub mod findings;
pub mod inside;
pub mod keys;
pub mod kit;
pub mod lessons;
pub mod offers;
pub mod places;
pub mod presets;
pub mod quiz;
pub mod ring;
pub mod runs;
pub mod samples;
pub mod settings;
// It stands in a file, which a test makes.
#[cfg(test)]
pub mod shell;
pub mod teacher;
