//! The left column: what makes the samples hard, and who is in the corners. It edits a copy; the next Train takes it.
//!
//! A field of the form is a field of the configuration, read and written as text by its name, as in a link: what the form can say, a link
//! can, and there is one reader for both.

mod corners;
mod estimate;
mod hardness;
mod sentence;
mod setting;

pub use self::corners::Corners;
pub use self::hardness::Hardness;
pub use self::sentence::{Estimate, Remarks, Sentence};
