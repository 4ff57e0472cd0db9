//! Where a learner's weights stand at the start: one place for every allocation and every start.
//!
//! The masks depend on the configuration and the images alone, so learners of a race that share a rule share its masks.

use super::corner::Corner;
use super::saliency;
use super::workspace::Ring;
use crate::config::{Allocation, Dynamics, LearnerConfig, Method, Semantics};
use crate::error::{Error, Result};
use crate::formats::StateDict;
use crate::net::Graph;
use crate::net::plan::Placement;
use crate::sparse::density::{erk, keeping_first, uniform};
use crate::sparse::{magnitude, mask};

/// The weight tensors' placements, and what a person should know of them.
pub struct Places {
    /// One a weight tensor.
    pub placements: Vec<Placement>,
    /// Warnings.
    pub notes: Vec<String>,
}

/// How a tensor of this size holds weights at these positions.
pub(super) fn hold(semantics: Semantics, positions: Vec<u32>, size: usize) -> Placement {
    match semantics {
        // A layer that holds everything gains nothing from an index.
        Semantics::Sparse if positions.len() == size => Placement::Dense,
        Semantics::Sparse => Placement::Sparse(positions),
        Semantics::Masked => Placement::Masked(positions),
    }
}

/// Where the weights of a trained state stand: where they are not zero. The state has the network's tensors.
pub(super) fn found(learner: &LearnerConfig, graph: &Graph, state: &StateDict) -> Result<Vec<Placement>> {
    let views = views(graph, state)?;
    if learner.method == Method::Dense {
        return Ok(vec![Placement::Dense; views.len()]);
    }
    let positions = |values: &[f32]| (0u32..).zip(values).filter(|(_, value)| **value != 0.0).map(|(position, _)| position).collect();
    Ok(views.into_iter().map(|values| hold(learner.semantics, positions(values), values.len())).collect())
}

/// About how dense a learner's tensors of these extents will be, before anything of the images is known: allocations by magnitudes or by the
/// data are near ERK.
///
/// # Errors
/// `Config` for what cannot be allocated.
pub fn expected_densities(learner: &LearnerConfig, extents: &[Vec<usize>]) -> Result<Vec<f64>> {
    match learner.recipe().allocation {
        Allocation::Uniform | Allocation::UniformPre => keeping_first(learner.keep_first, extents, learner.density, uniform),
        _ => keeping_first(learner.keep_first, extents, learner.density, erk),
    }
}

/// Places a learner's weights; `weights` is the dense state that magnitudes are read from: the trained parent's where the method
/// has one, else the initial one.
///
/// # Errors
/// `Config` for what cannot be allocated here; what the device says.
pub async fn place(ring: &mut Ring<'_>, corner: &Corner, graph: &Graph, weights: &StateDict) -> Result<Places> {
    let learner = &corner.config;
    let infos = graph.weights();
    let sizes: Vec<usize> = infos.iter().map(|w| w.shape.weights()).collect();
    let hold = |positions: Vec<u32>, size: usize| hold(learner.semantics, positions, size);
    if learner.method == Method::Dense {
        return Ok(Places { placements: vec![Placement::Dense; infos.len()], notes: Vec::new() });
    }
    if learner.recipe().dynamics == Dynamics::Gradual {
        let placements = sizes.iter().map(|&size| hold((0..size as u32).collect(), size)).collect();
        return Ok(Places { placements, notes: Vec::new() });
    }
    let (seed, density) = (ring.config.seed, learner.density);
    let bernoulli = ring.config.bernoulli;
    let random = |densities: &[f64]| -> Vec<Vec<u32>> {
        let draw = |(i, (&size, &density)): (usize, (&usize, &f64))| {
            if bernoulli { mask::bernoulli(seed, i, size, density) } else { mask::initial(seed, i, size, density) }
        };
        sizes.iter().zip(densities).enumerate().map(draw).collect()
    };
    let keep = magnitude::kept(density, sizes.iter().sum());
    let positions = match learner.recipe().allocation {
        Allocation::Erk | Allocation::Uniform => {
            let extents: Vec<Vec<usize>> = infos.iter().map(|w| w.extents.clone()).collect();
            random(&expected_densities(learner, &extents)?)
        }
        Allocation::GlobalMagnitude => magnitude::global(&views(graph, weights)?, density),
        Allocation::UniformPre => magnitude::by_layer(&views(graph, weights)?, density),
        Allocation::HalfPre => magnitude::by_half(&views(graph, weights)?, density),
        Allocation::SnipMask => top(&saliency::snip(ring, graph, &corner.indices).await?, keep),
        Allocation::Snip => {
            let counts: Vec<usize> = top(&saliency::snip(ring, graph, &corner.indices).await?, keep).iter().map(Vec::len).collect();
            let densities: Vec<f64> = counts.iter().zip(&sizes).map(|(&count, &size)| count as f64 / size as f64).collect();
            random(&densities)
        }
        Allocation::Grasp => {
            let mut scores = grasp(ring, corner, graph, weights).await?;
            // The largest go: keep the lowest.
            scores.iter_mut().flatten().for_each(|s| *s = -*s);
            top(&scores, keep)
        }
    };
    let emptied = infos.iter().zip(&positions).filter(|(_, p)| p.is_empty()).map(|(w, _)| w.name.as_str());
    let notes = emptied_note(&corner.name(), emptied);
    let placements = positions.into_iter().zip(&sizes).map(|(positions, &size)| hold(positions, size)).collect();
    Ok(Places { placements, notes })
}

