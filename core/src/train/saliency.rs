//! Scores of single connections before training: SNIP. GraSP has its own module, since it runs on the float64 device.
//!
//! SNIP asks for gradients at weights that a sparse learner does not have, so it plans a dense network of its own on the training device,
//! uses it for one batch and gives it back.

use super::workspace::{Ring, add_gradients};
use crate::data::batch::order;
use crate::error::{Error, Result};
use crate::net::NetConfig;
use crate::net::Training;
use crate::net::plan::{Net, Placement};
use crate::net::{Graph, init};
use crate::ops::OptimizerName;
use crate::ops::{ConvShape, StepParams};
use crate::rng::{Purpose, Stream};

/// SNIP's connection sensitivity (Lee et al. 2019, eq. 5): `|w dL/dw|`, normalised to sum 1 over all tensors.
pub fn sensitivity(weights: &[&[f32]], gradients: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let products = |(w, g): (&&[f32], &Vec<f32>)| w.iter().zip(g).map(|(w, g)| (w * g).abs()).collect();
    let mut scores: Vec<Vec<f32>> = weights.iter().zip(gradients).map(products).collect();
    let sum: f64 = scores.iter().flatten().map(|s| f64::from(*s)).sum();
    if sum > 0.0 {
        scores.iter_mut().flatten().for_each(|s| *s = (f64::from(*s) / sum) as f32);
    }
    scores
}

/// SNIP's scores as the reference code takes them: on a copy with Xavier-normal weights, over the first batch of the first epoch,
/// with batch statistics.
///
/// # Errors
/// What the device says.
pub async fn snip(ring: &mut Ring<'_>, graph: &Graph, indices: &[u32]) -> Result<Vec<Vec<f32>>> {
    let config = ring.config;
    let mut state = init::initial_state(graph, config.seed);
    let infos = graph.weights();
    for (i, info) in infos.iter().enumerate() {
        if let Some(tensor) = state.tensors.get_mut(&info.name) {
            let std = xavier_std(&info.shape);
            let mut stream = Stream::new(config.seed, Purpose::Saliency, 0, i as u64);
            tensor.data.iter_mut().for_each(|w| *w = stream.normal() * std);
        }
    }
    let placements = vec![Placement::Dense; infos.len()];
    let training = Training { precision: config.precision, recompute: config.recompute, ..OptimizerName::Sgd.into() };
    let net = Net::plan(
        &mut ring.work.device,
        &mut ring.work.scratch,
        ring.work.io,
        &state,
        NetConfig { graph: graph.clone(), n: ring.work.lanes, placements, training },
    )?;
    let all: Vec<usize> = (0..infos.len()).collect();
    let samples = order(config.seed, 0, indices);
    let batch = &samples[..samples.len().min(config.batch_size)];
    let gradients = async {
        let mut sum = None;
        for part in batch.chunks(config.samples_a_pass()) {
            ring.work.upload(config, ring.data, part, 0)?;
            let step = StepParams { n_valid: part.len() as u32, batch: batch.len() as u32, ..StepParams::default() };
            add_gradients(&mut sum, net.dense_gradients(&mut ring.work.device, &mut ring.work.scratch, &all, &step).await?);
        }
        Ok::<_, Error>(sum.unwrap_or_default())
    }
    .await;
    net.free(&mut ring.work.device);
    let weights: Vec<&[f32]> = infos.iter().filter_map(|info| state.tensors.get(&info.name)).map(|t| t.data.as_slice()).collect();
    Ok(sensitivity(&weights, &gradients?))
}

/// Glorot and Bengio 2010: sqrt(2 / (fan in + fan out)).
fn xavier_std(shape: &ConvShape) -> f32 {
    (2.0 / ((shape.c_in + shape.c_out) * shape.kh * shape.kw) as f32).sqrt()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn sensitivities_sum_to_one() {
        let scores = sensitivity(&[&[1.0, -2.0], &[0.5]], &[vec![-1.0, 0.5], vec![4.0]]);
        assert_eq!(scores, [vec![0.25, 0.25], vec![0.5]]);
        assert_eq!(sensitivity(&[&[1.0]], &[vec![0.0]]), [vec![0.0]], "no gradient is no reason for NaN");
    }
}
