//! Named tensors: what checkpoints hold and what import produces, with names as PyTorch's modules have them.

use std::collections::BTreeMap;

/// A host tensor, row-major, float32.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensor {
    /// Extents, outermost first. Empty for a scalar.
    pub shape: Vec<usize>,
    /// Values, row-major.
    pub data: Vec<f32>,
}

/// Tensors by name, and string metadata.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateDict {
    /// By name, e.g. `layer1.0.conv1.weight`, `bn1.running_var`.
    pub tensors: BTreeMap<String, Tensor>,
    /// E.g. `model`, `normalization`, `format`.
    pub metadata: BTreeMap<String, String>,
}
