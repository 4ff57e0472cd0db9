//! What an op asks of the GPU, as plain data: shader, constants, bindings, workgroups.
//!
//! Encoding is pure, so every shader permutation a network uses can be validated without a GPU.

use crate::ops::BufferId;

/// What a binding refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A buffer of the caller's.
    Buffer(BufferId),
    /// The device's own scratch memory, shared by all ops of a program.
    Scratch,
    /// Nothing: the shader does not touch it in this permutation.
    Nothing,
}

/// One storage binding of a dispatch, from the buffer's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The tensor's name in the op, for error messages.
    pub tensor: &'static str,
    /// What is bound.
    pub source: Source,
    /// How many words are bound; 0 binds the whole buffer.
    pub words: usize,
    /// Whether the shader writes it.
    pub write: bool,
}

/// One dispatch.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The op, for error messages.
    pub op: &'static str,
    /// The stage's file name in `shaders/`.
    pub shader: &'static str,
    /// Pipeline-overridable constants.
    pub constants: Vec<(&'static str, f64)>,
    /// Storage bindings 0, 1, ... of group 0.
    pub bindings: Vec<Binding>,
    /// Number of workgroups; folded over two dimensions by the caller.
    pub groups: usize,
    /// Rough work: multiply-adds, or words moved, whichever is more.
    pub cost: f64,
}

/// A binding that is read.
pub fn read(tensor: &'static str, id: BufferId, words: usize) -> Binding {
    Binding { tensor, source: Source::Buffer(id), words, write: false }
}

/// A binding that is written (and perhaps read).
pub fn write(tensor: &'static str, id: BufferId, words: usize) -> Binding {
    Binding { tensor, source: Source::Buffer(id), words, write: true }
}

/// Scratch that is read.
pub fn scratch_in(words: usize) -> Binding {
    Binding { tensor: "scratch", source: Source::Scratch, words, write: false }
}

/// Scratch that is written.
pub fn scratch_out(words: usize) -> Binding {
    Binding { tensor: "scratch", source: Source::Scratch, words, write: true }
}

/// A binding this permutation does not touch.
pub fn nothing(write: bool) -> Binding {
    Binding { tensor: "nothing", source: Source::Nothing, words: 0, write }
}

/// An optional tensor that is read.
pub fn read_or_nothing(tensor: &'static str, id: Option<BufferId>, words: usize) -> Binding {
    id.map_or(nothing(false), |id| read(tensor, id, words))
}

/// `x` read, unless it is the output: then the shader reads the output's binding.
pub fn read_unless(tensor: &'static str, x: BufferId, output: BufferId, words: usize) -> Binding {
    read_or_nothing(tensor, (x != output).then_some(x), words)
}

/// A boolean constant.
pub fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

/// A grid of at most `limit` workgroups a dimension that holds at least `groups`; `None` where two dimensions do not suffice.
pub fn grid(groups: usize, limit: u32) -> Option<(u32, u32)> {
    let limit = limit as usize;
    let y = groups.div_ceil(limit).max(1);
    let x = groups.div_ceil(y).max(1);
    (y <= limit).then_some((x as u32, y as u32))
}

/// The dispatches of an op.
pub fn encode(op: &crate::ops::Op) -> Vec<Launch> {
    use super::{encode_attack as attack, encode_conv as conv, encode_map as map, encode_norm as norm, encode_sample_norm as sample_norm};
    use crate::ops::Op;
    match op {
        Op::Augment(o) => map::augment(o),
        Op::Normalize(o) => map::normalize(o),
        Op::ConvForward(o) => conv::forward(o),
        Op::ConvInputGrad(o) => conv::input_grad(o),
        Op::ConvWeightGrad(o) => conv::weight_grad(o),
        Op::BiasGrad(o) => norm::bias_grad(o),
        Op::BatchNormStats(o) => norm::stats(o),
        Op::BatchNormApply(o) => norm::apply(o),
        Op::BatchNormReduceGrad(o) => norm::reduce_grad(o),
        Op::BatchNormInputGrad(o) => norm::input_grad(o),
        Op::Add(o) => map::add(o),
        Op::Relu(o) => map::relu(o),
        Op::ReluGrad(o) => map::relu_grad(o),
        Op::MaxPool(o) => map::max_pool(o),
        Op::MaxPoolGrad(o) => map::max_pool_grad(o),
        Op::AvgPool(o) => map::avg_pool(o),
        Op::AvgPoolGrad(o) => map::avg_pool_grad(o),
        Op::ShortcutA(o) => map::shortcut_a(o),
        Op::ShortcutAGrad(o) => map::shortcut_a_grad(o),
        Op::SoftmaxCrossEntropy(o) => map::softmax_cross_entropy(o),
        Op::ConvSampleNorm(o) => sample_norm::conv(o),
        Op::BatchNormSampleNorm(o) => sample_norm::batchnorm(o),
        Op::SgdUpdate(o) => map::sgd(o),
        Op::AdamUpdate(o) => map::adam(o),
        Op::Fill(o) => map::fill(o),
        #[cfg(feature = "autoattack")]
        Op::Lane(o) => super::encode_autoattack::encode(*o),
        Op::LaneNorm(o) => attack::lane_norm(o),
        Op::StepLinf(o) => attack::step_linf(o),
        Op::StepL2(o) => attack::step_l2(o),
        Op::ProjectL2(o) => attack::project_l2(o),
    }
}
