//! BatchNorm in train and eval mode, fused with the residual addition and ReLU that follow it.
//!
//! Forward: `xhat = (x - mean) * inv_std; pre = gamma * xhat + beta (+ residual); y = relu ? max(pre, 0) : pre`.
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

/// `daffine[0][c] = sum dpre * xhat`, `daffine[1][c] = sum dpre`, where `dpre = y <= 0 ? 0 : dy` after a ReLU, else `dy`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormReduceGrad {
    /// Extent.
    pub shape: Shape,
    /// Gradient of `y`.
    pub dy: BufferId,
    /// The forward output, where ReLU followed.
    pub y: Option<BufferId>,
    /// The forward input.
    pub x: BufferId,
    /// Statistics as in the forward apply.
    pub stats: BufferId,
    /// As in the forward apply.
    pub eval: bool,
    /// As in the forward apply.
    pub eps: f32,
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
    /// The forward output, where ReLU followed.
    pub y: Option<BufferId>,
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
            Slot::read("x", &mut self.x, len),
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
            Slot::read("x", &mut self.x, len),
            Slot::read("stats", &mut self.stats, pair),
            Slot::read("affine", &mut self.affine, pair),
            Slot::read("residual", self.residual.as_mut(), len),
            Slot::write("y", &mut self.y, len),
        ]
    }
}

impl Contract for BatchNormReduceGrad {
    fn check(&self) -> Check {
        self.shape.check("x")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let (len, pair) = (self.shape.len(), 2 * self.shape.c);
        vec![
            Slot::read("dy", &mut self.dy, len),
            Slot::read("y", self.y.as_mut(), len),
            Slot::read("x", &mut self.x, len),
            Slot::read("stats", &mut self.stats, pair),
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
        let dx = Slot::write("dx", &mut self.dx, len).adding(self.accumulate);
        let dresidual_adds = self.dresidual.is_some_and(|(_, adds)| adds);
        vec![
            Slot::read("dy", &mut self.dy, len),
            Slot::read("y", self.y.as_mut(), len),
            Slot::read("x", &mut self.x, len),
            Slot::read("stats", &mut self.stats, pair),
            Slot::read("affine", &mut self.affine, pair),
            Slot::read("daffine", (!self.eval).then_some(&mut self.daffine), pair),
            if self.accumulate { dx } else { dx.over("dy") },
            Slot::write("dresidual", self.dresidual.as_mut().map(|(id, _)| id), len).adding(dresidual_adds),
        ]
    }
}
