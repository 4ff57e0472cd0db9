//! What an op asks of the GPU, as plain data: shader, numbers, bindings, workgroups.
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
    /// The variable's name in the shader.
    pub tensor: &'static str,
    /// What is bound.
    pub source: Source,
    /// How many words are bound; 0 binds the whole buffer.
    pub words: usize,
    /// Whether the shader works on vec4s of it, in 16 or 32 bits a float.
    pub activation: bool,
    /// Whether the shader writes it.
    pub write: bool,
}

impl Binding {
    /// Scratch that is read.
    pub fn scratch_in(tensor: &'static str, words: usize) -> Self {
        Self { tensor, source: Source::Scratch, words, activation: false, write: false }
    }
    /// Scratch that is written.
    pub fn scratch_out(tensor: &'static str, words: usize) -> Self {
        Self { tensor, source: Source::Scratch, words, activation: false, write: true }
    }
    /// The same variable of the shader, with nothing behind it.
    pub fn left_out(self) -> Self {
        Self { source: Source::Nothing, words: 0, ..self }
    }
}

/// One dispatch.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The op, for error messages.
    pub op: &'static str,
    /// The stage's file name in `shaders/`.
    pub shader: &'static str,
    /// What the shader declares: constants of a pipeline (`override`, in capitals), and arguments of a dispatch (`#args`).
    pub numbers: Vec<(&'static str, f64)>,
    /// Storage bindings 0, 1, ... of group 0.
    pub bindings: Vec<Binding>,
    /// Number of workgroups; folded over two dimensions by the caller.
    pub groups: usize,
    /// Rough work: multiply-adds, or words moved, whichever is more.
    pub cost: f64,
}

impl Launch {
    /// A dispatch without numbers.
    pub fn new(shader: &'static str, bindings: Vec<Binding>, groups: usize, cost: f64) -> Self {
        Self { op: "", shader, numbers: Vec::new(), bindings, groups, cost }
    }
    /// With more numbers.
    pub fn with(mut self, numbers: impl IntoIterator<Item = (&'static str, f64)>) -> Self {
        self.numbers.extend(numbers);
        self
    }
}

/// A switch.
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
