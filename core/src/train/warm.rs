//! A race's kernels, asked for before its images are there: compiling them takes a driver seconds, which then pass beside a download.
//!
//! The learners' networks are planned and given back. Where a learner's weights stand depends on the images for some methods, but not which
//! kernels it needs; so places are drawn at random here.

use super::workspace::Workspace;
use crate::config::{Allocation, Dynamics, ExperimentConfig, LearnerConfig, Method, Semantics};
use crate::device::Device;
use crate::error::Result;
use crate::net::plan::{Net, NetConfig, Placement};
use crate::net::zoo::Input;
use crate::net::{Graph, init};
use crate::sparse::{density, mask};

/// Plans every learner of a race and frees it again, so that the device knows its kernels.
///
/// # Errors
/// `Config` for what cannot be run as written; `Limit` and `OutOfMemory` from the device.
pub fn warm(device: Device, config: &ExperimentConfig, input: Input) -> Result<Device> {
    config.validate()?;
    let graph = config.graph(input)?;
    let start = init::initial_state(&graph, config.seed);
    let mut work = Workspace::new(device, config, input.extent, config.batch_size)?;
    for learner in &config.learners {
        let (n, training, placements) = (work.lanes, work.training(config), somewhere(config, learner, &graph)?);
        let net = NetConfig { graph: graph.clone(), n, placements, training };
        let net = Net::plan(&mut work.device, &mut work.scratch, work.io, &start, net)?;
        net.free(&mut work.device);
    }
    Ok(work.into_device())
}

/// Places of a learner's weights, as many as it has.
fn somewhere(config: &ExperimentConfig, learner: &LearnerConfig, graph: &Graph) -> Result<Vec<Placement>> {
    let infos = graph.weights();
    let recipe = learner.recipe();
    let densities = match recipe.allocation {
        _ if learner.method == Method::Dense || recipe.dynamics == Dynamics::Gradual => vec![1.0; infos.len()],
        Allocation::Uniform | Allocation::UniformPre => vec![learner.density; infos.len()],
        // Allocations by the data are near ERK.
        _ => density::erk(&infos.iter().map(|w| w.extents.clone()).collect::<Vec<_>>(), learner.density)?,
    };
    let place = |(i, (size, density)): (usize, (usize, f64))| match learner.semantics {
        _ if density >= 1.0 => Placement::Dense,
        Semantics::Sparse => Placement::Sparse(mask::initial(config.seed, i, size, density)),
        Semantics::Masked => Placement::Masked(mask::initial(config.seed, i, size, density)),
    };
    Ok(infos.iter().map(|w| w.shape.weights()).zip(densities).enumerate().map(place).collect())
}
