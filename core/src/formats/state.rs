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

/// What a file of somebody else's holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// The weights under the names of the file.
    pub state: StateDict,
    /// The keys that led to them, with points between; empty where they are the whole file.
    pub key: String,
    /// The sets of weights in the file that could be the same network's, this one included.
    pub keys: Vec<String>,
    /// Sets of masks that lie beside the weights, by their keys.
    pub masks: Vec<(String, BTreeMap<String, Tensor>)>,
    /// Tensors that are not among the weights since their values cannot be read, and what they are.
    pub unread: BTreeMap<String, String>,
}
