//! The engine of Sparring: it plans a network once, trains it dense or sparse on a GPU or the CPU, and reports events.
//!
//! No user interface lives here, so the native program and the page's worker share every number; without that the two would drift apart.
//! What the whole process shares changes no number: the text of shaders that a page has fetched, a table that is computed once (Poisson
//! noise), the threads of the CPU backend and the memory that each of them packs into.

pub mod argsort;
pub mod attack;
pub mod bf16;
pub mod config;
pub mod corrupt;
pub mod cpu;
pub mod data;
pub mod device;
pub mod error;
pub mod events;
pub mod formats;
pub mod golden;
pub mod gpu;
pub mod hardness;
pub mod layout;
pub mod names;
pub mod net;
pub mod ops;

pub mod platform;
pub mod record;
pub mod rng;
pub mod sparse;
pub mod train;

pub use config::ExperimentConfig;
pub use device::{Device, DeviceInfo};
pub use error::{Error, ErrorKind};
pub use events::Event;
pub use train::Session;
