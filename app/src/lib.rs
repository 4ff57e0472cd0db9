//! The lab in the browser: a page that shows, and a dedicated worker that trains.
//!
//! They are two WebAssembly modules, `bin/page.rs` and `worker/main.rs`, loaded apart: the page paints and plays recorded runs before the
//! trainer has arrived. They talk only by [`protocol`], so the page never blocks on a step and the trainer never knows what is drawn. What
//! needs no browser (links, numbers, the race's state) is tested natively.

pub mod page;
pub mod protocol;
pub mod trainer;

mod bridge;
mod browser;
mod chart;
mod estimate;
mod examine;
mod export;
mod findings;
mod gallery;
mod kept;
mod lesson;
mod link;
mod locks;
mod mask;
mod offers;
mod presets;
mod race;
mod replay;
#[cfg(test)]
mod shell;
mod teacher;
mod team;
mod verdict;
mod words;
