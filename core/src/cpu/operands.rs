//! What each op reads and writes: type and least length of every buffer, and which pairs may be one buffer.
//!
//! The kernels index without asking again, so an op that passes here cannot leave its buffers.

use crate::error::{Error, Result};
#[cfg(feature = "autoattack")]
use crate::ops::autoattack::LaneOp;
use crate::ops::loss::{SAMPLE_WORDS, TOTAL_WORDS};
use crate::ops::{BufferId, ConvShape, Dtype, NORM_ROWS, Op, PoolShape, Shape, Weight};

/// One buffer of an op.
pub struct Operand {
    /// Name of the tensor in the op's documentation.
    pub tensor: &'static str,
    /// The buffer.
    pub id: BufferId,
    /// What its words are.
    pub dtype: Dtype,
    /// Least length.
    pub words: usize,
    /// Whether the op writes it.
    pub written: bool,
}

/// The buffers of one op, being collected.
struct Operands(Vec<Operand>);

impl Operands {
    fn push(mut self, tensor: &'static str, id: BufferId, dtype: Dtype, words: usize, written: bool) -> Self {
        self.0.push(Operand { tensor, id, dtype, words, written });
        self
    }
    fn read(self, tensor: &'static str, id: BufferId, words: usize) -> Self {
        self.push(tensor, id, Dtype::F32, words, false)
    }
    fn index(self, tensor: &'static str, id: BufferId, words: usize) -> Self {
        self.push(tensor, id, Dtype::U32, words, false)
    }
    fn write(self, tensor: &'static str, id: BufferId, words: usize) -> Self {
        self.push(tensor, id, Dtype::F32, words, true)
    }
    fn read_some(self, tensor: &'static str, id: Option<BufferId>, words: usize) -> Self {
        id.into_iter().fold(self, |all, id| all.read(tensor, id, words))
    }
    fn write_some(self, tensor: &'static str, id: Option<BufferId>, words: usize) -> Self {
        id.into_iter().fold(self, |all, id| all.write(tensor, id, words))
    }
    fn topology(self, shape: &ConvShape, weight: &Weight) -> Self {
        let Weight::Sparse { topology: t, .. } = weight else { return self };
        self.index("row_ptr", t.row_ptr, shape.c_out + 1)
            .index("index", t.index, t.nnz)
            .index("t_row_ptr", t.t_row_ptr, shape.c_in + 1)
            .index("t_index", t.t_index, t.nnz)
            .index("t_value", t.t_value, t.nnz)
    }
    fn weight(self, shape: &ConvShape, weight: &Weight) -> Self {
        let (Weight::Dense { values } | Weight::Sparse { values, .. }) = *weight;
        self.read("weight", values, weight_len(shape, weight)).topology(shape, weight)
    }
}

/// Number of values of a weight.
pub fn weight_len(shape: &ConvShape, weight: &Weight) -> usize {
    match weight {
        Weight::Dense { .. } => shape.weights(),
        Weight::Sparse { topology, .. } => topology.nnz,
    }
}

/// Name of an op in messages.
pub fn name(op: &Op) -> &'static str {
    match op {
        Op::Augment(_) => "Augment",
        Op::Normalize(_) => "Normalize",
        Op::ConvForward(_) => "ConvForward",
        Op::ConvInputGrad(_) => "ConvInputGrad",
        Op::ConvWeightGrad(_) => "ConvWeightGrad",
        Op::BiasGrad(_) => "BiasGrad",
        Op::BatchNormStats(_) => "BatchNormStats",
        Op::BatchNormApply(_) => "BatchNormApply",
        Op::BatchNormReduceGrad(_) => "BatchNormReduceGrad",
        Op::BatchNormInputGrad(_) => "BatchNormInputGrad",
        Op::Add(_) => "Add",
        Op::Relu(_) => "Relu",
        Op::ReluGrad(_) => "ReluGrad",
        Op::MaxPool(_) => "MaxPool",
        Op::MaxPoolGrad(_) => "MaxPoolGrad",
        Op::AvgPool(_) => "AvgPool",
        Op::AvgPoolGrad(_) => "AvgPoolGrad",
        Op::ShortcutA(_) => "ShortcutA",
        Op::ShortcutAGrad(_) => "ShortcutAGrad",
        Op::SoftmaxCrossEntropy(_) => "SoftmaxCrossEntropy",
        Op::ConvSampleNorm(_) => "ConvSampleNorm",
        Op::BatchNormSampleNorm(_) => "BatchNormSampleNorm",
        Op::SgdUpdate(_) => "SgdUpdate",
        Op::AdamUpdate(_) => "AdamUpdate",
        Op::Fill(_) => "Fill",
        #[cfg(feature = "autoattack")]
        Op::Lane(o) => o.name(),
        Op::LaneNorm(_) => "LaneNorm",
        Op::StepLinf(_) => "StepLinf",
        Op::StepL2(_) => "StepL2",
        Op::ProjectL2(_) => "ProjectL2",
    }
}

