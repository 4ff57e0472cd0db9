//! Questions about what the learners make of pictures, and what they look like inside, answered between slices.

use wasm_bindgen::JsValue;

use super::{Halt, Trainer};
use crate::protocol::Command;

impl Trainer {
    /// Answers a question of the page's places.
    pub(super) async fn answer(&mut self, _question: Command, _attachment: JsValue) -> Result<(), Halt> {
        Ok(())
    }
}
