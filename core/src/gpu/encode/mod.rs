//! From ops to dispatches, one file a family: which stages of `shaders/`, with which numbers, over how many workgroups.
//!
//! What is bound comes from an op's contract, so a stage names its variables and nothing else; a test holds the names against WGSL.

mod attack;
#[cfg(feature = "autoattack")]
mod autoattack;
mod batchnorm;
mod conv;
mod elementwise;
mod loss;
mod optim;
mod pool;
#[cfg(feature = "probe")]
mod probe;
mod reduce;
mod sample_norm;
mod scatter;
mod tiles;

use super::launch::{Binding, Launch, Source};
use crate::device::info::Kernel;
use crate::error::{Error, Result};
use crate::ops::{BufferId, Op, Shape, with_op};
pub use conv::{choices, makes};
pub use tiles::staged_bytes;

/// How an op becomes dispatches.
trait Encode {
    /// The dispatches, in order.
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>>;
}

/// The dispatches of an op.
///
/// # Errors
/// `Shape` where its geometry or its buffers contradict each other.
pub fn encode(op: &Op, kernel: Kernel) -> Result<Vec<Launch>> {
    op.check()?;
    let operands = Operands::of(*op, kernel);
    let mut launches = with_op!(op, op => op.encode(&operands))?;
    launches.iter_mut().for_each(|launch| launch.op = op.name());
    Ok(launches)
}

/// An op's buffers as its stages bind them.
struct Operands {
    /// A binding, and the id that it stands for even where it is left out.
    slots: Vec<(Binding, Option<BufferId>)>,
    in_place: bool,
    /// Which kernel makes the product, where there are several.
    kernel: Kernel,
}

impl Operands {
    fn of(mut op: Op, kernel: Kernel) -> Self {
        let mut slots = Vec::with_capacity(8);
        let mut over = Vec::new();
        for slot in op.slots() {
            let id = slot.id.map(|id| *id);
            let source = id.map_or(Source::Nothing, Source::Buffer);
            let words = if slot.open || id.is_none() { 0 } else { slot.words };
            slots.push((Binding { tensor: slot.tensor, source, words, activation: slot.activation, write: slot.written }, id));
            over.extend(slot.over.map(|tensor| (tensor, id)));
        }
        // In place: the shader reads the output's variable.
        let mut in_place = false;
        for (binding, id) in &mut slots {
            if over.contains(&(binding.tensor, *id)) {
                *binding = binding.left_out();
                in_place = true;
            }
        }
        Self { slots, in_place, kernel }
    }
    /// The bindings of these tensors, in the order of the shader's variables.
    fn bind<const K: usize>(&self, tensors: [&'static str; K]) -> Result<Vec<Binding>> {
        tensors.into_iter().map(|tensor| self.get(tensor)).collect()
    }
    /// The binding of one tensor.
    fn get(&self, tensor: &'static str) -> Result<Binding> {
        let found = self.slots.iter().map(|(binding, _)| *binding).find(|binding| binding.tensor == tensor);
        found.ok_or_else(|| Error::validation(format!("a stage binds '{tensor}', which its op does not list")))
    }
    /// All of them, where one stage does everything.
    fn all(&self) -> Vec<Binding> {
        self.slots.iter().map(|(binding, _)| *binding).collect()
    }
    /// Whether an output stands where an input stood.
    fn in_place(&self) -> bool {
        self.in_place
    }
}

/// Workgroups that fill a large GPU.
const ENOUGH_GROUPS: usize = 512;

/// Workgroups of 256 threads, one thread an element.
fn groups_of(threads: usize) -> usize {
    threads.div_ceil(256)
}

/// What a stage asks for that imports `conv_shape`.
fn geometry(input: Shape, output: Shape, pad: usize) -> [(&'static str, f64); 8] {
    [
        ("c_in", input.c as f64),
        ("h_in", input.h as f64),
        ("w_in", input.w as f64),
        ("c_out", output.c as f64),
        ("h_out", output.h as f64),
        ("w_out", output.w as f64),
        ("pad", pad as f64),
        ("N4", (input.n / 4) as f64),
    ]
}

/// What a stage asks for that imports `kernel_shape`.
fn kernel_shape((kh, kw): (usize, usize), stride: usize) -> [(&'static str, f64); 3] {
    [("KH", kh as f64), ("KW", kw as f64), ("STRIDE", stride as f64)]
}

/// What a stage asks for that imports `kernel_args`.
fn kernel_args((kh, kw): (usize, usize), stride: usize) -> [(&'static str, f64); 3] {
    [("kh", kh as f64), ("kw", kw as f64), ("stride", stride as f64)]
}
