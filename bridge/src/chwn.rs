//! Activations that stay in the kernels' layout through a chain of layers.
//!
//! Burn's fused and reducing kernels may put an activation back in its own order, and the next sparse layer then copies it once more. What is
//! a [`Chwn`] is never put back before [`Chwn::into_nchw`].

use burn::nn::BatchNorm;
use burn::tensor::Tensor;

use crate::error::{Error, Result};
use crate::layer;

/// Activations of n samples as `[channels, height, width, lanes]`, lanes being n rounded up to a multiple of 4; those beyond n hold zeros.
#[derive(Clone, Debug)]
pub struct Chwn {
    n: usize,
    inside: Tensor<4>,
}

impl Chwn {
    /// From `[n, channels, height, width]`.
    pub fn from_nchw(x: Tensor<4>) -> Self {
        Self { n: x.dims()[0], inside: layer::inside(x) }
    }
    /// As `[n, channels, height, width]`.
    pub fn into_nchw(self) -> Tensor<4> {
        layer::outside(self.inside, self.n)
    }
    /// Number of samples.
    pub fn samples(&self) -> usize {
        self.n
    }
    /// Something done to every number by itself (`relu`, a sum with a scalar), on `[channels, height, width, samples]`.
    pub fn map(self, each: impl FnOnce(Tensor<4>) -> Tensor<4>) -> Self {
        let n = self.n;
        // A logarithm of nothing would come back as the gradient of all.
        Self { n, inside: layer::padded(each(self.real())) }
    }
    /// Without the lanes beyond the samples.
    fn real(self) -> Tensor<4> {
        let [c, h, w, lanes] = self.inside.dims();
        if lanes == self.n { self.inside } else { self.inside.slice([0..c, 0..h, 0..w, 0..self.n]) }
    }
    /// Something done to every pair of numbers (a residual sum).
    ///
    /// # Errors
    /// Where the other has another shape.
    pub fn zip(self, other: Self, each: impl FnOnce(Tensor<4>, Tensor<4>) -> Tensor<4>) -> Result<Self> {
        let (own, given) = (self.inside.dims(), other.inside.dims());
        if (self.n, own) != (other.n, given) {
            return Err(Error::setting("both activations", format!("{} samples, {own:?}", self.n), format!("{} and {given:?}", other.n)));
        }
        Ok(Self { n: self.n, inside: layer::padded(each(self.real(), other.real())) })
    }
    /// Burn's BatchNorm, with the same statistics as outside.
    ///
    /// # Errors
    /// Where the batch is no multiple of 4: its lanes of nothing would count.
    pub fn batch_norm(self, norm: &BatchNorm) -> Result<Self> {
        let dims @ [c, h, w, lanes] = self.inside.dims();
        if lanes != self.n {
            return Err(Error::setting("a batch that is normalised inside", "a multiple of 4 samples", self.n));
        }
        let y = norm.forward(self.inside.reshape([1, c, h * w * lanes]));
        Ok(Self { n: self.n, inside: y.reshape(dims) })
    }
    pub(crate) fn into_parts(self) -> (usize, Tensor<4>) {
        (self.n, self.inside)
    }
    pub(crate) fn from_parts(n: usize, inside: Tensor<4>) -> Self {
        Self { n, inside }
    }
}
