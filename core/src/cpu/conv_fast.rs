//! Fast f32 convolution.

pub use super::conv::{forward, input_grad, weight_grad};
