//! Timing of kernels and whole steps on a device: warm up, repeat, take the median.

use std::time::Instant;

use sparring_core::Device;
use sparring_core::data::Normalization;
use sparring_core::data::batch::HostBatch;
use sparring_core::data::builtin::builtin;
use sparring_core::device::Program;
use sparring_core::error::Result;
use sparring_core::net::Io;
use sparring_core::net::NetConfig;
use sparring_core::net::scratch::Scratch;
use sparring_core::net::zoo::{Input, Model};
use sparring_core::net::{Net, Placement, Training, init};
use sparring_core::ops::OptimizerName;
use sparring_core::ops::{
    BufferId, ConvForward, ConvInputGrad, ConvShape, ConvWeightGrad, Dtype, Op, SparseTopology, StepParams, Weight, padded_batch,
};
use sparring_core::rng::{Purpose, Stream};
use sparring_core::sparse::{Csr, upload};

/// A direction of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Forward,
    InputGradient,
    WeightGradient,
}

impl Direction {
    pub const ALL: [Self; 3] = [Self::Forward, Self::InputGradient, Self::WeightGradient];
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::InputGradient => "input gradient",
            Self::WeightGradient => "weight gradient",
        }
    }
}

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Seconds of repeats at least.
    pub seconds: f64,
    /// Repeats at least, and at most.
    pub repeats: (usize, usize),
}

/// Median milliseconds of one run of a program.
async fn time(device: &mut Device, program: &Program, step: &StepParams, effort: Effort) -> Result<f64> {
    device.run(program, step)?;
    device.sync().await?;
    let mut samples = Vec::new();
    let begin = Instant::now();
    while samples.len() < effort.repeats.0 || (begin.elapsed().as_secs_f64() < effort.seconds && samples.len() < effort.repeats.1) {
        let start = Instant::now();
        device.run(program, step)?;
        device.sync().await?;
        samples.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(samples))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One layer's tensors on a device.
struct Layer<'a> {
    device: &'a mut Device,
    shape: ConvShape,
    x: BufferId,
    y: BufferId,
}

impl<'a> Layer<'a> {
    fn new(device: &'a mut Device, shape: ConvShape) -> Result<Self> {
        let mut stream = Stream::new(2, Purpose::Test, 0, 0);
        let mut put = |device: &mut Device, len: usize| {
            // Varied enough for timing; drawing every value would take longer than what is measured.
            let block: Vec<f32> = (0..4093).map(|_| stream.uniform() - 0.5).collect();
            let values: Vec<f32> = block.iter().copied().cycle().take(len).collect();
            let id = device.alloc("bench", len, Dtype::F32)?;
            device.write_f32(id, 0, &values).map(|()| id)
        };
        let x = put(device, shape.input().len())?;
        let y = put(device, shape.output().len())?;
        Ok(Self { device, shape, x, y })
    }
    fn weight(&mut self, density: Option<f64>) -> Result<(Weight, usize, Option<SparseTopology>)> {
        let total = self.shape.weights();
        let mut stream = Stream::new(3, Purpose::Test, 0, 0);
        let len = density.map_or(total, |d| (total as f64 * d).round() as usize);
        let values: Vec<f32> = (0..len).map(|_| stream.uniform() - 0.5).collect();
        let buffer = self.device.alloc("bench", len, Dtype::F32)?;
        self.device.write_f32(buffer, 0, &values)?;
        if density.is_none() {
            return Ok((Weight::Dense { values: buffer }, len, None));
        }
        let csr = Csr::from_positions((&self.shape).into(), &stream.choose(total, len), vec![0.0; len])?;
        let topology = upload::allocate(self.device, "bench", csr.shape, len)?;
        upload::write(self.device, &topology, &csr)?;
        Ok((Weight::Sparse { values: buffer, topology }, len, Some(topology)))
    }
}