fn require(op: &Op, holds: bool, tensor: &str, expected: &str, found: impl std::fmt::Debug) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::shape(name(op), tensor, expected, format!("{found:?}")))
}

fn check_shape(op: &Op, tensor: &str, shape: Shape) -> Result<()> {
    let len = [shape.c, shape.h, shape.w, shape.n].into_iter().try_fold(1usize, usize::checked_mul);
    let holds = len.is_some_and(|len| len > 0 && len < isize::MAX as usize / 8) && shape.n.is_multiple_of(4);
    require(op, holds, tensor, "a non-empty extent with n a multiple of 4", shape)
}

fn extent(input: usize, pad: usize, k: usize, stride: usize) -> Option<usize> {
    Some((input + 2 * pad).checked_sub(k)?.checked_div(stride)? + 1)
}

fn check_conv(op: &Op, s: &ConvShape) -> Result<()> {
    check_shape(op, "input", s.input())?;
    check_shape(op, "output", s.output())?;
    let kernel = (1..=15).contains(&s.kh) && (1..=15).contains(&s.kw);
    let fits = Some(s.h_out) == extent(s.h_in, s.pad, s.kh, s.stride) && Some(s.w_out) == extent(s.w_in, s.pad, s.kw, s.stride);
    require(op, kernel && fits && s.pad < 1 << 16, "shape", "a kernel of 1 to 15 that gives the output extent", s)
}

fn check_pool(op: &Op, s: &PoolShape) -> Result<()> {
    check_shape(op, "input", s.input)?;
    check_shape(op, "output", s.output)?;
    let fits = Some(s.output.h) == extent(s.input.h, s.pad, s.kh, s.stride)
        && Some(s.output.w) == extent(s.input.w, s.pad, s.kw, s.stride)
        && s.kh * s.kw > 0;
    require(op, fits && (s.input.c, s.input.n) == (s.output.c, s.output.n), "shape", "a window that gives the output extent", s)
}

fn check_shortcut(op: &Op, input: Shape, output: Shape, stride: usize) -> Result<()> {
    check_shape(op, "input", input)?;
    check_shape(op, "output", output)?;
    let fits = stride > 0
        && output.h == input.h.div_ceil(stride)
        && output.w == input.w.div_ceil(stride)
        && output.c >= input.c
        && output.n == input.n;
    require(op, fits, "output", "the input subsampled, with no fewer channels", (input, output, stride))
}

