//! BatchNorm in train and eval mode, fused with the residual addition and ReLU that follow it.
//!
//! Forward: `xhat = (x - mean) * inv_std; pre = gamma * xhat + beta (+ residual); y = relu ? max(pre, 0) : pre`. Where only convolutions
//! read `y` it need not exist: they normalise `x` as they load it ([`NormOnLoad`]), and the backward pass finds `y`'s sign again ([`Gate`]).
//! A channel's data are packed in pairs: `affine` = `[2][C]` gamma then beta, `running` = `[2][C]` mean then variance,
//! `saved` = `[2][C]` batch mean then 1/sqrt(var + eps). Means and variances are over the `h * w * n_valid` real values.

use super::contract::{Check, Contract, Slot};
use super::{BufferId, Shape};

/// Batch statistics: `saved` = mean and 1/sqrt(biased var + eps); running statistics move by `momentum`
/// (`r = (1 - m) r + m batch`, variance unbiased, as PyTorch).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormStats {
    /// Extent of `x`.
    pub shape: Shape,
    /// Input.
    pub x: BufferId,
    /// `[2][C]`, written.
    pub saved: BufferId,
    /// `[2][C]`, updated.
    pub running: BufferId,
    /// Weight of the new batch in the running statistics (PyTorch: 0.1).
    pub momentum: f32,
    /// Added to the variance (PyTorch: 1e-5).
    pub eps: f32,
}

/// Normalise, scale, shift, add the residual, ReLU; lanes beyond `n_valid` become zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormApply {
    /// Extent of `x` and `y`.
    pub shape: Shape,
    /// Input.
    pub x: BufferId,
    /// Train: `saved` (mean, inv_std). Eval: `running` (mean, variance).
    pub stats: BufferId,
    /// True where `stats` holds running statistics (variance, not inv_std).
    pub eval: bool,
    /// Added to the running variance (eval only).
    pub eps: f32,
    /// `[2][C]` gamma, beta.
    pub affine: BufferId,
    /// Added before ReLU, same extent.
    pub residual: Option<BufferId>,
    /// Apply ReLU.
    pub relu: bool,
    /// Output.
    pub y: BufferId,
}

/// [`BatchNormApply`] without a residual, where an activation is loaded instead of before: `y` is never written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormOnLoad {
    /// As in [`BatchNormApply`].
    pub stats: BufferId,
    /// As in [`BatchNormApply`].
    pub eval: bool,
    /// As in [`BatchNormApply`].
    pub eps: f32,
    /// As in [`BatchNormApply`].
    pub affine: BufferId,
    /// Apply ReLU.
    pub relu: bool,
}

impl NormOnLoad {
    /// Its buffers, over an activation of this many channels.
    pub(super) fn slots(norm: &mut Option<Self>, channels: usize) -> [Slot<'_>; 2] {
        let (stats, affine) = norm.as_mut().map(|norm| (&mut norm.stats, &mut norm.affine)).unzip();
        [Slot::read("stats", stats, 2 * channels), Slot::read("affine", affine, 2 * channels)]
    }
}

/// How the backward pass knows where the ReLU after a BatchNorm let through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gate {
    /// No ReLU followed: everywhere.
    Open,
    /// Where the forward output is positive.
    Output(BufferId),
    /// Where it would have been, computed again from the input; there was no residual.
    Again,
}

impl From<Option<BufferId>> for Gate {
    /// By the forward output, where ReLU followed.
    fn from(y: Option<BufferId>) -> Self {
        y.map_or(Self::Open, Self::Output)
    }
}

impl Gate {
    /// Whether a ReLU followed.
    pub fn relu(self) -> bool {
        self != Self::Open
    }
    fn output(&mut self) -> Option<&mut BufferId> {
        match self {
            Self::Output(y) => Some(y),
            Self::Open | Self::Again => None,
        }
    }
}

