//! Figures as text: charts, forests, bars, tables and numbers, for the page and for the native program's reports alike; and masks as pixels.
//!
//! Plain numbers and labels go in, SVG, HTML and pixels come out; nothing here knows of networks, of files or of a browser. Without this
//! crate the page and the reports would draw the same run with other ticks, other colours and other units.
//!
//! Lengths are in units of the drawing, which are CSS pixels where it is shown at its own width. Words are escaped where they enter a
//! drawing; the names of classes are the callers' own and are taken as they are. What the classes look like is [`tone::STYLE`].

pub mod bars;
pub mod chart;
pub mod forest;
pub mod html;
pub mod mask;
pub mod network;
pub mod number;
pub mod scale;
pub mod svg;
pub mod thin;
pub mod tone;

pub use tone::Tone;
