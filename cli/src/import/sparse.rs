//! Weights that are exactly 0: numbers like others, or weights that are not there.
//!
//! A file does not say. A checkpoint that says `placement: sparse` is held without its zeros, by everything that evaluates it.

use anyhow::{Result, bail};
use sparring_core::formats::{PLACEMENT, SPARSE, StateDict};
use sparring_core::net::{Graph, Placement};

use super::masks::Masked;

/// From this share of zeros on they are worth a word.
const MANY: f64 = 0.05;

/// How many weights of a network are exactly 0.
#[derive(Debug, PartialEq)]
pub struct Zeros {
    zeros: usize,
    weights: usize,
    /// Layers with zeros, and all.
    layers: [usize; 2],
}

impl Zeros {
    pub fn of(graph: &Graph, state: &StateDict) -> Self {
        let mut out = Self { zeros: 0, weights: 0, layers: [0, 0] };
        for info in graph.weights() {
            let values = state.tensors.get(&info.name).map_or(&[][..], |t| &t.data);
            let zeros = values.iter().filter(|v| **v == 0.0).count();
            out.zeros += zeros;
            out.weights += values.len();
            out.layers[0] += usize::from(zeros > 0);
            out.layers[1] += 1;
        }
        out
    }
    /// Share of the weights that are not 0.
    pub fn density(&self) -> f64 {
        1.0 - self.zeros as f64 / self.weights.max(1) as f64
    }
    /// What to say about it. `placed`: whether they are taken as weights that are not there.
    ///
    /// # Errors
    /// Where that was asked for and there is none.
    pub fn note(&self, placed: bool, masked: &Masked) -> Result<Option<String>> {
        let Self { zeros, weights, layers: [with, all] } = self;
        let count = format!("{zeros} of {weights} weights are exactly 0, in {with} of {all} layers");
        Ok(match (placed, masked.names.len()) {
            (true, 0) if *zeros == 0 => bail!("--sparse: no weight is exactly 0; leave it out"),
            (true, 0) => Some(format!("{count}; they are taken as weights that are not there")),
            (true, masks) => {
                let kept = match masked.kept_zeros {
                    0 => String::new(),
                    n => format!("; {n} that the masks keep are exactly 0 and count as not there"),
                };
                Some(format!("{masks} masks of torch.nn.utils.prune: {count}; they are taken as weights that are not there{kept}"))
            }
            (false, _) if *zeros as f64 > MANY * *weights as f64 => {
                Some(format!("{count}; they are kept as numbers, --sparse takes them as weights that are not there"))
            }
            (false, _) => None,
        })
    }
}

/// How a checkpoint's weight tensors are held.
pub fn placements(graph: &Graph, state: &StateDict) -> Vec<Placement> {
    let sparse = state.metadata.get(PLACEMENT).is_some_and(|placement| placement == SPARSE);
    let of = |name: &str| {
        let values = state.tensors.get(name).filter(|_| sparse).map_or(&[][..], |t| &t.data);
        let positions: Vec<u32> = (0u32..).zip(values).filter(|(_, v)| **v != 0.0).map(|(at, _)| at).collect();
        if positions.len() == values.len() { Placement::Dense } else { Placement::Sparse(positions) }
    };
    graph.weights().iter().map(|info| of(&info.name)).collect()
}
