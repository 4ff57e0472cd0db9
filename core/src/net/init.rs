//! Initial weights: the same on every device and for every learner of a race.
//!
//! Each tensor is drawn from its own stream (seed, weights, 0, ordinal), so a change in one layer moves no other.

use super::graph::{Graph, Init, Layer};
use crate::formats::{StateDict, Tensor};
use crate::rng::{Purpose, Stream};

/// The dense state a network starts from: weights and biases as the graph says, BatchNorm weight 1, bias 0, mean 0, variance 1.
pub fn initial_state(graph: &Graph, seed: u64) -> StateDict {
    let mut state = StateDict::default();
    let mut ordinal = 0;
    let mut weights = graph.weights().into_iter();
    let put = |state: &mut StateDict, name: String, shape: Vec<usize>, data: Vec<f32>| {
        state.tensors.insert(name, Tensor { shape, data });
    };
    for node in &graph.nodes {
        match &node.layer {
            Layer::Conv { name, shape, bias, init, .. } => {
                let Some(info) = weights.next() else { continue };
                let taps = shape.kh * shape.kw;
                let (fan_in, fan_out) = ((shape.c_in * taps) as f32, (shape.c_out * taps) as f32);
                let bound = 1.0 / fan_in.sqrt();
                let mut stream = Stream::new(seed, Purpose::Weights, 0, ordinal);
                let mut uniform = || (2.0 * stream.uniform() - 1.0) * bound;
                let biases: Vec<f32> = match init {
                    _ if !*bias => Vec::new(),
                    Init::TorchDefault | Init::KaimingNormalFanIn => (0..shape.c_out).map(|_| uniform()).collect(),
                    Init::KaimingNormalFanOut | Init::Normal(_) | Init::TorchZeroBias => vec![0.0; shape.c_out],
                };
                let std = match init {
                    Init::TorchDefault | Init::TorchZeroBias => None,
                    Init::KaimingNormalFanIn => Some((2.0 / fan_in).sqrt()),
                    Init::KaimingNormalFanOut => Some((2.0 / fan_out).sqrt()),
                    Init::Normal(std) => Some(*std),
                };
                let data = match std {
                    None => (0..shape.weights()).map(|_| uniform()).collect(),
                    Some(std) => (0..shape.weights()).map(|_| stream.normal() * std).collect(),
                };
                put(&mut state, info.name, info.extents, data);
                if *bias {
                    put(&mut state, format!("{name}.bias"), vec![shape.c_out], biases);
                }
                ordinal += 1;
            }
            Layer::BatchNorm { name, .. } => {
                for (part, value) in [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)] {
                    put(&mut state, format!("{name}.{part}"), vec![node.shape.c], vec![value; node.shape.c]);
                }
            }
            _ => {}
        }
    }
    state
}
