//! Timing of kernels and whole steps on a device: warm up, repeat, take the median.

use std::time::Instant;

use sparring_core::Device;
use sparring_core::data::batch::HostBatch;
use sparring_core::data::builtin::builtin;
use sparring_core::data::{Dataset, Normalization};
use sparring_core::device::Program;
use sparring_core::error::Result;
use sparring_core::net::Io;
use sparring_core::net::NetConfig;
use sparring_core::net::scratch::Scratch;
use sparring_core::net::zoo::{Input, Model};
use sparring_core::net::{Net, Placement, Training, init};
use sparring_core::ops::{
    BufferId, ConvForward, ConvInputGrad, ConvShape, ConvWeightGrad, Dtype, Op, OptimizerName, Precision, Probe, SparseTopology,
    StepParams, Weight, padded_batch,
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
    /// As result files have it.
    pub fn key(self) -> String {
        self.name().replace(' ', "_")
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
    times(device, program, step, effort).await.map(median)
}

async fn times(device: &mut Device, program: &Program, step: &StepParams, effort: Effort) -> Result<Vec<f64>> {
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
    Ok(samples)
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
    // For layers that are computed as dense ones.
    let whole = layer.device.alloc("bench", shape.weights(), Dtype::F32)?;
    let Layer { device, x, y, .. } = layer;
    let step = StepParams { n_valid: shape.n as u32, ..Default::default() };
    let mut times = Vec::new();
    for direction in directions {
        let op = match direction {
            Direction::Forward => Op::ConvForward(ConvForward { shape, x, norm: None, weight, bias: None, y }),
            Direction::InputGradient => Op::ConvInputGrad(ConvInputGrad { shape, dy: y, weight, dx: x, accumulate: false }),
            Direction::WeightGradient => {
                Op::ConvWeightGrad(ConvWeightGrad { shape, x, norm: None, dy: y, topology: weight.topology(), dw })
            }
        };
        let ops = device.dense_from().ops(op, |_| whole);
        let program = device.compile("bench", &ops)?;
        times.push(time(device, &program, &step, effort).await?);
    }
    let values = match weight {
        Weight::Dense { values } | Weight::Sparse { values, .. } => values,
    };
    for id in [x, y, dw, whole, values] {
        device.free(id);
    }
    if let Some(topology) = topology {
        upload::free(device, &topology);
    }
    Ok((times, nnz))
}

/// What a device can do at best.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Roof {
    /// Bytes that it moves in a second, read and written, beyond its caches.
    pub bytes_per_second: f64,
    /// Its FLOPs in a second, a multiply-add as two.
    pub flops_per_second: f64,
}

/// Floats of the probe of bandwidth: more than caches hold.
const MOVED: usize = 16 << 20;
/// Floats of the probe of arithmetic.
const COMPUTED: usize = 1 << 20;
/// Milliseconds below which a launch's own time would count.
const LONG_ENOUGH: f64 = 4.0;

/// Measures the roof.
pub async fn roof(device: &mut Device, effort: Effort) -> Result<Roof> {
    let (x, y) = (device.alloc("probe", MOVED, Dtype::F32)?, device.alloc("probe", MOVED, Dtype::F32)?);
    let ms = async |device: &mut Device, len: usize, rounds: u32| {
        let program = device.compile("probe", &[Op::Probe(Probe { len, rounds, x, y })])?;
        // At best: what others do on the machine is not its roof.
        let all = times(device, &program, &StepParams { n_valid: 4, ..Default::default() }, effort).await?;
        Ok::<_, sparring_core::Error>(all.into_iter().fold(f64::INFINITY, f64::min))
    };
    let bytes_per_second = 8.0 * MOVED as f64 / ms(device, MOVED, 0).await? * 1e3;
    let (mut rounds, mut took) = (256u32, 0.0);
    while took < LONG_ENOUGH && rounds < 1 << 16 {
        rounds *= 4;
        took = ms(device, COMPUTED, rounds).await?;
    }
    let flops_per_second = 2.0 * f64::from(rounds) * COMPUTED as f64 / took * 1e3;
    device.free(x);
    device.free(y);
    Ok(Roof { bytes_per_second, flops_per_second })
}

