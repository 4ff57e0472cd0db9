//! What an attack does to pixels between two gradients: steps, and projections on the ball around the clean image.
//!
//! All state of an attack is on the device, per lane, so that no step waits for a readback (Madry et al. 2018, eq. 2).

use super::contract::{Check, Contract, Slot};
use super::{BufferId, Shape};

/// `norms[n] = ||x[.., n] - minus[.., n]||_2`, one a lane; without `minus` the norm of `x`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LaneNorm {
    /// Extent of `x`.
    pub shape: Shape,
    /// Input.
    pub x: BufferId,
    /// What is subtracted first.
    pub minus: Option<BufferId>,
    /// `[n]`, written.
    pub norms: BufferId,
}

/// `x = clip(clean + clip(x + step * sign(grad) - clean, -eps, eps), 0, 1)`: a step of PGD in the maximum norm. The sign of 0 is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepLinf {
    /// Extent.
    pub shape: Shape,
    /// The adversarial pixels, moved in place.
    pub x: BufferId,
    /// The clean pixels.
    pub clean: BufferId,
    /// Gradient with respect to the pixels.
    pub grad: BufferId,
    /// Length of the step; negative to descend.
    pub step: f32,
    /// Radius.
    pub eps: f32,
}

/// `x = clip(x + step * grad / max(norms[n], 1e-12), 0, 1)`: the first half of a step of PGD in the Euclidean norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepL2 {
    /// Extent.
    pub shape: Shape,
    /// The adversarial pixels, moved in place.
    pub x: BufferId,
    /// Gradient with respect to the pixels.
    pub grad: BufferId,
    /// Its norm by lane, from [`LaneNorm`].
    pub norms: BufferId,
    /// Length of the step; negative to descend.
    pub step: f32,
}

/// `x = clip(clean + (x - clean) * min(1, eps / norms[n]), 0, 1)`: onto the Euclidean ball.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProjectL2 {
    /// Extent.
    pub shape: Shape,
    /// The adversarial pixels, moved in place.
    pub x: BufferId,
    /// The clean pixels.
    pub clean: BufferId,
    /// `||x - clean||` by lane, from [`LaneNorm`].
    pub norms: BufferId,
    /// Radius.
    pub eps: f32,
}

impl Contract for LaneNorm {
    fn check(&self) -> Check {
        self.shape.check("x")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let len = self.shape.len();
        vec![
            Slot::read("x", &mut self.x, len),
            Slot::read("minus", self.minus.as_mut(), len),
            Slot::write("norms", &mut self.norms, self.shape.n),
        ]
    }
}

impl Contract for StepLinf {
    fn check(&self) -> Check {
        self.shape.check("x")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let len = self.shape.len();
        vec![Slot::read("clean", &mut self.clean, len), Slot::read("grad", &mut self.grad, len), Slot::write("x", &mut self.x, len)]
    }
}

impl Contract for StepL2 {
    fn check(&self) -> Check {
        self.shape.check("x")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let len = self.shape.len();
        vec![
            Slot::read("grad", &mut self.grad, len),
            Slot::read("norms", &mut self.norms, self.shape.n),
            Slot::write("x", &mut self.x, len),
        ]
    }
}

impl Contract for ProjectL2 {
    fn check(&self) -> Check {
        self.shape.check("x")
    }
    fn slots(&mut self) -> Vec<Slot<'_>> {
        let len = self.shape.len();
        vec![
            Slot::read("clean", &mut self.clean, len),
            Slot::read("norms", &mut self.norms, self.shape.n),
            Slot::write("x", &mut self.x, len),
        ]
    }
}
