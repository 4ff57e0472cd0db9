//! GraSP (Wang et al. 2020): which connections the gradient flow can do without.
//!
//! Its Hessian-vector product is a difference of gradients at a relative step of 1e-6. In float32 that difference is rounding
//! noise, so everything here runs on the float64 device whatever trains afterwards.

use crate::cpu::CpuDevice;
use crate::device::{Device, Program};
use crate::error::{Error, Result};
use crate::formats::StateDict;
use crate::net::Graph;
use crate::net::Io;
use crate::net::NetConfig;
use crate::net::plan::{Net, Placement};
use crate::net::scratch::Scratch;
use crate::ops::OptimizerName;
use crate::ops::{BufferId, Dtype, StepParams};

/// Logits are divided by this.
pub const TEMPERATURE: f64 = 200.0;
/// Samples of each class that are scored on.
pub const SAMPLES_PER_CLASS: usize = 25;
/// Length of the difference step over the length of the weights.
const RELATIVE_STEP: f64 = 1e-6;

/// Puts batch 0 or 1 into the buffers and says how many samples it has.
pub type Load<'a> = dyn FnMut(&mut Device, &Io, usize) -> Result<usize> + 'a;

/// The scores `-w (H g)` by weight tensor; connections with the LARGEST go. `g` is the gradient and `H` the Hessian of the summed
/// losses of two batches, in train mode, with respect to the weight tensors alone.
///
/// `lanes` is the padded size of a batch; with `pixels` batches come as floats in `Io::pixels`.
///
/// # Errors
/// `Format` where the state does not fit the graph; `OutOfMemory`.
pub async fn scores(graph: &Graph, state: &StateDict, lanes: usize, pixels: bool, load: &mut Load<'_>) -> Result<Vec<Vec<f32>>> {
    let mut device = Device::oracle();
    let extent = graph.nodes[0].shape;
    let mut io = Io::new(&mut device, (extent.c, extent.h, extent.w), lanes, lanes)?;
    if pixels {
        io.pixels = Some(device.alloc("pixels", extent.c * extent.h * extent.w * lanes, Dtype::F32)?);
    }
    let mut scratch = Scratch::default();
    let infos = graph.weights();
    let last = infos.len().saturating_sub(1);
    let mut weights = Vec::with_capacity(infos.len());
    for info in &infos {
        let tensor = state.tensors.get(&info.name).ok_or_else(|| Error::format("state", format!("a tensor '{}'", info.name), "none"))?;
        weights.push(tensor.data.iter().map(|w| f64::from(*w)).collect::<Vec<f64>>());
    }
    let placements = vec![Placement::Dense; infos.len()];
    let state = tempered(graph, state);
    let net = Net::plan(
        &mut device,
        &mut scratch,
        io,
        &state,
        NetConfig { graph: graph.clone(), n: lanes, placements, training: OptimizerName::Sgd.into() },
    )?;
    let all: Vec<usize> = (0..infos.len()).collect();
    let buffers = net.gradient_buffers(&mut device, &all)?;
    let program = net.gradient_program(&mut device, &mut scratch, &buffers)?;
    let targets = net.weights.iter().map(|slot| slot.values()).collect();
    let mut field = GradientField { device, io, program, targets, gradients: buffers.into_iter().flatten().collect(), last, load };

    let gradient = field.at(&weights, None)?;
    let (length, slope) = (norm(&weights), norm(&gradient));
    let step = if slope > 0.0 { RELATIVE_STEP * length / slope } else { 0.0 };
    let scores = if step > 0.0 {
        let ahead = field.at(&weights, Some((step, &gradient)))?;
        let behind = field.at(&weights, Some((-step, &gradient)))?;
        let of = |((w, a), b): ((&Vec<f64>, &Vec<f64>), &Vec<f64>)| {
            w.iter().zip(a.iter().zip(b)).map(|(w, (a, b))| (-w * (a - b) / (2.0 * step)) as f32).collect()
        };
        weights.iter().zip(&ahead).zip(&behind).map(of).collect()
    } else {
        weights.iter().map(|w| vec![0.0; w.len()]).collect()
    };
    let mut device = field.device;
    net.free(&mut device);
    scratch.free(&mut device);
    io.free(&mut device);
    Ok(scores)
}

/// The network whose logits are divided by the temperature: its last layer's bias is; [`GradientField`] does the same to the weight.
fn tempered(graph: &Graph, state: &StateDict) -> StateDict {
    let mut state = state.clone();
    let bias = graph.weights().last().map(|info| info.name.replace(".weight", ".bias"));
    if let Some(tensor) = bias.and_then(|name| state.tensors.get_mut(&name)) {
        tensor.data.iter_mut().for_each(|b| *b = (f64::from(*b) / TEMPERATURE) as f32);
    }
    state
}

fn norm(tensors: &[Vec<f64>]) -> f64 {
    tensors.iter().flatten().map(|v| v * v).sum::<f64>().sqrt()
}