/// The warning that layers have no weights left, if any have none.
pub fn emptied_note<'a>(learner: &str, layers: impl Iterator<Item = &'a str>) -> Vec<String> {
    let names: Vec<&str> = layers.collect();
    if names.is_empty() {
        return Vec::new();
    }
    let pass = "nothing passes them but what goes around by a shortcut; a higher density or another allocation keeps them alive";
    vec![format!("{learner}: no weights left in {}: {pass}", names.join(", "))]
}

fn top(scores: &[Vec<f32>], count: usize) -> Vec<Vec<u32>> {
    let views: Vec<&[f32]> = scores.iter().map(Vec::as_slice).collect();
    magnitude::top(&views, count)
}

/// The weight tensors of a state, in network order.
fn views<'a>(graph: &Graph, state: &'a StateDict) -> Result<Vec<&'a [f32]>> {
    let of = |info: crate::net::graph::WeightInfo| match state.tensors.get(&info.name) {
        Some(tensor) if tensor.data.len() == info.shape.weights() => Ok(tensor.data.as_slice()),
        Some(tensor) => {
            Err(Error::format(format!("state, tensor '{}'", info.name), format!("{:?}", info.extents), format!("{:?}", tensor.shape)))
        }
        None => Err(Error::format("state", format!("a tensor '{}'", info.name), "none")),
    };
    graph.weights().into_iter().map(of).collect()
}

/// GraSP's scores over some samples of each class, sorted by class, in two halves.
#[cfg(feature = "oracle")]
async fn grasp(ring: &mut Ring<'_>, corner: &Corner, graph: &Graph, weights: &StateDict) -> Result<Vec<Vec<f32>>> {
    use super::grasp;
    use super::workspace::{Workspace, fill};
    use crate::data::batch::order;
    use crate::ops::padded_batch;

    let labels = &ring.data.train.labels;
    let mut by_class: Vec<Vec<u32>> = vec![Vec::new(); ring.data.classes.len()];
    for sample in order(ring.config.seed, 0, &corner.indices) {
        let class = labels.get(sample as usize).and_then(|l| by_class.get_mut(usize::from(*l)));
        if let Some(class) = class.filter(|c| c.len() < grasp::SAMPLES_PER_CLASS) {
            class.push(sample);
        }
    }
    let samples: Vec<u32> = by_class.into_iter().flatten().collect();
    let (first, second) = samples.split_at(samples.len() / 2);
    let lanes = padded_batch(first.len().max(second.len()));
    let Ring { config, data, work: Workspace { batch, .. } } = ring;
    let mut load = |device: &mut crate::device::Device, io: &crate::net::Io, half: usize| {
        let samples = if half == 0 { first } else { second };
        fill(batch, config, data, lanes, samples, 0)?;
        io.upload(device, batch)?;
        Ok(samples.len())
    };
    grasp::scores(graph, weights, lanes, false, &mut load).await
}

/// The page carries no float64 device.
#[cfg(not(feature = "oracle"))]
async fn grasp(_: &mut Ring<'_>, corner: &Corner, _: &Graph, _: &StateDict) -> Result<Vec<Vec<f32>>> {
    Err(Error::config(format!("learner '{}': GraSP needs double precision, which only the native program carries", corner.config)))
}
