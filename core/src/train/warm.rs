//! A race's kernels, asked for before its images are there: compiling them takes a driver seconds, which then pass beside a download.
//!
//! The learners' networks are planned without their weights and given back. Where some methods keep weights depends on the images; places are
//! drawn at random here, and a layer that turns out denser or sparser may need a kernel that was not asked for.

use super::parent;
use super::placing::{expected_densities, hold};
use super::workspace::Workspace;
use crate::attack::Programs;
use crate::config::{Dynamics, ExperimentConfig, LearnerConfig, Method};
use crate::device::Device;
use crate::error::Result;
use crate::formats::{StateDict, Tensor};
use crate::net::Graph;
use crate::net::plan::{Net, NetConfig, Placement};
use crate::net::zoo::Input;
use crate::sparse::mask;

/// Plans every learner of a race and frees it again, so that the device knows its kernels.
///
/// # Errors
/// `Config` for what cannot be run as written; `Limit` and `OutOfMemory` from the device.
pub fn warm(device: Device, config: &ExperimentConfig, input: Input) -> Result<Device> {
    config.validate()?;
    let graph = config.graph(input)?;
    let zeros = |(name, shape): (String, Vec<usize>)| (name, Tensor { data: vec![0.0; shape.iter().product()], shape });
    let state = StateDict { tensors: graph.state_shapes().into_iter().map(zeros).collect(), ..StateDict::default() };
    let mut work = Workspace::new(device, config, input.extent, config.batch_size)?;
    let dense_parent = Some(LearnerConfig::DENSE).filter(|_| !parent::needed(config).is_empty());
    for learner in dense_parent.iter().chain(&config.learners) {
        let (n, training, placements) = (work.lanes, work.training(config), somewhere(config, learner, &graph)?);
        let net = NetConfig { graph: graph.clone(), n, placements, training };
        let net = Net::plan(&mut work.device, &mut work.scratch, work.io, &state, net)?;
        if let Some(adversary) = &work.adversary {
            Programs::new(&mut work.device, &mut work.scratch, &net, &adversary.io)?;
        }
        work.device.warm_choices()?;
        net.free(&mut work.device);
    }
    Ok(work.into_device())
}

/// Places of a learner's weights, about as many as it will have.
fn somewhere(config: &ExperimentConfig, learner: &LearnerConfig, graph: &Graph) -> Result<Vec<Placement>> {
    let infos = graph.weights();
    if learner.method == Method::Dense {
        return Ok(vec![Placement::Dense; infos.len()]);
    }
    let densities = match learner.recipe().dynamics {
        Dynamics::Gradual => vec![1.0; infos.len()],
        _ => expected_densities(learner, &infos.iter().map(|w| w.extents.clone()).collect::<Vec<_>>())?,
    };
    let place = |(i, (size, density)): (usize, (usize, f64))| {
        let positions = if density >= 1.0 { (0..size as u32).collect() } else { mask::initial(config.seed, i, size, density) };
        hold(learner.semantics, positions, size)
    };
    Ok(infos.iter().map(|w| w.shape.weights()).zip(densities).enumerate().map(place).collect())
}
