//! The self-test of a device: every kernel of a training step on small random tensors, against its twin on the other backend.
//!
//! A GPU driver with a fault, or a processor with one, shows here before it shows as a network that does not learn.

use sparring_core::Device;
use sparring_core::device::Kernel;
use sparring_core::error::Result;
use sparring_core::ops::*;
use sparring_core::rng::{Purpose, Stream};
use sparring_core::sparse::{Csr, upload};

/// Largest relative error of an output. Sums here have at most some hundred terms, so float32 stays well below; a wrong tap,
/// lane or term is far above.
pub const TOLERANCE: f64 = 1e-5;

/// Real samples of the 8 lanes: two lanes are padding and must stay zero.
const VALID: usize = 6;
const LANES: usize = 8;

/// What became of one kernel.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Check {
    pub kernel: &'static str,
    /// Relative error against the twin, where both ran.
    pub error: Option<f64>,
    /// Why it did not run, or what is wrong.
    pub problem: Option<String>,
}

/// Tensors of one case on one device, drawn from a stream so that every device gets the same.
struct Lab<'a> {
    device: &'a mut Device,
    stream: Stream,
    held: Vec<BufferId>,
    outputs: Vec<(BufferId, usize)>,
}

impl Lab<'_> {
    fn put(&mut self, values: &[f32]) -> Result<BufferId> {
        let id = self.device.alloc("self-test", values.len(), Dtype::F32)?;
        self.held.push(id);
        self.device.write_f32(id, 0, values)?;
        Ok(id)
    }
    fn words(&mut self, values: &[u32]) -> Result<BufferId> {
        let id = self.device.alloc("self-test", values.len(), Dtype::U32)?;
        self.held.push(id);
        self.device.write_u32(id, 0, values)?;
        Ok(id)
    }
    /// Uniform in low..high.
    fn draw(&mut self, len: usize, low: f32, high: f32) -> Result<BufferId> {
        let values: Vec<f32> = (0..len).map(|_| low + (high - low) * self.stream.uniform()).collect();
        self.put(&values)
    }
    /// An activation: zero on padded lanes.
    fn activation(&mut self, shape: Shape) -> Result<BufferId> {
        let values: Vec<f32> = (0..shape.len())
            .map(|i| {
                let v = 2.0 * self.stream.uniform() - 1.0;
                if i % LANES < VALID { v } else { 0.0 }
            })
            .collect();
        self.put(&values)
    }
    /// Something an op writes; what it holds before must not matter.
    fn output(&mut self, len: usize) -> Result<BufferId> {
        let id = self.put(&vec![9.0; len])?;
        self.outputs.push((id, len));
        Ok(id)
    }
    /// Something an op updates.
    fn updated(&mut self, len: usize, low: f32, high: f32) -> Result<BufferId> {
        let id = self.draw(len, low, high)?;
        self.outputs.push((id, len));
        Ok(id)
    }
    /// A gradient that an op adds to.
    fn summed(&mut self, shape: Shape) -> Result<BufferId> {
        let id = self.activation(shape)?;
        self.outputs.push((id, shape.len()));
        Ok(id)
    }
    fn weight(&mut self, shape: &ConvShape, density: Option<f64>) -> Result<(Weight, usize)> {
        let Some(density) = density else {
            return Ok((Weight::Dense { values: self.draw(shape.weights(), -0.5, 0.5)? }, shape.weights()));
        };
        let count = (shape.weights() as f64 * density) as usize;
        let positions = self.stream.choose(shape.weights(), count);
        let csr = Csr::from_positions(shape.into(), &positions, vec![0.0; count])?;
        let topology = upload::allocate(self.device, "self-test", csr.shape, count)?;
        upload::write(self.device, &topology, &csr)?;
        self.held.extend([topology.row_ptr, topology.index, topology.t_row_ptr, topology.t_index, topology.t_value, topology.row]);
        Ok((Weight::Sparse { values: self.draw(count, -0.5, 0.5)?, topology }, count))
    }
}

