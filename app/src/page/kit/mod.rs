//! What every place of the page is made of: its controls, its tables and drawings, and its sentences.
//!
//! Each is a component. What it says and shows comes in as a signal, so that whoever uses it need not know how it follows.

mod choices;
mod controls;
mod shown;
mod spoken;

pub use self::choices::{Chips, Choices, Select};
pub use self::controls::{Button, Check, Field, FileField, NumberField, Slider, Toggle};
pub use self::shown::{Drawing, Folded, Key, Scroll, Table, TableHead, width_of};
pub use self::spoken::{Announces, Says, calm};
