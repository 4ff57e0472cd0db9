//! The lab in the browser: a page that shows, and a dedicated worker that trains.
//!
//! They are two WebAssembly modules, `bin/page.rs` and `worker/main.rs`, loaded apart: the page paints and plays recorded runs before the
//! trainer has arrived. They talk only by [`protocol`], so the page never blocks on a step and the trainer never knows what is drawn. What
//! needs no browser (links, numbers, the race's state) is the [`model`], and is tested natively.

pub mod page;
pub mod protocol;
pub mod trainer;

mod bridge;
mod locks;
mod model;
#[cfg(test)]
mod shell;
mod team;
mod words;