type Build = fn(&mut Lab) -> Result<Vec<Op>>;

const IMAGE: Shape = Shape { c: 5, h: 6, w: 7, n: LANES };

fn conv_shape(k: usize, stride: usize) -> ConvShape {
    let out = |extent: usize| (extent + 2 * (k / 2) - k) / stride + 1;
    ConvShape { c_in: 5, h_in: 6, w_in: 7, c_out: 9, h_out: out(6), w_out: out(7), kh: k, kw: k, stride, pad: k / 2, n: LANES }
}

/// Kernels of one tap and more, a stride, and an image of many tiles.
fn conv_shapes() -> [ConvShape; 4] {
    let wide = ConvShape { c_in: 11, h_in: 13, w_in: 18, c_out: 19, h_out: 13, w_out: 18, ..conv_shape(3, 1) };
    [conv_shape(3, 1), conv_shape(3, 2), conv_shape(1, 1), wide]
}

fn forward(lab: &mut Lab, density: Option<f64>) -> Result<Vec<Op>> {
    let mut ops = Vec::new();
    for shape in conv_shapes() {
        let (weight, _) = lab.weight(&shape, density)?;
        let (x, bias, y) = (lab.activation(shape.input())?, lab.draw(shape.c_out, -1.0, 1.0)?, lab.output(shape.output().len())?);
        ops.push(Op::ConvForward(ConvForward { shape, x, norm: None, weight, bias: Some(bias), y }));
    }
    Ok(ops)
}

fn input_grad(lab: &mut Lab, density: Option<f64>) -> Result<Vec<Op>> {
    let mut ops = Vec::new();
    for shape in conv_shapes() {
        let (weight, _) = lab.weight(&shape, density)?;
        let (dy, dx) = (lab.activation(shape.output())?, lab.output(shape.input().len())?);
        ops.push(Op::ConvInputGrad(ConvInputGrad { shape, dy, weight, dx, accumulate: false }));
    }
    Ok(ops)
}

fn weight_grad(lab: &mut Lab, density: Option<f64>) -> Result<Vec<Op>> {
    let mut ops = Vec::new();
    for (k, stride) in [(3, 1), (3, 2), (1, 1)] {
        let shape = conv_shape(k, stride);
        let (weight, len) = lab.weight(&shape, density)?;
        let (x, dy, dw) = (lab.activation(shape.input())?, lab.activation(shape.output())?, lab.output(len)?);
        ops.push(Op::ConvWeightGrad(ConvWeightGrad { shape, x, norm: None, dy, topology: weight.topology(), dw }));
    }
    Ok(ops)
}

/// The kernels that a device may come to prefer.
fn by(lab: &mut Lab, kernel: Kernel, build: fn(&mut Lab, Option<f64>) -> Result<Vec<Op>>) -> Result<Vec<Op>> {
    lab.device.force(&[kernel]);
    build(lab, if kernel.dense() { None } else { SPARSE })
}

fn pool(k: usize) -> PoolShape {
    PoolShape { input: IMAGE, output: Shape { h: (6 - k) / 2 + 1, w: (7 - k) / 2 + 1, ..IMAGE }, kh: k, kw: k, stride: 2, pad: 0 }
}

const SPARSE: Option<f64> = Some(0.2);