/// `daffine[0][c] = sum dpre * xhat`, `daffine[1][c] = sum dpre`, where `dpre = y <= 0 ? 0 : dy` after a ReLU, else `dy`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormReduceGrad {
    /// Extent.
    pub shape: Shape,
    /// Gradient of `y`.
    pub dy: BufferId,
    /// The ReLU that followed.
    pub gate: Gate,
    /// The forward input.
    pub x: BufferId,
    /// Statistics as in the forward apply.
    pub stats: BufferId,
    /// As in the forward apply.
    pub eval: bool,
    /// As in the forward apply.
    pub eps: f32,
    /// `[2][C]` gamma, beta: what [`Gate::Again`] needs.
    pub affine: BufferId,
    /// `[2][C]`, written.
    pub daffine: BufferId,
}

/// Train: `dx (+)= gamma * inv_std * (dpre - mean(dpre) - xhat * mean(dpre * xhat))`; eval: `dx (+)= gamma * inv_std * dpre`.
/// Means are over the real values. The residual's gradient is `dpre`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormInputGrad {
    /// Extent.
    pub shape: Shape,
    /// Gradient of `y`.
    pub dy: BufferId,
    /// The ReLU that followed.
    pub gate: Gate,
    /// The forward input.
    pub x: BufferId,
    /// Statistics as in the forward apply.
    pub stats: BufferId,
    /// Eval mode: statistics are constants.
    pub eval: bool,
    /// As in the forward apply.
    pub eps: f32,
    /// `[2][C]` gamma, beta.
    pub affine: BufferId,
    /// `[2][C]` from [`BatchNormReduceGrad`] (train only read).
    pub daffine: BufferId,
    /// Gradient of `x`. May be the same buffer as `dy` where `accumulate` is false: a kernel reads an element before it writes it.
    pub dx: BufferId,
    /// Add to `dx` instead of overwriting it.
    pub accumulate: bool,
    /// Gradient of the residual input, if there was one, and whether to add to it (else overwrite).
    pub dresidual: Option<(BufferId, bool)>,
}

impl Contract for BatchNormStats {
    fn check(&self) -> Check {
        self.shape.check("x")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let (len, pair) = (self.shape.len(), 2 * self.shape.c);
        vec![
            Slot::read("x", &mut self.x, len).activation(),
            Slot::write("saved", &mut self.saved, pair),
            Slot::update("running", &mut self.running, pair),
        ]
    }
}

impl Contract for BatchNormApply {
    fn check(&self) -> Check {
        self.shape.check("x")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let (len, pair) = (self.shape.len(), 2 * self.shape.c);
        vec![
            Slot::read("x", &mut self.x, len).activation(),
            Slot::read("stats", &mut self.stats, pair),
            Slot::read("affine", &mut self.affine, pair),
            Slot::read("residual", self.residual.as_mut(), len).activation(),
            Slot::write("y", &mut self.y, len).activation(),
        ]
    }
}

impl Contract for BatchNormReduceGrad {
    fn check(&self) -> Check {
        self.shape.check("x")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let (len, pair, again) = (self.shape.len(), 2 * self.shape.c, self.gate == Gate::Again);
        vec![
            Slot::read("dy", &mut self.dy, len).activation(),
            Slot::read("y", self.gate.output(), len).activation(),
            Slot::read("x", &mut self.x, len).activation(),
            Slot::read("stats", &mut self.stats, pair),
            Slot::read("affine", again.then_some(&mut self.affine), pair),
            Slot::write("daffine", &mut self.daffine, pair),
        ]
    }
}

impl Contract for BatchNormInputGrad {
    fn check(&self) -> Check {
        self.shape.check("x")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let (len, pair) = (self.shape.len(), 2 * self.shape.c);
        let dx = Slot::write("dx", &mut self.dx, len).activation().adding(self.accumulate);
        let dresidual_adds = self.dresidual.is_some_and(|(_, adds)| adds);
        vec![
            Slot::read("dy", &mut self.dy, len).activation(),
            Slot::read("y", self.gate.output(), len).activation(),
            Slot::read("x", &mut self.x, len).activation(),
            Slot::read("stats", &mut self.stats, pair),
            Slot::read("affine", &mut self.affine, pair),
            Slot::read("daffine", (!self.eval).then_some(&mut self.daffine), pair),
            if self.accumulate { dx } else { dx.over("dy") },
            Slot::write("dresidual", self.dresidual.as_mut().map(|(id, _)| id), len).activation().adding(dresidual_adds),
        ]
    }
}
