//! The operations a plan is made of: what each computes, on which buffers, with which shapes.
//!
//! An op is pure description: what it computes, its buffers and its geometry (`contract`). A family of ops has one name in three
//! places: `ops/F.rs` describes it, `gpu/encode/F.rs` encodes it as stages of `shaders/`, `cpu/F.rs` runs their twins.
//! Layout everywhere is C-H-W-N: channels outermost, batch innermost, N padded to a multiple of 4; lanes at or beyond
//! `StepParams::n_valid` are zero in every activation and gradient.

pub mod attack;
#[cfg(feature = "autoattack")]
pub mod autoattack;
pub mod batchnorm;
pub mod contract;
pub mod conv;
mod cost;
pub mod elementwise;
pub mod loss;
pub mod optim;
mod paths;
pub mod pool;
#[cfg(feature = "probe")]
mod probe;
pub mod reduce;
pub mod sample_norm;
pub mod scatter;

pub use attack::{LaneNorm, ProjectL2, StepL2, StepLinf};
#[cfg(feature = "autoattack")]
pub use autoattack::{ApgdKeep, ApgdStep, FabKeep, FabStep, LaneLoss, SquareKeep, SquareStep};
pub use batchnorm::{BatchNormApply, BatchNormInputGrad, BatchNormReduceGrad, BatchNormStats, Gate, NormOnLoad};
pub use contract::{Contract, Held, Slot};
pub use conv::{ConvForward, ConvInputGrad, ConvShape, ConvWeightGrad, SparseTopology, Weight};
pub use elementwise::{Add, Augment, Fill, Normalize, Relu, ReluGrad, ShortcutA, ShortcutAGrad};
pub use loss::{SAMPLE_WORDS, SoftmaxCrossEntropy, TOTAL_WORDS};
pub use optim::{AdamUpdate, OptimizerName, SgdUpdate};
pub use paths::DenseFrom;
pub use pool::{AvgPool, AvgPoolGrad, MaxPool, MaxPoolGrad, PoolShape};
#[cfg(feature = "probe")]
pub use probe::Probe;
pub use reduce::BiasGrad;
pub use sample_norm::{BatchNormSampleNorm, ConvSampleNorm, NORM_ROWS};
pub use scatter::{Gather, Scatter};

use bytemuck::{Pod, Zeroable};

use crate::names::named_enum;

/// A buffer of numbers on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub u32);

/// What the numbers of a buffer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dtype {
    /// Floats (f64 on the oracle device).
    F32,
    /// Floats of 16 bits, which only activations and their gradients are stored in.
    Bf16,
    /// Unsigned integers: indices, labels, packed bytes.
    U32,
}

impl Dtype {
    /// Bytes of a number, as memory is counted.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 | Self::U32 => 4,
            Self::Bf16 => 2,
        }
    }
    /// What a message calls them.
    fn noun(self) -> &'static str {
        match self {
            Self::F32 => "floats",
            Self::Bf16 => "floats of 16 bits",
            Self::U32 => "integers",
        }
    }
}

named_enum! {
    /// How activations and their gradients are stored inside a step. Everything is computed in f32 either way.
    pub enum Precision ("precision") {
        /// In 32 bits.
        F32 = "f32",
        /// In 16, the upper half of a float32: half the memory and half the traffic.
        Bf16 = "bf16",
    }
}

impl Precision {
    /// What such activations are.
    pub fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::Bf16 => Dtype::Bf16,
        }
    }
}

/// Channels, height, width, padded batch: the extent of an activation, innermost last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Channels.
    pub c: usize,
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
    /// Batch, padded to a multiple of 4.
    pub n: usize,
}

impl Shape {
    /// Number of floats.
    pub fn len(&self) -> usize {
        self.c * self.h * self.w * self.n
    }
    /// True where the extent is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Floats of one channel: h * w * n.
    pub fn plane(&self) -> usize {
        self.h * self.w * self.n
    }
}

/// A batch size rounded up to the layout's multiple of 4.
pub fn padded_batch(n: usize) -> usize {
    n.div_ceil(4) * 4
}

/// What changes from step to step; every program reads it as a uniform. 48 bytes, multiples of 16.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct StepParams {
    /// Number of real samples in this batch; lanes beyond are zero.
    pub n_valid: u32,
    /// Where in the per-sample buffer this batch's results go.
    pub sample_offset: u32,
    /// Learning rate.
    pub lr: f32,
    /// Momentum (SGD) or beta1 (Adam).
    pub momentum: f32,
    /// L2 coefficient added to the gradient.
    pub weight_decay: f32,
    /// Adam's beta2.
    pub beta2: f32,
    /// Adam's epsilon.
    pub epsilon: f32,
    /// 1 - beta1^t (Adam), computed on the host.
    pub correction1: f32,
    /// 1 - beta2^t (Adam), computed on the host.
    pub correction2: f32,
    /// 1 for Nesterov momentum, else 0.
    pub nesterov: u32,
    /// Number of samples the loss gradient is divided by, where a batch comes in parts; 0: `n_valid`.
    pub batch: u32,
    /// Share of the target that the loss spreads evenly over all classes.
    pub label_smoothing: f32,
}

impl StepParams {
    /// Number of samples whose mean loss is minimised.
    pub fn divisor(&self) -> u32 {
        if self.batch == 0 { self.n_valid } else { self.batch }
    }
}

/// Writes [`Op`] and the match over it from the one list of ops.
macro_rules! ops {
    ($d:tt $($(#[$meta:meta])* $name:ident),* $(,)?) => {
        /// One operation of a program.
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[expect(missing_docs, reason = "each variant is documented at its struct")]
        pub enum Op {
            $($(#[$meta])* $name($name),)*
        }

        impl Op {
            /// The names of all ops.
            pub const NAMES: &[&str] = &[$($(#[$meta])* stringify!($name)),*];
            /// Its name in messages.
            pub fn name(&self) -> &'static str {
                match self {
                    $($(#[$meta])* Self::$name(_) => stringify!($name),)*
                }
            }
        }

        /// `with_op!(op, o => body)`: the body with `o` as the op's own struct.
        macro_rules! with_op {
            ($d op:expr, $d o:ident => $d body:expr) => {
                match $d op {
                    $($(#[$meta])* $crate::ops::Op::$name($d o) => $d body,)*
                }
            };
        }
        pub(crate) use with_op;
    };
}

// A new op is a line here, `slots` and `check` beside its struct, `encode` in `gpu/encode` and `run` in `cpu`, all under one name.
ops! { $
    Augment, Normalize, Add, Relu, ReluGrad, ShortcutA, ShortcutAGrad, Fill,
    ConvForward, ConvInputGrad, ConvWeightGrad, Scatter, Gather,
    BiasGrad,
    BatchNormStats, BatchNormApply, BatchNormReduceGrad, BatchNormInputGrad,
    MaxPool, MaxPoolGrad, AvgPool, AvgPoolGrad,
    SoftmaxCrossEntropy,
    ConvSampleNorm, BatchNormSampleNorm,
    #[cfg(feature = "probe")] Probe,
    SgdUpdate, AdamUpdate,
    LaneNorm, StepLinf, StepL2, ProjectL2,
    #[cfg(feature = "autoattack")] LaneLoss,
    #[cfg(feature = "autoattack")] ApgdStep,
    #[cfg(feature = "autoattack")] ApgdKeep,
    #[cfg(feature = "autoattack")] FabStep,
    #[cfg(feature = "autoattack")] FabKeep,
    #[cfg(feature = "autoattack")] SquareStep,
    #[cfg(feature = "autoattack")] SquareKeep,
}