const CASES: &[(&str, Build)] = &[
    ("augment", |lab| {
        let shape = Shape { c: 3, h: 8, w: 8, n: LANES };
        let bytes: Vec<u32> = (0..shape.len() / 4).map(|_| lab.stream.next_u32()).collect();
        let mut params = Vec::new();
        for _ in 0..LANES {
            let offset = |s: &mut Stream| s.below(9) as f32 - 4.0;
            params.extend([offset(&mut lab.stream), offset(&mut lab.stream), lab.stream.below(2) as f32, 1.0, 0.0, 0.0, 0.0, 0.0]);
        }
        let (bytes, augmentation, out) = (lab.words(&bytes)?, lab.put(&params)?, lab.output(shape.len())?);
        Ok(vec![Op::Augment(Augment { shape, bytes, augmentation, out })])
    }),
    ("normalize", |lab| {
        let shape = Shape { c: 3, ..IMAGE };
        let (x, y) = (lab.activation(shape)?, lab.output(shape.len())?);
        Ok(vec![Op::Normalize(Normalize { shape, x, y, mean: [0.5, 0.4, 0.3, 0.0], inv_std: [4.0, 5.0, 6.0, 1.0] })])
    }),
    ("conv forward, dense", |lab| forward(lab, None)),
    ("conv forward, sparse", |lab| forward(lab, SPARSE)),
    ("conv input gradient, dense", |lab| input_grad(lab, None)),
    ("conv input gradient, sparse", |lab| input_grad(lab, SPARSE)),
    ("conv forward, sparse, tiles of 8 rows", |lab| by(lab, Kernel::Tiles8, forward)),
    ("conv forward, sparse, tiles of 16 rows", |lab| by(lab, Kernel::Tiles16, forward)),
    ("conv input gradient, sparse, tiles of 8 rows", |lab| by(lab, Kernel::Tiles8, input_grad)),
    ("conv input gradient, sparse, tiles of 16 rows", |lab| by(lab, Kernel::Tiles16, input_grad)),
    ("conv forward, dense, 4 by 2 a thread", |lab| by(lab, Kernel::Dense4x2, forward)),
    ("conv forward, dense, 4 by 1 a thread", |lab| by(lab, Kernel::Dense4x1, forward)),
    ("conv input gradient, dense, 4 by 2 a thread", |lab| by(lab, Kernel::Dense4x2, input_grad)),
    ("conv input gradient, dense, 4 by 1 a thread", |lab| by(lab, Kernel::Dense4x1, input_grad)),
    ("conv weight gradient, dense", |lab| weight_grad(lab, None)),
    ("conv weight gradient, sparse", |lab| weight_grad(lab, SPARSE)),
    ("conv weight gradient, sparse, tiles of 8 rows", |lab| by(lab, Kernel::Tiles8, weight_grad)),
    ("conv weight gradient, sparse, tiles of 16 rows", |lab| by(lab, Kernel::Tiles16, weight_grad)),
    ("activations of 16 bits", |lab| {
        // Values that lie between two that 16 bits hold are rounded as they are stored, and widened as they are loaded.
        let stored = lab.device.alloc("self-test", IMAGE.len(), Dtype::Bf16)?;
        lab.held.push(stored);
        let (x, y) = (lab.activation(IMAGE)?, lab.output(IMAGE.len())?);
        let len = IMAGE.len();
        Ok(vec![Op::Add(Add { len, x, y: stored }), Op::Relu(Relu { len, x: stored, y })])
    }),
    ("bias gradient", |lab| {
        let (dy, dbias) = (lab.activation(IMAGE)?, lab.output(IMAGE.c)?);
        Ok(vec![Op::BiasGrad(BiasGrad { shape: IMAGE, dy, dbias })])
    }),
    ("batchnorm statistics", |lab| {
        let (x, saved, running) = (lab.activation(IMAGE)?, lab.output(2 * IMAGE.c)?, lab.updated(2 * IMAGE.c, 0.5, 1.5)?);
        Ok(vec![Op::BatchNormStats(BatchNormStats { shape: IMAGE, x, saved, running, momentum: 0.1, eps: 1e-5 })])
    }),
    ("batchnorm apply", |lab| {
        let mut ops = Vec::new();
        for eval in [false, true] {
            let (x, residual, y) = (lab.activation(IMAGE)?, lab.activation(IMAGE)?, lab.output(IMAGE.len())?);
            let (stats, affine) = (lab.draw(2 * IMAGE.c, 0.5, 1.5)?, lab.draw(2 * IMAGE.c, -1.0, 1.0)?);
            ops.push(Op::BatchNormApply(BatchNormApply {
                shape: IMAGE,
                x,
                stats,
                eval,
                eps: 1e-5,
                affine,
                residual: Some(residual),
                relu: true,
                y,
            }));
        }
        Ok(ops)
    }),
    ("batchnorm gradients", |lab| {
        let mut ops = Vec::new();
        for eval in [false, true] {
            let (dy, y, x) = (lab.activation(IMAGE)?, lab.activation(IMAGE)?, lab.activation(IMAGE)?);
            let (stats, affine, daffine) = (lab.draw(2 * IMAGE.c, 0.5, 1.5)?, lab.draw(2 * IMAGE.c, -1.0, 1.0)?, lab.output(2 * IMAGE.c)?);
            let (dx, dresidual) = (lab.output(IMAGE.len())?, lab.output(IMAGE.len())?);
            ops.push(Op::BatchNormReduceGrad(BatchNormReduceGrad {
                shape: IMAGE,
                dy,
                gate: Gate::Output(y),
                x,
                stats,
                eval,
                eps: 1e-5,
                affine,
                daffine,
            }));
            ops.push(Op::BatchNormInputGrad(BatchNormInputGrad {
                shape: IMAGE,
                dy,
                gate: Gate::Output(y),
                x,
                stats,
                eval,
                eps: 1e-5,
                affine,
                daffine,
                dx,
                accumulate: false,
                dresidual: Some((dresidual, false)),
            }));
        }
        Ok(ops)
    }),
    ("batchnorm input gradient, added", |lab| {
        let (dy, y, x) = (lab.activation(IMAGE)?, lab.activation(IMAGE)?, lab.activation(IMAGE)?);
        let (stats, affine, daffine) =
            (lab.draw(2 * IMAGE.c, 0.5, 1.5)?, lab.draw(2 * IMAGE.c, -1.0, 1.0)?, lab.draw(2 * IMAGE.c, -1.0, 1.0)?);
        let dx = lab.summed(IMAGE)?;
        Ok(vec![Op::BatchNormInputGrad(BatchNormInputGrad {
            shape: IMAGE,
            dy,
            gate: Gate::Output(y),
            x,
            stats,
            eval: false,
            eps: 1e-5,
            affine,
            daffine,
            dx,
            accumulate: true,
            dresidual: None,
        })])
    }),
    ("sum", |lab| {
        let len = IMAGE.len();
        Ok(vec![Op::Add(Add { len, x: lab.draw(len, -1.0, 1.0)?, y: lab.updated(len, -1.0, 1.0)? })])
    }),
    ("steps of an attack", |lab| {
        let (len, lanes) = (IMAGE.len(), IMAGE.n);
        let (shape, x, clean, grad) = (IMAGE, lab.updated(len, 0.0, 1.0)?, lab.draw(len, 0.0, 1.0)?, lab.activation(IMAGE)?);
        let (norms, lengths) = (lab.output(lanes)?, lab.output(lanes)?);
        Ok(vec![
            Op::StepLinf(StepLinf { shape, x, clean, grad, step: 0.25, eps: 0.5 }),
            Op::LaneNorm(LaneNorm { shape, x: grad, minus: None, norms }),
            Op::StepL2(StepL2 { shape, x, grad, norms, step: 0.5 }),
            Op::LaneNorm(LaneNorm { shape, x, minus: Some(clean), norms: lengths }),
            Op::ProjectL2(ProjectL2 { shape, x, clean, norms: lengths, eps: 1.5 }),
        ])
    }),
    ("relu and its gradient", |lab| {
        let len = IMAGE.len();
        let (x, y, dy, dx) = (lab.activation(IMAGE)?, lab.output(len)?, lab.activation(IMAGE)?, lab.output(len)?);
        Ok(vec![Op::Relu(Relu { len, x, y }), Op::ReluGrad(ReluGrad { len, dy, y, dx, accumulate: false })])
    }),
    ("max pooling and its gradient", |lab| {
        let shape = pool(2);
        let (x, y) = (lab.activation(IMAGE)?, lab.output(shape.output.len())?);
        let (dy, dx) = (lab.activation(shape.output)?, lab.output(IMAGE.len())?);
        Ok(vec![Op::MaxPool(MaxPool { shape, x, y }), Op::MaxPoolGrad(MaxPoolGrad { shape, x, y, dy, dx, accumulate: false })])
    }),
    ("average pooling and its gradient", |lab| {
        let shape = pool(3);
        let (x, y) = (lab.activation(IMAGE)?, lab.output(shape.output.len())?);
        let (dy, dx) = (lab.activation(shape.output)?, lab.output(IMAGE.len())?);
        Ok(vec![Op::AvgPool(AvgPool { shape, x, y }), Op::AvgPoolGrad(AvgPoolGrad { shape, dy, dx, accumulate: false })])
    }),
    ("shortcut and its gradient", |lab| {
        let output = Shape { c: 9, h: 3, w: 4, n: LANES };
        let (x, y) = (lab.activation(IMAGE)?, lab.output(output.len())?);
        let (dy, dx) = (lab.activation(output)?, lab.updated(IMAGE.len(), -1.0, 1.0)?);
        Ok(vec![
            Op::ShortcutA(ShortcutA { input: IMAGE, output, stride: 2, x, y }),
            Op::ShortcutAGrad(ShortcutAGrad { input: IMAGE, output, stride: 2, dy, dx, accumulate: true }),
        ])
    }),
    ("softmax cross-entropy", |lab| {
        let classes = 10;
        let labels: Vec<u32> = (0..LANES).map(|_| lab.stream.below(classes as u32)).collect();
        let (logits, labels) = (lab.activation(Shape { c: classes, h: 1, w: 1, n: LANES })?, lab.words(&labels)?);
        let (dlogits, samples, totals) =
            (lab.output(classes * LANES)?, lab.updated(SAMPLE_WORDS * LANES, 0.0, 0.0)?, lab.updated(TOTAL_WORDS, 0.0, 0.0)?);
        Ok(vec![Op::SoftmaxCrossEntropy(SoftmaxCrossEntropy {
            classes,
            n: LANES,
            logits,
            labels,
            dlogits: Some(dlogits),
            samples,
            totals,
        })])
    }),
    ("sgd update", |lab| {
        let len = 1003;
        let mask: Vec<f32> = (0..len).map(|_| lab.stream.below(2) as f32).collect();
        let (values, grad, momentum, mask) =
            (lab.updated(len, -1.0, 1.0)?, lab.draw(len, -1.0, 1.0)?, lab.updated(len, -1.0, 1.0)?, lab.put(&mask)?);
        Ok(vec![Op::SgdUpdate(SgdUpdate { len, values, grad, momentum, mask: Some(mask), momentum_reset: false })])
    }),
    ("adam update", |lab| {
        let len = 1003;
        let (values, grad) = (lab.updated(len, -1.0, 1.0)?, lab.draw(len, -1.0, 1.0)?);
        let (first, second) = (lab.updated(len, -1.0, 1.0)?, lab.updated(len, 0.0, 1.0)?);
        Ok(vec![Op::AdamUpdate(AdamUpdate { len, values, grad, first, second, mask: None })])
    }),
    ("probe", |lab| {
        let (x, y) = (lab.draw(1004, -1.0, 1.0)?, lab.output(1004)?);
        Ok(vec![Op::Probe(Probe { len: 1004, rounds: 5, x, y })])
    }),
    ("fill", |lab| {
        let buffer = lab.output(77)?;
        Ok(vec![Op::Fill(Fill { len: 77, buffer, value: 0.25 })])
    }),
];

