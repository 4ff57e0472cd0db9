//! Convolution in its three directions, dense and sparse: in f32 by one fast scheme (`fast`), in float64 by plain loops (`plain`).

pub mod fast;
pub mod index;
pub mod plain;

use std::borrow::Cow;

use super::activation::{Activation, ActivationMut};
use super::batchnorm::OnLoad;
use super::lent::Lent;
use super::{Real, Run};
use crate::error::Result;
use crate::ops::{ConvForward, ConvInputGrad, ConvShape, ConvWeightGrad, StepParams};
use crate::platform::parallel;
use index::{Csr, Index};

/// An activation that is convolved, as it is loaded.
#[derive(Clone, Copy)]
pub struct Source<'a, T> {
    /// What is stored.
    pub stored: Activation<'a, T>,
    /// A BatchNorm that is applied on the way.
    pub norm: Option<OnLoad<'a, T>>,
}

impl<'a, T: Real> Source<'a, T> {
    /// As it is stored.
    pub fn plain(stored: Activation<'a, T>) -> Self {
        Self { stored, norm: None }
    }
    /// Loads some whole runs of lanes of a channel.
    pub fn copy(&self, channel: usize, stored: Activation<'_, T>, to: &mut [T]) {
        match self.norm {
            None => stored.copy(to),
            Some(norm) => norm.copy(channel, stored, to),
        }
    }
    /// All of it, its channels of `plane` words each.
    pub fn loaded(&self, plane: usize) -> Cow<'a, [T]> {
        let Some(norm) = self.norm else { return self.stored.whole() };
        let mut loaded = vec![T::ZERO; self.stored.len()];
        parallel::chunks_mut(&mut loaded, plane, |c, to| norm.copy(c, self.stored.part(c * plane, to.len()), to));
        Cow::Owned(loaded)
    }
}

/// Operands of the forward product.
pub struct Forward<'a, T> {
    /// Geometry.
    pub shape: ConvShape,
    /// Input.
    pub x: Source<'a, T>,
    /// The weights' values.
    pub weight: &'a [T],
    /// `[c_out]`.
    pub bias: Option<&'a [T]>,
    /// Lanes that get the bias.
    pub n_valid: usize,
    /// Output.
    pub y: ActivationMut<'a, T>,
}

/// Operands of the gradient with respect to the input.
pub struct InputGrad<'a, T> {
    /// Geometry of the forward convolution.
    pub shape: ConvShape,
    /// Gradient of the output.
    pub dy: Activation<'a, T>,
    /// The weights' values.
    pub weight: &'a [T],
    /// Add instead of overwrite.
    pub accumulate: bool,
    /// Gradient of the input.
    pub dx: ActivationMut<'a, T>,
}

/// Operands of the gradient with respect to the weights.
pub struct WeightGrad<'a, T> {
    /// Geometry of the forward convolution.
    pub shape: ConvShape,
    /// Input.
    pub x: Source<'a, T>,
    /// Gradient of the output.
    pub dy: Activation<'a, T>,
    /// Gradient of the values.
    pub dw: &'a mut [T],
}

/// A number type with its convolution: the plain loops, but where it has a faster one.
pub trait Convolve: Real {
    /// See `plain::forward`.
    fn forward(index: Index<'_>, args: Forward<'_, Self>) {
        plain::forward(index, args);
    }
    /// See `plain::input_grad`.
    fn input_grad(index: Index<'_>, args: InputGrad<'_, Self>) {
        plain::input_grad(index, args);
    }
    /// See `plain::weight_grad`.
    fn weight_grad(index: Index<'_>, args: WeightGrad<'_, Self>) {
        plain::weight_grad(index, args);
    }
}

impl Convolve for f64 {}

impl Convolve for f32 {
    fn forward(index: Index<'_>, args: Forward<'_, Self>) {
        fast::forward(index, args);
    }
    fn input_grad(index: Index<'_>, args: InputGrad<'_, Self>) {
        fast::input_grad(index, args);
    }
    fn weight_grad(index: Index<'_>, args: WeightGrad<'_, Self>) {
        fast::weight_grad(index, args);
    }
}

/// `y = conv(x, w) (+ bias on the valid lanes)`.
fn conv_forward<T: Convolve>(args: Forward<'_, T>) {
    T::forward(Index::Dense, args);
}

/// The same at the weights of an index whose rows are output channels.
fn sparse_conv_forward<T: Convolve>(csr: Csr<'_>, args: Forward<'_, T>) {
    T::forward(Index::Sparse(csr), args);
}

/// `dx (+)= the transposed convolution of dy`.
fn conv_input_grad<T: Convolve>(args: InputGrad<'_, T>) {
    T::input_grad(Index::Dense, args);
}

/// The same at the weights of an index whose rows are input channels.
fn sparse_conv_input_grad<T: Convolve>(csr: Csr<'_>, args: InputGrad<'_, T>) {
    T::input_grad(Index::Sparse(csr), args);
}

/// `dw = sum of dy * x`.
fn conv_weight_grad<T: Convolve>(args: WeightGrad<'_, T>) {
    T::weight_grad(Index::Dense, args);
}

/// The same at the weights of an index whose rows are output channels: a sampled product.
fn sparse_conv_weight_grad<T: Convolve>(csr: Csr<'_>, args: WeightGrad<'_, T>) {
    T::weight_grad(Index::Sparse(csr), args);
}

/// The index by which a kernel walks the weights of an output channel.
pub fn rows<'a, T: Real>(shape: &ConvShape, lent: &Lent<'a, T>) -> Result<Csr<'a>> {
    Csr::forward(shape, lent.index_buffer("row_ptr")?, lent.index_buffer("index")?)
}

impl<T: Convolve> Run<T> for ConvForward {
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()> {
        let args = Forward {
            shape: self.shape,
            x: Source { stored: lent.activation("x")?, norm: OnLoad::of(self.norm, self.shape.input(), lent, step)? },
            weight: lent.read("weight")?,
            bias: lent.read_some("bias")?,
            n_valid: step.n_valid as usize,
            y: lent.activation_mut("y")?,
        };
        match self.weight.topology() {
            None => conv_forward(args),
            Some(_) => sparse_conv_forward(rows(&self.shape, lent)?, args),
        }
        Ok(())
    }
}

impl<T: Convolve> Run<T> for ConvInputGrad {
    fn run(&self, lent: &mut Lent<'_, T>, _: &StepParams) -> Result<()> {
        let args = InputGrad {
            shape: self.shape,
            dy: lent.activation("dy")?,
            weight: lent.read("weight")?,
            accumulate: self.accumulate,
            dx: lent.activation_mut("dx")?,
        };
        match self.weight.topology() {
            None => conv_input_grad(args),
            Some(_) => {
                let [row_ptr, index, position] = ["t_row_ptr", "t_index", "t_value"].map(|tensor| lent.index_buffer(tensor));
                sparse_conv_input_grad(Csr::transposed(&self.shape, row_ptr?, index?, position?)?, args);
            }
        }
        Ok(())
    }
}

impl<T: Convolve> Run<T> for ConvWeightGrad {
    fn run(&self, lent: &mut Lent<'_, T>, step: &StepParams) -> Result<()> {
        let x = Source { stored: lent.activation("x")?, norm: OnLoad::of(self.norm, self.shape.input(), lent, step)? };
        let args = WeightGrad { shape: self.shape, x, dy: lent.activation("dy")?, dw: lent.write("dw")? };
        match self.topology {
            None => conv_weight_grad(args),
            Some(_) => sparse_conv_weight_grad(rows(&self.shape, lent)?, args),
        }
        Ok(())
    }
}
