//! What the page says, by place, so that it can be translated here alone. The ring, its settings and numbers still have theirs in
//! their views.

pub mod bench;
pub mod inside;
pub mod places;
