//! The norm of the loss gradient over all parameters, sample by sample (GraNd), a batch at a time.

use super::{Lists, Net, compile};
use crate::device::{Device, Program};
use crate::error::Result;
use crate::net::scratch::Scratch;
use crate::net::tape::{Mode, Sink, Tape, Target};
use crate::ops::{BufferId, Dtype, NORM_ROWS, Op, StepParams};

/// A program that computes gradient norms, and the buffer it leaves them in.
pub struct SampleNorms {
    program: Program,
    sums: BufferId,
    n: usize,
}

impl Net {
    /// Plans gradient norms in eval mode over weights, biases and BatchNorm's gammas and betas. Of sparse weights only the
    /// existing ones count; masked ones all do.
    ///
    /// # Errors
    /// What the device says.
    pub fn sample_norms(&self, device: &mut Device, scratch: &mut Scratch) -> Result<SampleNorms> {
        let sums = device.alloc("gradient norms", NORM_ROWS * self.n, Dtype::F32)?;
        let lists = Lists::new(&self.weights, &self.biases, &self.affines, &self.running);
        let bound = lists.bound(self.io);
        let mut write = || {
            let tape = Tape::new(&self.graph, &bound, self.n, Mode::Eval).storing(self.training.precision).dense_from(self.dense_from);
            let mut tape = tape.sample_norms(sums).recomputing(self.training.recompute);
            tape.forward();
            tape.loss(true, self.io.samples, self.io.totals);
            tape.backward(&mut Nowhere)?;
            compile(device, scratch, "gradient norms", tape)
        };
        match write() {
            Ok(program) => Ok(SampleNorms { program, sums, n: self.n }),
            Err(error) => {
                device.free(sums);
                Err(error)
            }
        }
    }
}

impl SampleNorms {
    /// The norms of the `step.n_valid` samples in the io buffers; their records go to `samples[sample_offset..]` as in an evaluation.
    ///
    /// # Errors
    /// What the device says.
    pub async fn run(&self, device: &mut Device, step: &StepParams) -> Result<Vec<f32>> {
        // Every sample's own loss, not its share of a mean.
        device.run(&self.program, &StepParams { batch: 1, ..*step })?;
        let sums = device.read_f32(self.sums, 0, NORM_ROWS * self.n).await?;
        let norm = |lane: usize| libm::sqrt(sums.iter().skip(lane).step_by(self.n).map(|s| f64::from(*s)).sum()) as f32;
        Ok((0..(step.n_valid as usize).min(self.n)).map(norm).collect())
    }
    /// Gives its buffer back.
    pub fn free(self, device: &mut Device) {
        device.free(self.sums);
    }
}

/// Norms ask for no gradients.
struct Nowhere;

impl Sink for Nowhere {
    fn dense(&self, _: usize) -> bool {
        false
    }
    fn buffer(&mut self, _: Target) -> Option<BufferId> {
        None
    }
    fn done(&mut self, _: Target, _: BufferId, _: &mut Vec<Op>) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::net::Io;
    use crate::net::NetConfig;
    use crate::net::plan::Placement;
    use crate::net::zoo::{Architecture, Input, Model};
    use crate::net::{Graph, init};
    use crate::ops::OptimizerName;
    use crate::sparse::mask;

