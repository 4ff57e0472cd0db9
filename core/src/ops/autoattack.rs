//! What AutoAttack does to each lane between two passes of the network: losses, steps, and what is kept (Croce & Hein 2020).
//!
//! Every op works on whole lanes (an image a lane), with its norms and decisions inside, so that an attack of thousands of passes
//! reads nothing back. Each lists its buffers once ([`LaneOp::slots`]); devices bind and check them by that list.

use super::{BufferId, Dtype, Shape};

/// Rows of `values`: the loss, and 1 where the first maximum of the logits is not the label.
pub const VALUE_ROWS: usize = 2;
/// Rows of `lanes` of APGD: step size, largest loss, last loss, number of rises since the last check, largest loss at the last
/// check, and 1 where the last check halved the step.
pub const APGD_ROWS: usize = 6;
/// Words of APGD's `control`: weight of the new step against momentum; length of the interval that ends now or 0; 1 at the start.
pub const APGD_CONTROL: usize = 4;
/// Words a lane of Square's `proposal`: row, column, side, 1 where the pyramids are transposed, a sign (or 0) for four channels,
/// row and column of the second window, 0, 0.
pub const SQUARE_WORDS: usize = 12;

/// What is computed from a lane's logits z, label y and target t. `o` is the largest other class than y, `z1 >= z2 >= ...` the
/// logits in order; where there are too few classes the smallest logit stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneLossKind {
    /// Cross-entropy.
    CrossEntropy,
    /// Difference of logits ratio: `-(z_y - z_o) / (z1 - z3 + 1e-12)`; over 1 where there are fewer than three classes.
    Dlr,
    /// Targeted: `-(z_y - z_t) / (z1 - (z3 + z4) / 2 + 1e-12)`; over 1 where there are fewer than three classes.
    DlrTargeted,
    /// `z_t - z_y`: positive beyond the boundary to the target.
    Difference,
    /// `z_y - z_o`: negative where the answer is wrong.
    Margin,
}

impl LaneLossKind {
    /// Its number in the shader.
    pub fn code(self) -> u32 {
        self as u32
    }
}

/// A loss by lane, its gradient with respect to the logits (not divided by the batch), and whether the lane is fooled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LaneLoss {
    /// Which.
    pub kind: LaneLossKind,
    /// Number of classes.
    pub classes: usize,
    /// Padded batch.
    pub n: usize,
    /// `[classes][n]`.
    pub logits: BufferId,
    /// u32 `[n]`.
    pub labels: BufferId,
    /// u32 `[n]`.
    pub targets: BufferId,
    /// `[VALUE_ROWS][n]`, zero on padded lanes.
    pub values: BufferId,
    /// `[classes][n]`, zero on padded lanes.
    pub dlogits: BufferId,
}

/// Which ball an attack stays in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ball {
    /// Euclidean, else maximum norm.
    pub l2: bool,
    /// Radius.
    pub eps: f32,
}

/// APGD's move: a gradient step of the lane's own size onto the ball, then momentum, onto the ball again; see `attack::autoattack`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ApgdStep {
    /// Extent of the pixels.
    pub shape: Shape,
    /// The ball.
    pub ball: Ball,
    /// Clean pixels.
    pub clean: BufferId,
    /// Gradient with respect to the pixels.
    pub grad: BufferId,
    /// `[APGD_ROWS][n]`.
    pub lanes: BufferId,
    /// `[APGD_CONTROL]`.
    pub control: BufferId,
    /// Adversarial pixels, moved.
    pub x: BufferId,
    /// Where they were one step ago, replaced by where they were before this one.
    pub old: BufferId,
}

/// What APGD keeps after a pass: the best point and its gradient, the last one that fools; at the end of an interval it halves
/// the step of lanes that make no progress and puts them back to their best point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ApgdKeep {
    /// Extent of the pixels.
    pub shape: Shape,
    /// `[VALUE_ROWS][n]` at `x`.
    pub values: BufferId,
    /// `[APGD_CONTROL]`.
    pub control: BufferId,
    /// Adversarial pixels.
    pub x: BufferId,
    /// Their gradient.
    pub grad: BufferId,
    /// Best point.
    pub best: BufferId,
    /// Its gradient.
    pub best_grad: BufferId,
    /// Last point that fools.
    pub adv: BufferId,
    /// `[APGD_ROWS][n]`.
    pub lanes: BufferId,
}

/// FAB's move: `x` and the clean image are projected on the linearised boundary `values[0] + grad * (z - x) = 0` within the box,
/// and `x` goes past a mixture of both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FabStep {
    /// Extent of the pixels.
    pub shape: Shape,
    /// Distances are Euclidean, else in the maximum norm.
    pub l2: bool,
    /// Clean pixels.
    pub clean: BufferId,
    /// Gradient of the difference of logits.
    pub grad: BufferId,
    /// `[VALUE_ROWS][n]`: the difference at `x`.
    pub values: BufferId,
    /// Moved.
    pub x: BufferId,
}

/// What FAB keeps after a move: where `x` fools and is nearer than before it becomes the answer; where it fools it goes back
/// towards the clean image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FabKeep {
    /// Extent of the pixels.
    pub shape: Shape,
    /// Distances are Euclidean, else in the maximum norm.
    pub l2: bool,
    /// Clean pixels.
    pub clean: BufferId,
    /// `[VALUE_ROWS][n]` at `x`.
    pub values: BufferId,
    /// Moved.
    pub x: BufferId,
    /// Nearest point that fools.
    pub adv: BufferId,
    /// `[1][n]`: its distance.
    pub lanes: BufferId,
}

