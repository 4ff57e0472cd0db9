//! A learner from weights that were trained before, at the end of its race.

use super::{Learner, Next, parent_flops};
use crate::error::{Error, Result};
use crate::formats::StateDict;
use crate::net::Graph;
use crate::train::corner::Corner;
use crate::train::parent::said_flops;
use crate::train::placing::{Places, found};
use crate::train::workspace::Ring;

impl Learner {
    /// Plans a learner that has been trained: all epochs done, no evaluation. Its training FLOPs are those that the state's metadata say;
    /// where they do not, only its parent's are counted.
    ///
    /// # Errors
    /// `Format` where the state does not fit the network; what the plan says.
    pub fn trained(ring: &mut Ring, corner: Corner, graph: Graph, state: &StateDict) -> Result<Self> {
        check(&graph, state, &corner.name())?;
        let places = Places { placements: found(&corner.config, &graph, state)?, notes: Vec::new() };
        let before = parent_flops(ring, &corner, &graph, None).unwrap_or(0.0);
        let mut learner = Self::planned(ring, corner, graph, state, places, before)?;
        learner.next = Next::Done;
        learner.epoch = ring.config.epochs;
        learner.total_steps = learner.steps(ring.config) as u64 * u64::from(ring.config.epochs);
        learner.flops = said_flops(state).unwrap_or(before);
        Ok(learner)
    }
}

/// Whether a state has the network's tensors, and no others: a deeper network of the same kind would else pass for this one.
fn check(graph: &Graph, state: &StateDict, learner: &str) -> Result<()> {
    let of = |tensor: &str| format!("weights of '{learner}', tensor '{tensor}'");
    let expected = graph.state_shapes();
    for (name, shape) in &expected {
        let Some(tensor) = state.tensors.get(name) else {
            return Err(Error::format(of(name), format_args!("shape {shape:?}"), "no such tensor"));
        };
        if tensor.shape != *shape {
            return Err(Error::format(of(name), format_args!("shape {shape:?}"), format_args!("{:?}", tensor.shape)));
        }
    }
    match state.tensors.keys().find(|name| expected.iter().all(|(known, _)| known != *name)) {
        Some(name) => Err(Error::format(of(name), "only tensors of the network", "one that it does not have")),
        None => Ok(()),
    }
}