/// Checks the geometry of an op and lists its buffers.
///
/// # Errors
/// `Shape` where extents contradict each other.
pub fn of(op: &Op) -> Result<Vec<Operand>> {
    let all = Operands(Vec::with_capacity(8));
    let all = match op {
        Op::Augment(o) => {
            check_shape(op, "out", o.shape)?;
            all.index("bytes", o.bytes, o.shape.len().div_ceil(4)).read("params", o.params, o.shape.n * 8).write(
                "out",
                o.out,
                o.shape.len(),
            )
        }
        Op::Normalize(o) => {
            check_shape(op, "x", o.shape)?;
            require(op, o.shape.c <= 4, "x", "at most 4 channels", o.shape)?;
            all.read("x", o.x, o.shape.len()).write("y", o.y, o.shape.len())
        }
        Op::ConvForward(o) => {
            check_conv(op, &o.shape)?;
            all.read("x", o.x, o.shape.input().len()).weight(&o.shape, &o.weight).read_some("bias", o.bias, o.shape.c_out).write(
                "y",
                o.y,
                o.shape.output().len(),
            )
        }
        Op::ConvInputGrad(o) => {
            check_conv(op, &o.shape)?;
            all.read("dy", o.dy, o.shape.output().len()).weight(&o.shape, &o.weight).write("dx", o.dx, o.shape.input().len())
        }
        Op::ConvWeightGrad(o) => {
            check_conv(op, &o.shape)?;
            all.read("x", o.x, o.shape.input().len()).read("dy", o.dy, o.shape.output().len()).topology(&o.shape, &o.weight).write(
                "dw",
                o.dw,
                weight_len(&o.shape, &o.weight),
            )
        }
        Op::BiasGrad(o) => {
            check_shape(op, "dy", o.shape)?;
            all.read("dy", o.dy, o.shape.len()).write("dbias", o.dbias, o.shape.c)
        }
        Op::BatchNormStats(o) => {
            check_shape(op, "x", o.shape)?;
            let pair = 2 * o.shape.c;
            all.read("x", o.x, o.shape.len()).write("saved", o.saved, pair).write("running", o.running, pair)
        }
        Op::BatchNormApply(o) => {
            check_shape(op, "x", o.shape)?;
            all.read("x", o.x, o.shape.len())
                .read("stats", o.stats, 2 * o.shape.c)
                .read("affine", o.affine, 2 * o.shape.c)
                .read_some("residual", o.residual, o.shape.len())
                .write("y", o.y, o.shape.len())
        }
        Op::BatchNormReduceGrad(o) => {
            check_shape(op, "x", o.shape)?;
            all.read("dy", o.dy, o.shape.len())
                .read_some("y", o.relu.then_some(o.y), o.shape.len())
                .read("x", o.x, o.shape.len())
                .read("stats", o.stats, 2 * o.shape.c)
                .write("daffine", o.daffine, 2 * o.shape.c)
        }
        Op::BatchNormInputGrad(o) => {
            check_shape(op, "x", o.shape)?;
            all.read("dy", o.dy, o.shape.len())
                .read_some("y", o.relu.then_some(o.y), o.shape.len())
                .read("x", o.x, o.shape.len())
                .read("stats", o.stats, 2 * o.shape.c)
                .read("affine", o.affine, 2 * o.shape.c)
                .read_some("daffine", (!o.eval).then_some(o.daffine), 2 * o.shape.c)
                .write("dx", o.dx, o.shape.len())
                .write_some("dresidual", o.dresidual.map(|(id, _)| id), o.shape.len())
        }
        Op::Add(o) => all.read("x", o.x, o.len).write("y", o.y, o.len),
        Op::Relu(o) => all.read("x", o.x, o.len).write("y", o.y, o.len),
        Op::ReluGrad(o) => all.read("dy", o.dy, o.len).read("y", o.y, o.len).write("dx", o.dx, o.len),
        Op::MaxPool(o) => {
            check_pool(op, &o.shape)?;
            all.read("x", o.x, o.shape.input.len()).write("y", o.y, o.shape.output.len())
        }
        Op::MaxPoolGrad(o) => {
            check_pool(op, &o.shape)?;
            all.read("x", o.x, o.shape.input.len()).read("dy", o.dy, o.shape.output.len()).write("dx", o.dx, o.shape.input.len())
        }
        Op::AvgPool(o) => {
            check_pool(op, &o.shape)?;
            all.read("x", o.x, o.shape.input.len()).write("y", o.y, o.shape.output.len())
        }
        Op::AvgPoolGrad(o) => {
            check_pool(op, &o.shape)?;
            all.read("dy", o.dy, o.shape.output.len()).write("dx", o.dx, o.shape.input.len())
        }
        Op::ShortcutA(o) => {
            check_shortcut(op, o.input, o.output, o.stride)?;
            all.read("x", o.x, o.input.len()).write("y", o.y, o.output.len())
        }
        Op::ShortcutAGrad(o) => {
            check_shortcut(op, o.input, o.output, o.stride)?;
            all.read("dy", o.dy, o.output.len()).write("dx", o.dx, o.input.len())
        }
        Op::SoftmaxCrossEntropy(o) => {
            check_shape(op, "logits", Shape { c: o.classes, h: 1, w: 1, n: o.n })?;
            all.read("logits", o.logits, o.classes * o.n)
                .index("labels", o.labels, o.n)
                .write_some("dlogits", o.dlogits, o.classes * o.n)
                .write("samples", o.samples, SAMPLE_WORDS)
                .write("totals", o.totals, TOTAL_WORDS)
        }
        Op::ConvSampleNorm(o) => {
            check_conv(op, &o.shape)?;
            all.read("x", o.x, o.shape.input().len()).read("dy", o.dy, o.shape.output().len()).topology(&o.shape, &o.weight).write(
                "sums",
                o.sums,
                NORM_ROWS * o.shape.n,
            )
        }
        Op::BatchNormSampleNorm(o) => {
            check_shape(op, "x", o.shape)?;
            all.read("dy", o.dy, o.shape.len())
                .read_some("y", o.relu.then_some(o.y), o.shape.len())
                .read("x", o.x, o.shape.len())
                .read("stats", o.stats, 2 * o.shape.c)
                .write("sums", o.sums, NORM_ROWS * o.shape.n)
        }
        Op::SgdUpdate(o) => all
            .read("grad", o.grad, o.len)
            .read_some("mask", o.mask, o.len)
            .write("values", o.values, o.len)
            .write("momentum", o.momentum, o.len),
        Op::AdamUpdate(o) => all
            .read("grad", o.grad, o.len)
            .read_some("mask", o.mask, o.len)
            .write("values", o.values, o.len)
            .write("first", o.first, o.len)
            .write("second", o.second, o.len),
        Op::Fill(o) => all.write("buffer", o.buffer, o.len),
        #[cfg(feature = "autoattack")]
        Op::Lane(o) => {
            check_shape(op, "shape", o.shape())?;
            require(op, !matches!(o, LaneOp::SquareStep(s) if s.shape.c > 4), "shape", "at most 4 channels", o.shape())?;
            { *o }.slots().into_iter().fold(all, |all, s| all.push(s.tensor, *s.id, s.dtype, s.words, s.written))
        }
        Op::LaneNorm(o) => {
            check_shape(op, "x", o.shape)?;
            all.read("x", o.x, o.shape.len()).read_some("minus", o.minus, o.shape.len()).write("norms", o.norms, o.shape.n)
        }
        Op::StepLinf(o) => {
            check_shape(op, "x", o.shape)?;
            all.read("clean", o.clean, o.shape.len()).read("grad", o.grad, o.shape.len()).write("x", o.x, o.shape.len())
        }
        Op::StepL2(o) => {
            check_shape(op, "x", o.shape)?;
            all.read("grad", o.grad, o.shape.len()).read("norms", o.norms, o.shape.n).write("x", o.x, o.shape.len())
        }
        Op::ProjectL2(o) => {
            check_shape(op, "x", o.shape)?;
            all.read("clean", o.clean, o.shape.len()).read("norms", o.norms, o.shape.n).write("x", o.x, o.shape.len())
        }
    };
    check_aliases(op, &all.0)?;
    Ok(all.0)
}

/// Pairs of (read, written) tensors that an op allows to be one buffer.
fn in_place(op: &Op) -> Option<(&'static str, &'static str)> {
    match op {
        Op::Normalize(_) | Op::Relu(_) => Some(("x", "y")),
        Op::ReluGrad(o) if !o.accumulate => Some(("dy", "dx")),
        Op::BatchNormInputGrad(o) if !o.accumulate => Some(("dy", "dx")),
        _ => None,
    }
}

fn check_aliases(op: &Op, operands: &[Operand]) -> Result<()> {
    for (i, a) in operands.iter().enumerate() {
        for b in &operands[i + 1..] {
            let allowed = (!a.written && !b.written) || in_place(op) == Some((a.tensor, b.tensor));
            if a.id == b.id && !allowed {
                let expected = format!("another buffer than {}", a.tensor);
                return require(op, false, b.tensor, &expected, b.id);
            }
        }
    }
    Ok(())
}