/// Milliseconds of each direction of a layer (batch as in the shape) at a density, dense where `None`; and its non-zeros.
pub async fn layer(
    device: &mut Device,
    shape: ConvShape,
    density: Option<f64>,
    directions: &[Direction],
    effort: Effort,
) -> Result<(Vec<f64>, usize)> {
    let mut layer = Layer::new(device, shape)?;
    let (weight, nnz, topology) = layer.weight(density)?;
    let dw = layer.device.alloc("bench", nnz, Dtype::F32)?;
    let Layer { device, x, y, .. } = layer;
    let step = StepParams { n_valid: shape.n as u32, ..Default::default() };
    let mut times = Vec::new();
    for direction in directions {
        let op = match direction {
            Direction::Forward => Op::ConvForward(ConvForward { shape, x, weight, bias: None, y }),
            Direction::InputGradient => Op::ConvInputGrad(ConvInputGrad { shape, dy: y, weight, dx: x, accumulate: false }),
            Direction::WeightGradient => Op::ConvWeightGrad(ConvWeightGrad { shape, x, dy: y, topology: weight.topology(), dw }),
        };
        let program = device.compile("bench", &[op])?;
        times.push(time(device, &program, &step, effort).await?);
    }
    let values = match weight {
        Weight::Dense { values } | Weight::Sparse { values, .. } => values,
    };
    for id in [x, y, dw, values] {
        device.free(id);
    }
    if let Some(topology) = topology {
        upload::free(device, &topology);
    }
    Ok((times, nnz))
}

/// A whole training step of a model at uniform density (dense where `None`).
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Step {
    /// Median milliseconds, upload of the batch included.
    pub ms: f64,
    /// FLOPs.
    pub flops: u64,
    /// Device bytes, the batch included.
    pub bytes: u64,
    /// Of these, activations and gradients inside the step.
    pub step_bytes: u64,
}

/// Times training steps on a device of its own, so that nothing of it stays behind; `recompute` as in the configuration.
pub async fn step(mut device: Device, model: Model, batch: usize, density: Option<f64>, recompute: bool, effort: Effort) -> Result<Step> {
    let device = &mut device;
    let data = builtin(0.5, batch, 4, 1);
    let (mean, std) = Normalization::BuiltIn.mean_std();
    let graph = model.graph(Input { extent: data.extent, classes: 10, mean, std })?;
    let state = init::initial_state(&graph, 1);
    let place = |(i, w): (usize, sparring_core::net::graph::WeightInfo)| match density {
        None => Placement::Dense,
        Some(d) => {
            let total = w.shape.weights();
            Placement::Sparse(Stream::new(4, Purpose::Test, 0, i as u64).choose(total, (total as f64 * d).round() as usize))
        }
    };
    let placements = graph.weights().into_iter().enumerate().map(place).collect();
    let n = padded_batch(batch);
    let io = Io::new(device, data.extent, n, n)?;
    let mut scratch = Scratch::default();
    let training = Training { recompute, ..OptimizerName::Sgd.into() };
    let mut net = Net::plan(device, &mut scratch, io, &state, NetConfig { graph, n, placements, training })?;
    let samples: Vec<u32> = (0..batch as u32).collect();
    let mut host = HostBatch::default();
    let mut times = Vec::new();
    let begin = Instant::now();
    while times.len() < 1 + effort.repeats.0 || (begin.elapsed().as_secs_f64() < effort.seconds && times.len() < effort.repeats.1) {
        let start = Instant::now();
        host.fill(&data, &data.train, &samples, n, None)?;
        io.upload(device, &host)?;
        net.train_step(
            device,
            &StepParams { n_valid: batch as u32, lr: 0.01, momentum: 0.9, weight_decay: 5e-4, nesterov: 1, ..Default::default() },
        )?;
        device.sync().await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    // The first step warms up.
    Ok(Step {
        ms: median(times.split_off(1)),
        flops: net.flops_per_step(batch),
        bytes: device.allocated_bytes(),
        step_bytes: net.memory(&scratch).scratch,
    })
}