/// The gradient of the summed losses as a function of the weights.
struct GradientField<'a, 'l> {
    device: Device,
    io: Io,
    program: Program,
    targets: Vec<BufferId>,
    gradients: Vec<BufferId>,
    last: usize,
    load: &'a mut Load<'l>,
}

impl GradientField<'_, '_> {
    /// At the weights, or at `weights + step * direction`.
    fn at(&mut self, weights: &[Vec<f64>], shift: Option<(f64, &[Vec<f64>])>) -> Result<Vec<Vec<f64>>> {
        for (i, tensor) in weights.iter().enumerate() {
            let scale = self.scale(i);
            let values: Vec<f64> = match shift {
                Some((step, direction)) => tensor.iter().zip(&direction[i]).map(|(w, d)| scale * (w + step * d)).collect(),
                None => tensor.iter().map(|w| scale * w).collect(),
            };
            exact(&mut self.device)?.write(self.targets[i], 0, &values)?;
        }
        let mut sum: Vec<Vec<f64>> = weights.iter().map(|w| vec![0.0; w.len()]).collect();
        for batch in 0..2 {
            let n_valid = (self.load)(&mut self.device, &self.io, batch)? as u32;
            if n_valid == 0 {
                continue;
            }
            self.device.run(&self.program, &StepParams { n_valid, ..StepParams::default() })?;
            for (i, total) in sum.iter_mut().enumerate() {
                let scale = self.scale(i);
                let len = total.len();
                let gradient = exact(&mut self.device)?.read(self.gradients[i], 0, len)?;
                total.iter_mut().zip(gradient).for_each(|(t, g)| *t += scale * g);
            }
        }
        Ok(sum)
    }

    /// Dividing the logits is dividing the last layer's weights, and its gradient.
    fn scale(&self, tensor: usize) -> f64 {
        if tensor == self.last { 1.0 / TEMPERATURE } else { 1.0 }
    }
}

fn exact(device: &mut Device) -> Result<&mut CpuDevice<f64>> {
    match device {
        Device::Oracle(device) => Ok(device),
        _ => Err(Error::validation("GraSP runs in float64 only")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::formats::Tensor;
    use crate::net::init;
    use crate::net::zoo::golden_net;
    use crate::ops::padded_batch;

    /// Against a hand-derived Hessian: logits = w x / T for one linear layer and one sample of class 0 of 2. With p the softmax,
    /// dL/dlogit = p - onehot, and H g = (diag(p) - p p^T) (g x) x / T^2.
    #[test]
    fn one_linear_layer_by_hand() {
        let mut graph = Graph::new((4, 1, 1), 2, [0.0; 4], [1.0; 4]);
        graph.linear(0, "fc", 2, false);
        let (w, x) = ([0.3f32, -0.2, 0.5, 0.1, -0.4, 0.2, 0.6, -0.3], [0.2f32, 0.7, 0.4, 0.9]);
        let mut state = StateDict::default();
        state.tensors.insert("fc.weight".into(), Tensor { shape: vec![2, 4], data: w.to_vec() });
        let mut load = |device: &mut Device, io: &Io, batch: usize| {
            device.write_f32(io.pixels.unwrap(), 0, &x.iter().flat_map(|v| [*v, 0.0, 0.0, 0.0]).collect::<Vec<_>>())?;
            Ok(usize::from(batch == 0))
        };
        let got = pollster::block_on(scores(&graph, &state, 4, true, &mut load)).unwrap();

        let dot = |row: &[f32]| row.iter().zip(&x).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let logits = [dot(&w[..4]) / TEMPERATURE, dot(&w[4..]) / TEMPERATURE];
        let p0 = 1.0 / (1.0 + (logits[1] - logits[0]).exp());
        let slope = [(p0 - 1.0) / TEMPERATURE, (1.0 - p0) / TEMPERATURE];
        let square: f64 = x.iter().map(|v| f64::from(*v).powi(2)).sum();
        // d(logits) along g, times the softmax's Hessian.
        let along = [slope[0] * square / TEMPERATURE, slope[1] * square / TEMPERATURE];
        let curve = p0 * (1.0 - p0) * (along[0] - along[1]) / TEMPERATURE;
        for (i, got) in got[0].iter().enumerate() {
            let h = if i < 4 { curve } else { -curve } * f64::from(x[i % 4]);
            let want = -f64::from(w[i]) * h;
            assert!((f64::from(*got) - want).abs() < 1e-6 * want.abs(), "{i}: {got} {want}");
        }
    }

    #[test]
    fn a_state_that_does_not_fit_is_an_error() {
        let mut graph = Graph::new((3, 8, 8), 10, [0.0; 4], [1.0; 4]);
        golden_net(&mut graph).unwrap();
        let mut state = init::initial_state(&graph, 1);
        state.tensors.remove("c2.weight");
        let mut load = |_: &mut Device, _: &Io, _| Ok(0);
        let error = pollster::block_on(scores(&graph, &state, padded_batch(2), true, &mut load)).unwrap_err();
        assert!(error.to_string().contains("c2.weight"));
    }
}
