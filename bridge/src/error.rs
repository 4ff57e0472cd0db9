//! What can be wrong with what a layer is given, worded for the person who wrote the model.
//!
//! Burn panics where shapes do not fit, deep in a backend; these layers look first and say which layer, and what it needs.

/// What went wrong: what, where, expected, found, what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tensor does not fit a layer.
    #[error("{layer}: {what} should be {expected}, found {found}; {remedy}")]
    Shape {
        /// The layer's kind.
        layer: &'static str,
        /// The tensor or its property.
        what: &'static str,
        /// What the layer needs.
        expected: String,
        /// What it was given.
        found: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A setting cannot be as written.
    #[error("{what} should be {expected}, found {found}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A model has no layer of ours, or another than it had.
    #[error("{0}")]
    Model(String),
    /// A tensor could not be read from its device.
    #[error("{what} could not be read from its device: {reason}")]
    Read {
        /// The tensor.
        what: String,
        /// Burn's words.
        reason: String,
    },
    /// What the engine says.
    #[error(transparent)]
    Engine(#[from] sparring_core::error::Error),
}

/// With [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn setting(what: &'static str, expected: impl ToString, found: impl ToString) -> Self {
        Self::Setting { what, expected: expected.to_string(), found: found.to_string() }
    }
}

/// What an op of a Burn backend does with an error: its signature has no other way out. Layers check beforehand, so this is a fault of ours or
/// of the machine.
pub(crate) fn or_panic<T, E: std::fmt::Display>(result: std::result::Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(e) => panic!("sparring-burn: {e}"),
    }
}