    /// Loss gradients of one sample by central differences over every parameter of a small network, in float64 weights that are
    /// rounded to float32: what the norms must be the root of the squares of.
    #[test]
    fn norms_are_those_of_finite_differences_for_every_kind_of_layer() {
        let mut graph = Graph::new((2, 6, 6), 3, [0.4; 4], [0.3; 4]);
        let c = graph.conv(0, "a", 4, [3, 1, 1], true, init_of()).unwrap();
        let b = graph.batchnorm(c, "b", None, true);
        let d = graph.conv(b, "c", 4, [3, 1, 1], false, init_of()).unwrap();
        let e = graph.batchnorm(d, "d", Some(b), true);
        let f = graph.conv(e, "e", 4, [3, 2, 1], true, init_of()).unwrap();
        let g = graph.relu(f);
        let p = graph.global_avg_pool(g);
        graph.linear(p, "f", 3, true);
        let mut device = Device::oracle();
        let mut scratch = Scratch::default();
        let mut io = Io::new(&mut device, (2, 6, 6), 4, 4).unwrap();
        io.pixels = Some(device.alloc("pixels", 2 * 36 * 4, Dtype::F32).unwrap());
        let mut stream = crate::rng::Stream::new(5, crate::rng::Purpose::Test, 0, 0);
        let pixels: Vec<f32> = (0..2 * 36 * 4).map(|_| stream.uniform()).collect();
        device.write_f32(io.pixels.unwrap(), 0, &pixels).unwrap();
        device.write_u32(io.labels, 0, &[2, 0, 1, 0]).unwrap();
        let mut state = init::initial_state(&graph, 9);
        for (name, tensor) in &mut state.tensors {
            // Biases and statistics that are not what they start as.
            let shift = if name.ends_with("running_var") { 0.7 } else { 0.2 };
            tensor.data.iter_mut().for_each(|v| *v = (*v + shift * stream.uniform()).abs().max(0.01).copysign(*v + 1e-3));
        }
        let step = StepParams { n_valid: 3, ..StepParams::default() };
        let losses = |device: &mut Device, scratch: &mut Scratch, state: &crate::formats::StateDict| -> Vec<f64> {
            let places = vec![Placement::Dense; graph.weights().len()];
            let net = Net::plan(
                device,
                scratch,
                io,
                state,
                NetConfig { graph: graph.clone(), n: 4, placements: places, training: OptimizerName::Sgd.into() },
            )
            .unwrap();
            let (logits, n) = pollster::block_on(net.logits(device, scratch, &step)).unwrap();
            net.free(device);
            let loss = |lane: usize, label: usize| {
                let z: Vec<f64> = (0..3).map(|c| f64::from(logits[c * n + lane])).collect();
                z.iter().map(|v| v.exp()).sum::<f64>().ln() - z[label]
            };
            vec![loss(0, 2), loss(1, 0), loss(2, 1)]
        };
        let places = vec![Placement::Dense; graph.weights().len()];
        let net = Net::plan(
            &mut device,
            &mut scratch,
            io,
            &state,
            NetConfig { graph: graph.clone(), n: 4, placements: places, training: OptimizerName::Sgd.into() },
        )
        .unwrap();
        let norms = net.sample_norms(&mut device, &mut scratch).unwrap();
        let found = pollster::block_on(norms.run(&mut device, &step)).unwrap();
        norms.free(&mut device);
        net.free(&mut device);
        let mut squares = [0.0f64; 3];
        let names: Vec<String> = state.tensors.keys().filter(|n| !n.contains("running")).cloned().collect();
        for name in &names {
            for i in 0..state.tensors[name].data.len() {
                let value = state.tensors[name].data[i];
                let (up, down) = (value + 1e-3, value - 1e-3);
                let mut at = |v: f32| {
                    state.tensors.get_mut(name).unwrap().data[i] = v;
                    losses(&mut device, &mut scratch, &state)
                };
                let (high, low) = (at(up), at(down));
                at(value);
                for (square, (high, low)) in squares.iter_mut().zip(high.iter().zip(&low)) {
                    *square += ((high - low) / f64::from(up - down)).powi(2);
                }
            }
        }
        for (found, square) in found.iter().zip(squares) {
            let expected = square.sqrt();
            assert!(expected > 0.1 && (f64::from(*found) - expected).abs() < 2e-3 * expected, "found {found}, expected {expected}");
        }
        scratch.free(&mut device);
        io.free(&mut device);
        assert_eq!(device.allocated_bytes(), 0);
    }

    fn init_of() -> crate::net::graph::Init {
        crate::net::graph::Init::TorchDefault
    }

    /// In a batch or alone, with recomputation, and sparse at every position: always the same norm; with fewer weights a smaller one.
    #[test]
    fn norms_do_not_depend_on_the_batch_and_count_the_weights_that_exist() {
        let architecture = Architecture { width: 0.25, ..Model::ResNet20.into() };
        let graph = architecture.graph(Input { extent: (3, 32, 32), classes: 10, mean: [0.5; 4], std: [0.25; 4] }).unwrap();
        let state = init::initial_state(&graph, 3);
        let mut device = Device::cpu();
        let mut at = |n: usize, images: std::ops::Range<usize>, density: Option<f64>, recompute: bool| {
            let mut scratch = Scratch::default();
            let io = Io::new(&mut device, (3, 32, 32), n, n).unwrap();
            let word = |i: usize| (i as u32 + 1).wrapping_mul(0x9e37_79b9);
            let mut words: Vec<u32> = images.clone().flat_map(|image| (0..768).map(move |i| word(image * 768 + i))).collect();
            words.resize(n * 768, 0);
            device.write_u32(io.bytes, 0, &words).unwrap();
            device.write_f32(io.augmentation, 0, &crate::data::batch::IDENTITY.repeat(n)).unwrap();
            let mut labels: Vec<u32> = images.clone().map(|image| image as u32 * 3 % 10).collect();
            labels.resize(n, 0);
            device.write_u32(io.labels, 0, &labels).unwrap();
            let place = |(i, w): (usize, crate::net::graph::WeightInfo)| match density {
                None => Placement::Dense,
                Some(density) => Placement::Sparse(mask::initial(3, i, w.shape.weights(), density)),
            };
            let places = graph.weights().into_iter().enumerate().map(place).collect();
            let training = crate::net::Training { recompute, ..OptimizerName::Sgd.into() };
            let net = Net::plan(&mut device, &mut scratch, io, &state, NetConfig { graph: graph.clone(), n, placements: places, training })
                .unwrap();
            let norms = net.sample_norms(&mut device, &mut scratch).unwrap();
            let step = StepParams { n_valid: images.len() as u32, ..StepParams::default() };
            let found = pollster::block_on(norms.run(&mut device, &step)).unwrap();
            norms.free(&mut device);
            net.free(&mut device);
            scratch.free(&mut device);
            io.free(&mut device);
            found
        };
        let whole = at(8, 0..7, None, false);
        assert_eq!(whole.len(), 7);
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| *b > 0.0 && (a - b).abs() < 1e-4 * b) && a.len() == b.len();
        for image in 0..7 {
            assert!(near(&at(4, image..image + 1, None, false), &whole[image..=image]), "image {image} alone");
        }
        assert!(near(&at(8, 0..7, None, true), &whole), "recomputed");
        assert!(near(&at(8, 0..7, Some(1.0), false), &whole), "sparse at density 1");
        assert!(!near(&at(8, 0..7, Some(0.5), false), &whole), "half of the weights");
    }
}