/// All ops of one kind in a step.
#[derive(Clone, Debug, serde::Serialize)]
pub struct OpTime {
    /// The op's name.
    pub op: &'static str,
    /// How many there are.
    pub count: usize,
    /// Bytes they must move.
    pub bytes: u64,
    /// FLOPs they must do.
    pub flops: u64,
    /// Milliseconds that takes at least: of each, the longer of moving and computing.
    pub floor_ms: f64,
    /// Milliseconds it took, each by itself.
    pub ms: f64,
}

/// A training step op by op, those of a kind together, the longest first.
pub async fn ops(mut device: Device, case: Case, roof: Roof, effort: Effort) -> Result<Vec<OpTime>> {
    let device = &mut device;
    let mut bench = Bench::new(device, case)?;
    let step = bench.step_params(case.batch);
    bench.step(device, &step).await?;
    let mut kinds: Vec<OpTime> = Vec::new();
    for op in bench.net.training_ops(device, &mut bench.scratch)? {
        let program = device.compile("op", &[op])?;
        let ms = time(device, &program, &step, effort).await?;
        let (bytes, flops) = (op.bytes(|id| device.held(id)), op.flops());
        let floor_ms = 1e3 * (bytes as f64 / roof.bytes_per_second).max(flops as f64 / roof.flops_per_second);
        let at = kinds.iter().position(|kind| kind.op == op.name()).unwrap_or_else(|| {
            kinds.push(OpTime { op: op.name(), count: 0, bytes: 0, flops: 0, floor_ms: 0.0, ms: 0.0 });
            kinds.len() - 1
        });
        let kind = &mut kinds[at];
        kind.count += 1;
        kind.bytes += bytes;
        kind.flops += flops;
        kind.floor_ms += floor_ms;
        kind.ms += ms;
    }
    kinds.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    Ok(kinds)
}

/// The ops of a training step as a GPU is given them, and the bytes that each must move.
pub fn plan_of_a_gpu(device: &mut Device, case: Case) -> Result<Vec<(Op, u64)>> {
    let mut bench = Bench::new(device, case)?;
    let ops = bench.net.written_for_a_gpu().training_ops(device, &mut bench.scratch)?;
    Ok(ops.into_iter().map(|op| (op, op.bytes(|id| device.held(id)))).collect())
}

/// A training step that is measured.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Network.
    pub model: Model,
    /// Images.
    pub batch: usize,
    /// Uniform density; `None`: dense.
    pub density: Option<f64>,
    /// As in the configuration.
    pub recompute: bool,
    /// As in the configuration.
    pub precision: Precision,
}

/// What a whole training step takes.
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

/// A network and a batch to train it on.
struct Bench {
    net: Net,
    scratch: Scratch,
    io: Io,
    data: Dataset,
    samples: Vec<u32>,
    host: HostBatch,
}

impl Bench {
    fn new(device: &mut Device, case: Case) -> Result<Self> {
        let Case { model, batch, density, recompute, precision } = case;
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
        let training = Training { precision, recompute, ..OptimizerName::Sgd.into() };
        let net = Net::plan(device, &mut scratch, io, &state, NetConfig { graph, n, placements, training })?;
        Ok(Self { net, scratch, io, data, samples: (0..batch as u32).collect(), host: HostBatch::default() })
    }
    fn step_params(&self, batch: usize) -> StepParams {
        StepParams { n_valid: batch as u32, lr: 0.01, momentum: 0.9, weight_decay: 5e-4, nesterov: 1, ..Default::default() }
    }
    /// Uploads the batch and trains on it.
    async fn step(&mut self, device: &mut Device, step: &StepParams) -> Result<()> {
        self.host.fill(&self.data, &self.data.train, &self.samples, self.net.n, None)?;
        self.io.upload(device, &self.host)?;
        self.net.train_step(device, step)?;
        device.sync().await
    }
}

/// Times training steps on a device of its own, so that nothing of it stays behind.
pub async fn step(mut device: Device, case: Case, effort: Effort) -> Result<Step> {
    let device = &mut device;
    let mut bench = Bench::new(device, case)?;
    let step = bench.step_params(case.batch);
    let mut times = Vec::new();
    let begin = Instant::now();
    while times.len() < 1 + effort.repeats.0 || (begin.elapsed().as_secs_f64() < effort.seconds && times.len() < effort.repeats.1) {
        let start = Instant::now();
        bench.step(device, &step).await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    // The first step warms up.
    Ok(Step {
        ms: median(times.split_off(1)),
        flops: bench.net.flops_per_step(case.batch),
        bytes: device.allocated_bytes(),
        step_bytes: bench.net.memory(&bench.scratch).scratch,
    })
}
