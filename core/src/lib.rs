//! The engine of Sparring: it plans a network once, trains it dense or sparse on a GPU or the CPU, and reports events.
//!
//! No user interface lives here, and the only process-wide state is the text of shaders that a page has fetched, so the native binary and the page's worker
//! share every number. Without this crate being UI-free, the two would drift apart.

pub mod argsort;
pub mod attack;
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