/// Runs every case on both devices.
pub async fn run(device: &mut Device, twin: &mut Device) -> Vec<Check> {
    let mut checks = Vec::new();
    for (index, (kernel, build)) in CASES.iter().enumerate() {
        let ours = case(device, index as u64, *build).await;
        let theirs = case(twin, index as u64, *build).await;
        let check = match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                let error = ours
                    .iter()
                    .zip(&theirs)
                    .map(|(a, b)| relative_error(a, b))
                    .fold(0.0, |worst: f64, e| if worst.is_nan() || e <= worst { worst } else { e });
                // Written so that NaN is a problem.
                let problem = if error <= TOLERANCE { None } else { Some(format!("relative error {error:.1e}, allowed {TOLERANCE:.0e}")) };
                Check { kernel, error: Some(error), problem }
            }
            (Err(e), _) => Check { kernel, error: None, problem: Some(e.to_string()) },
            (_, Err(e)) => Check { kernel, error: None, problem: Some(format!("its twin: {e}")) },
        };
        checks.push(check);
    }
    checks
}

async fn case(device: &mut Device, index: u64, build: Build) -> Result<Vec<Vec<f32>>> {
    let mut lab = Lab { device, stream: Stream::new(1, Purpose::Test, 0, index), held: Vec::new(), outputs: Vec::new() };
    let step = StepParams {
        n_valid: VALID as u32,
        lr: 0.1,
        momentum: 0.9,
        weight_decay: 5e-4,
        beta2: 0.999,
        epsilon: 1e-8,
        correction1: 0.271,
        correction2: 0.003,
        nesterov: 1,
        ..Default::default()
    };
    let result = async {
        let ops = build(&mut lab)?;
        let program = lab.device.compile("self-test", &ops)?;
        lab.device.run(&program, &step)?;
        lab.device.sync().await?;
        let mut out = Vec::new();
        for (id, len) in &lab.outputs {
            out.push(lab.device.read_f32(*id, 0, *len).await?);
        }
        Ok(out)
    }
    .await;
    lab.device.force(&[]);
    for id in lab.held {
        lab.device.free(id);
    }
    result
}