/// Square's proposal: the best point with one window changed, on the ball.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SquareStep {
    /// Extent of the pixels, at most four channels.
    pub shape: Shape,
    /// The ball.
    pub ball: Ball,
    /// Clean pixels.
    pub clean: BufferId,
    /// Best point.
    pub best: BufferId,
    /// `[n][SQUARE_WORDS]`.
    pub proposal: BufferId,
    /// `[h][w]`, the first `side * side` used: the pyramids of L2, of norm 1.
    pub pyramids: BufferId,
    /// Written.
    pub x: BufferId,
}

/// What Square keeps: the proposal where it lowers the margin of a lane that is not fooled yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SquareKeep {
    /// Extent of the pixels.
    pub shape: Shape,
    /// The proposal.
    pub x: BufferId,
    /// `[VALUE_ROWS][n]`: its margin.
    pub values: BufferId,
    /// Best point.
    pub best: BufferId,
    /// `[1][n]`: least margin.
    pub lanes: BufferId,
}

/// One of these ops.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is documented at its struct")]
pub enum LaneOp {
    Loss(LaneLoss),
    ApgdStep(ApgdStep),
    ApgdKeep(ApgdKeep),
    FabStep(FabStep),
    FabKeep(FabKeep),
    SquareStep(SquareStep),
    SquareKeep(SquareKeep),
}

/// One buffer of an op.
pub struct Slot<'a> {
    /// Its name.
    pub tensor: &'static str,
    /// The buffer.
    pub id: &'a mut BufferId,
    /// What it holds.
    pub dtype: Dtype,
    /// Least length.
    pub words: usize,
    /// Whether the op writes it.
    pub written: bool,
}

impl LaneOp {
    /// Name in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Loss(_) => "LaneLoss",
            Self::ApgdStep(_) => "ApgdStep",
            Self::ApgdKeep(_) => "ApgdKeep",
            Self::FabStep(_) => "FabStep",
            Self::FabKeep(_) => "FabKeep",
            Self::SquareStep(_) => "SquareStep",
            Self::SquareKeep(_) => "SquareKeep",
        }
    }
    /// The extent it works on; that of the logits for a loss.
    pub fn shape(&self) -> Shape {
        match self {
            Self::Loss(o) => Shape { c: o.classes, h: 1, w: 1, n: o.n },
            Self::ApgdStep(ApgdStep { shape, .. })
            | Self::ApgdKeep(ApgdKeep { shape, .. })
            | Self::FabStep(FabStep { shape, .. })
            | Self::FabKeep(FabKeep { shape, .. })
            | Self::SquareStep(SquareStep { shape, .. })
            | Self::SquareKeep(SquareKeep { shape, .. }) => *shape,
        }
    }
    /// Its buffers in the order in which shaders bind them: read ones first.
    pub fn slots(&mut self) -> Vec<Slot<'_>> {
        let shape = self.shape();
        let (d, n) = (shape.len(), shape.n);
        let read = |tensor, id, words| Slot { tensor, id, dtype: Dtype::F32, words, written: false };
        let index = |tensor, id| Slot { tensor, id, dtype: Dtype::U32, words: n, written: false };
        let write = |tensor, id, words| Slot { tensor, id, dtype: Dtype::F32, words, written: true };
        match self {
            Self::Loss(o) => vec![
                read("logits", &mut o.logits, d),
                index("labels", &mut o.labels),
                index("targets", &mut o.targets),
                write("values", &mut o.values, VALUE_ROWS * n),
                write("dlogits", &mut o.dlogits, d),
            ],
            Self::ApgdStep(o) => vec![
                read("clean", &mut o.clean, d),
                read("grad", &mut o.grad, d),
                read("lanes", &mut o.lanes, APGD_ROWS * n),
                read("control", &mut o.control, APGD_CONTROL),
                write("x", &mut o.x, d),
                write("old", &mut o.old, d),
            ],
            Self::ApgdKeep(o) => vec![
                read("values", &mut o.values, VALUE_ROWS * n),
                read("control", &mut o.control, APGD_CONTROL),
                write("x", &mut o.x, d),
                write("grad", &mut o.grad, d),
                write("best", &mut o.best, d),
                write("best_grad", &mut o.best_grad, d),
                write("adv", &mut o.adv, d),
                write("lanes", &mut o.lanes, APGD_ROWS * n),
            ],
            Self::FabStep(o) => vec![
                read("clean", &mut o.clean, d),
                read("grad", &mut o.grad, d),
                read("values", &mut o.values, VALUE_ROWS * n),
                write("x", &mut o.x, d),
            ],
            Self::FabKeep(o) => vec![
                read("clean", &mut o.clean, d),
                read("values", &mut o.values, VALUE_ROWS * n),
                write("x", &mut o.x, d),
                write("adv", &mut o.adv, d),
                write("lanes", &mut o.lanes, n),
            ],
            Self::SquareStep(o) => vec![
                read("clean", &mut o.clean, d),
                read("best", &mut o.best, d),
                read("proposal", &mut o.proposal, SQUARE_WORDS * n),
                read("pyramids", &mut o.pyramids, shape.h * shape.w),
                write("x", &mut o.x, d),
            ],
            Self::SquareKeep(o) => vec![
                read("x", &mut o.x, d),
                read("values", &mut o.values, VALUE_ROWS * n),
                write("best", &mut o.best, d),
                write("lanes", &mut o.lanes, n),
            ],
        }
    }
}
