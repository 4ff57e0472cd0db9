//! What AutoAttack does to each lane between two passes of the network: losses, steps, and what is kept (Croce & Hein 2020).
//!
//! Every op works on whole lanes (an image a lane), with its norms and decisions inside, so that an attack of thousands of passes
//! reads nothing back.

use super::contract::{Check, Contract, Slot, require};
use super::{BufferId, Shape};

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

impl Contract for LaneLoss {
    fn check(&self) -> Check {
        Shape { c: self.classes, h: 1, w: 1, n: self.n }.check("logits")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let len = self.classes * self.n;
        vec![
            Slot::read("logits", &mut self.logits, len),
            Slot::index("labels", &mut self.labels, self.n),
            Slot::index("targets", &mut self.targets, self.n),
            Slot::write("values", &mut self.values, VALUE_ROWS * self.n),
            Slot::write("dlogits", &mut self.dlogits, len),
        ]
    }
}

impl Contract for ApgdStep {
    fn check(&self) -> Check {
        self.shape.check("x")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let (len, n) = (self.shape.len(), self.shape.n);
        vec![
            Slot::read("clean", &mut self.clean, len),
            Slot::read("grad", &mut self.grad, len),
            Slot::read("lanes", &mut self.lanes, APGD_ROWS * n),
            Slot::read("control", &mut self.control, APGD_CONTROL),
            Slot::write("x", &mut self.x, len),
            Slot::write("old", &mut self.old, len),
        ]
    }
}

impl Contract for ApgdKeep {
    fn check(&self) -> Check {
        self.shape.check("x")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let (len, n) = (self.shape.len(), self.shape.n);
        vec![
            Slot::read("values", &mut self.values, VALUE_ROWS * n),
            Slot::read("control", &mut self.control, APGD_CONTROL),
            Slot::write("x", &mut self.x, len),
            Slot::write("grad", &mut self.grad, len),
            Slot::write("best", &mut self.best, len),
            Slot::write("best_grad", &mut self.best_grad, len),
            Slot::write("adv", &mut self.adv, len),
            Slot::write("lanes", &mut self.lanes, APGD_ROWS * n),
        ]
    }
}

impl Contract for FabStep {
    fn check(&self) -> Check {
        self.shape.check("x")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let (len, n) = (self.shape.len(), self.shape.n);
        vec![
            Slot::read("clean", &mut self.clean, len),
            Slot::read("grad", &mut self.grad, len),
            Slot::read("values", &mut self.values, VALUE_ROWS * n),
            Slot::write("x", &mut self.x, len),
        ]
    }
}

impl Contract for FabKeep {
    fn check(&self) -> Check {
        self.shape.check("x")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let (len, n) = (self.shape.len(), self.shape.n);
        vec![
            Slot::read("clean", &mut self.clean, len),
            Slot::read("values", &mut self.values, VALUE_ROWS * n),
            Slot::write("x", &mut self.x, len),
            Slot::write("adv", &mut self.adv, len),
            Slot::write("lanes", &mut self.lanes, n),
        ]
    }
}

impl Contract for SquareStep {
    fn check(&self) -> Check {
        self.shape.check("x")?;
        require(self.shape.c <= 4, "x", "at most 4 channels", self.shape)
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let (len, n) = (self.shape.len(), self.shape.n);
        vec![
            Slot::read("clean", &mut self.clean, len),
            Slot::read("best", &mut self.best, len),
            Slot::read("proposal", &mut self.proposal, SQUARE_WORDS * n),
            Slot::read("pyramids", &mut self.pyramids, self.shape.h * self.shape.w),
            Slot::write("x", &mut self.x, len),
        ]
    }
}

impl Contract for SquareKeep {
    fn check(&self) -> Check {
        self.shape.check("x")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let (len, n) = (self.shape.len(), self.shape.n);
        vec![
            Slot::read("x", &mut self.x, len),
            Slot::read("values", &mut self.values, VALUE_ROWS * n),
            Slot::write("best", &mut self.best, len),
            Slot::write("lanes", &mut self.lanes, n),
        ]
    }
}
