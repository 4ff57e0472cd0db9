//! Every way the engine can fail, worded for the person who must act.
//!
//! One enum, so that a binary adds context once and the page can map a kind to a way on; behind one pointer, so that handing it on is a
//! register's work (the page is 13 kB lighter for it). Nothing in this crate panics on bad input; it returns one of these.

use std::fmt::Display;

/// What went wrong; [`Error::kind`] tells what.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<ErrorKind>);

/// What went wrong: what, where, expected, found, what to do.
#[derive(Debug, thiserror::Error)]
pub enum ErrorKind {
    /// A configuration cannot be run as written.
    #[error("configuration: {0}")]
    Config(String),
    /// A name is not one of those known; the message lists the valid ones.
    #[error("unknown {kind} '{name}'; valid: {valid}")]
    UnknownName {
        /// What was being named, e.g. "model".
        kind: &'static str,
        /// The name given.
        name: String,
        /// The valid names, comma separated.
        valid: String,
    },
    /// An operation was given tensors that do not fit together.
    #[error("{op}: {tensor} should be {expected}, found {found}")]
    Shape {
        /// The operation.
        op: &'static str,
        /// The tensor at fault.
        tensor: String,
        /// What the operation needs.
        expected: String,
        /// What it was given.
        found: String,
    },
    /// The adapter cannot hold or run what was planned.
    #[error("{what} needs {needed}, but this device offers {available}; {remedy}")]
    Limit {
        /// What was being planned.
        what: String,
        /// How much it needs.
        needed: String,
        /// How much there is.
        available: String,
        /// What to try.
        remedy: String,
    },
    /// No usable GPU.
    #[error("no usable GPU: {0}")]
    NoAdapter(String),
    /// The device was lost (driver reset, sleep, `device.destroy()`).
    #[error("the GPU was lost: {0}; start again from the last checkpoint")]
    DeviceLost(String),
    /// The device ran out of memory.
    #[error(
        "out of memory on the device: {0}; set precision to bf16, micro_batch to a part of the batch, or recompute, or use a smaller model"
    )]
    OutOfMemory(String),
    /// The device rejected an operation: a fault of this program.
    #[error("the device rejected an operation: {0}")]
    Validation(String),
    /// A file or archive is not what it should be.
    #[error("{file}: expected {expected}, found {found}")]
    Format {
        /// Which file, and where in it.
        file: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A checkpoint from which a session cannot go on.
    #[error("{0}")]
    Checkpoint(Refusal),
    /// Reading or writing failed.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A number in training became NaN or infinite.
    #[error("training diverged: {0}")]
    Diverged(String),
}

/// Why a checkpoint cannot be gone on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not what was written.
    Damaged(String),
    /// Written by another version of the format.
    Version {
        /// Its version.
        found: u32,
        /// The version that this program writes.
        written: u32,
    },
    /// Of another configuration.
    Config(Vec<Difference>),
    /// Of other images or other samples; what differs.
    Data(String),
}

/// A setting that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Name of the setting.
    pub field: String,
    /// Its value in the checkpoint, as JSON.
    pub saved: String,
    /// Its value now.
    pub now: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} was {} and is {}", self.field, self.saved, self.now)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged(found) => write!(f, "the checkpoint is damaged ({found}); start over"),
            Self::Version { found, written } => {
                write!(
                    f,
                    "the checkpoint has format {found}, this program writes {written}; go on with the program that wrote it, or start over"
                )
            }
            Self::Config(differences) => {
                let list: Vec<String> = differences.iter().map(ToString::to_string).collect();
                write!(f, "the checkpoint is of another configuration: {}; go on with its own, or start over", list.join(", "))
            }
            Self::Data(what) => write!(f, "the checkpoint is of other data: {what}; bring the same data back, or start over"),
        }
    }
}

impl From<ErrorKind> for Error {
    #[cold]
    #[inline(never)]
    fn from(kind: ErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

macro_rules! of_text {
    ($($(#[doc = $doc:literal])* $name:ident: $kind:ident;)*) => {$(
        $(#[doc = $doc])*
        pub fn $name(what: impl Into<String>) -> Self {
            ErrorKind::$kind(what.into()).into()
        }
    )*};
}

impl Error {
    of_text! {
        /// [`ErrorKind::Config`].
        config: Config;
        /// [`ErrorKind::NoAdapter`].
        no_adapter: NoAdapter;
        /// [`ErrorKind::DeviceLost`].
        device_lost: DeviceLost;
        /// [`ErrorKind::OutOfMemory`].
        out_of_memory: OutOfMemory;
        /// [`ErrorKind::Validation`].
        validation: Validation;
        /// [`ErrorKind::Diverged`].
        diverged: Diverged;
    }
    /// What it is.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }
    /// What it is, to be taken apart.
    pub fn into_kind(self) -> ErrorKind {
        *self.0
    }
    /// [`ErrorKind::UnknownName`].
    pub fn unknown_name(kind: &'static str, name: impl Into<String>, valid: impl Into<String>) -> Self {
        ErrorKind::UnknownName { kind, name: name.into(), valid: valid.into() }.into()
    }
    /// [`ErrorKind::Shape`].
    pub fn shape(op: &'static str, tensor: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        ErrorKind::Shape { op, tensor: tensor.into(), expected: expected.into(), found: found.into() }.into()
    }
    /// [`ErrorKind::Limit`].
    pub fn limit(what: impl Into<String>, needed: impl Into<String>, available: impl Into<String>, remedy: impl Into<String>) -> Self {
        ErrorKind::Limit { what: what.into(), needed: needed.into(), available: available.into(), remedy: remedy.into() }.into()
    }
    /// [`ErrorKind::Checkpoint`].
    pub fn checkpoint(why: Refusal) -> Self {
        ErrorKind::Checkpoint(why).into()
    }
    /// An I/O error with its path.
    pub fn io(path: impl Display, source: std::io::Error) -> Self {
        ErrorKind::Io { path: path.to_string(), source }.into()
    }
    /// A malformed file: where, what was expected, what was found.
    pub fn format(file: impl Display, expected: impl Display, found: impl Display) -> Self {
        Self::malformed(&file, &expected, &found)
    }
    fn malformed(file: &dyn Display, expected: &dyn Display, found: &dyn Display) -> Self {
        ErrorKind::Format { file: file.to_string(), expected: expected.to_string(), found: found.to_string() }.into()
    }
}

/// The engine's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;