/// `||a - b|| / ||b||`; infinite where b is all zero and a is not.
fn relative_error(a: &[f32], b: &[f32]) -> f64 {
    let norm = |it: &mut dyn Iterator<Item = f64>| it.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut a.iter().zip(b).map(|(x, y)| f64::from(*x) - f64::from(*y)));
    let scale = norm(&mut b.iter().map(|y| f64::from(*y)));
    if difference == 0.0 && a.len() == b.len() { 0.0 } else { difference / scale }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sparring_core::device::info::DeviceChoice;

    #[test]
    fn the_cpu_agrees_with_the_oracle_on_every_kernel() {
        let checks = pollster::block_on(run(&mut Device::cpu(), &mut Device::oracle()));
        let problems: Vec<_> = checks.iter().filter(|o| o.problem.is_some()).collect();
        assert!(problems.is_empty(), "{problems:?}");
        assert!(checks.iter().any(|o| o.error.is_some_and(|e| e > 0.0)), "float32 and float64 cannot agree to the last bit");
    }

    #[test]
    fn a_gpu_agrees_with_the_cpu_on_every_kernel() {
        let Ok((mut gpu, _)) = pollster::block_on(Device::open(DeviceChoice::Gpu)) else {
            println!("skipped: no adapter");
            return;
        };
        let checks = pollster::block_on(run(&mut gpu, &mut Device::cpu()));
        let problems: Vec<_> = checks.iter().filter(|o| o.problem.is_some()).collect();
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn a_wrong_number_is_seen() {
        assert!(relative_error(&[1.0, 2.0], &[1.0, 2.001]) > TOLERANCE);
        assert!(relative_error(&[1e-9], &[0.0]).is_infinite());
        assert!(relative_error(&[f32::NAN], &[1.0]).is_nan());
    }
}
