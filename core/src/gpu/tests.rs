//! Every op on the GPU against the float64 oracle, over odd shapes; bad input and a lost device give typed errors.
//! Where no adapter is found the tests say `skipped` and pass.
#![allow(clippy::unwrap_used, reason = "tests")]

#[cfg(feature = "autoattack")]
mod autoattack;
mod conv;
mod errors;
mod other;

use crate::bf16::Bf16;
use crate::device::Device;
use crate::error::Result;
use crate::gpu::GpuDevice;
use crate::ops::{BufferId, ConvShape, Dtype, Op, Shape, SparseTopology, StepParams};
use crate::rng::{Purpose, Stream};

/// Relative to the largest value of a tensor: float32 sums of some thousand terms against float64.
const TOLERANCE: f32 = 2e-5;

/// One buffer's contents before the program runs.
#[derive(Clone)]
pub enum Data {
    F32(Vec<f32>),
    U32(Vec<u32>),
}

impl Data {
    fn zeros(len: usize) -> Self {
        Self::F32(vec![0.0; len])
    }
    fn random(len: usize, seed: u64) -> Self {
        let mut s = Stream::new(seed, Purpose::Test, 0, 0);
        Self::F32((0..len).map(|_| s.uniform() * 2.0 - 1.0).collect())
    }
    /// As it is stored in 16 bits.
    fn rounded(&self) -> Self {
        match self {
            Self::F32(v) => Self::F32(v.iter().map(|v| Bf16::from_f32(*v).to_f32()).collect()),
            Self::U32(v) => Self::U32(v.clone()),
        }
    }
    /// Random on real lanes, zero beyond.
    fn activation(shape: Shape, n_valid: usize, seed: u64) -> Self {
        let Self::F32(mut v) = Self::random(shape.len(), seed) else { unreachable!() };
        for (i, v) in v.iter_mut().enumerate() {
            if i % shape.n >= n_valid {
                *v = 0.0;
            }
        }
        Self::F32(v)
    }
}

pub fn gpu() -> Option<GpuDevice> {
    match pollster::block_on(GpuDevice::open(true)) {
        Ok(d) => Some(d),
        Err(e) => {
            println!("skipped: no Vulkan adapter ({e})");
            None
        }
    }
}

pub fn params(n_valid: usize) -> StepParams {
    StepParams {
        n_valid: n_valid as u32,
        sample_offset: 2,
        lr: 0.1,
        momentum: 0.9,
        weight_decay: 0.01,
        beta2: 0.99,
        epsilon: 1e-8,
        correction1: 0.19,
        correction2: 0.02,
        nesterov: 1,
        batch: 0,
        label_smoothing: 0.1,
    }
}

/// The contents of all f32 buffers after the ops ran once.
pub fn outcome(device: &mut Device, data: &[Data], ops: &dyn Fn(&[BufferId]) -> Vec<Op>, step: &StepParams) -> Result<Vec<Vec<f32>>> {
    stored(device, data, &[], ops, step)
}

/// The same; the floats of some buffers are stored in 16 bits.
fn stored(
    device: &mut Device,
    data: &[Data],
    halves: &[usize],
    ops: &dyn Fn(&[BufferId]) -> Vec<Op>,
    step: &StepParams,
) -> Result<Vec<Vec<f32>>> {
    let mut ids = Vec::new();
    for (i, d) in data.iter().enumerate() {
        ids.push(match d {
            Data::F32(v) => {
                let id = device.alloc("test", v.len(), if halves.contains(&i) { Dtype::Bf16 } else { Dtype::F32 })?;
                device.write_f32(id, 0, v)?;
                id
            }
            Data::U32(v) => {
                let id = device.alloc("test", v.len(), Dtype::U32)?;
                device.write_u32(id, 0, v)?;
                id
            }
        });
    }
    let program = device.compile("test", &ops(&ids))?;
    device.run(&program, step)?;
    pollster::block_on(device.sync())?;
    let mut out = Vec::new();
    for (id, d) in ids.into_iter().zip(data) {
        if let Data::F32(v) = d {
            out.push(pollster::block_on(device.read_f32(id, 0, v.len()))?);
        }
        device.free(id);
    }
    Ok(out)
}

/// A GPU where there is one, for [`compare`].
pub fn some_gpu() -> Option<Device> {
    gpu().map(|gpu| Device::Gpu(Box::new(gpu)))
}

/// Runs ops on the GPU (on the CPU where there is none) and the oracle and compares every buffer; and all of them on activations of 16 bits.
pub fn compare(gpu: &mut Option<Device>, what: &str, data: &[Data], n_valid: usize, ops: &dyn Fn(&[BufferId]) -> Vec<Op>) {
    let (step, mut cpu) = (params(n_valid), Device::cpu());
    let device = gpu.as_mut().unwrap_or(&mut cpu);
    let got = outcome(device, data, ops, &step).unwrap_or_else(|e| panic!("{what}: {e}"));
    let want = outcome(&mut Device::oracle(), data, ops, &step).unwrap_or_else(|e| panic!("{what} on the oracle: {e}"));
    for (b, (got, want)) in got.iter().zip(&want).enumerate() {
        let scale = want.iter().fold(1.0f32, |m, v| m.max(v.abs()));
        for (i, (g, w)) in got.iter().zip(want).enumerate() {
            assert!((g - w).abs() <= TOLERANCE * scale, "{what}: buffer {b}[{i}] is {g}, should be {w}");
        }
    }
    for device in gpu.iter_mut().chain([&mut Device::cpu(), &mut Device::oracle()]) {
        in_16_bits(device, what, data, &step, ops);
    }
}

/// Runs each op on activations that are stored in 16 bits: all of them, or what it reads, or what it writes. What it makes must be what it
/// makes of the same numbers in 32, rounded once.
fn in_16_bits(device: &mut Device, what: &str, data: &[Data], step: &StepParams, ops: &dyn Fn(&[BufferId]) -> Vec<Op>) {
    let ids: Vec<BufferId> = (0..data.len()).map(|i| BufferId(i as u32)).collect();
    let mut data = data.to_vec();
    for (nth, mut op) in ops(&ids).into_iter().enumerate() {
        let activations: Vec<(usize, bool)> = op
            .slots()
            .into_iter()
            .filter(|slot| slot.activation)
            .filter_map(|slot| Some((slot.id.as_deref()?.0 as usize, slot.written)))
            .collect();
        let of = |written: bool| activations.iter().filter(|a| a.1 == written).map(|a| a.0).collect::<Vec<_>>();
        let all = activations.iter().map(|a| a.0).collect();
        let mut sets = vec![all, of(false), of(true)];
        let gpu = matches!(device, Device::Gpu(_));
        if gpu {
            // A set an op: each is a shader of its own, and compiling them takes most of the time.
            sets = vec![sets.swap_remove((nth + what.len()) % 3)];
        }
        for halves in sets {
            let data: Vec<Data> = data.iter().enumerate().map(|(i, d)| if halves.contains(&i) { d.rounded() } else { d.clone() }).collect();
            let only = |ids: &[BufferId]| vec![ops(ids)[nth]];
            let what = format!("{what}, {op:?}, of 16 bits: {halves:?}");
            let [got, mut want] = [&halves[..], &[]].map(|halves| stored(device, &data, halves, &only, step).unwrap());
            // Buffers of floats are numbered without those of integers.
            let floats: Vec<usize> = (0..data.len()).filter(|&i| matches!(data[i], Data::F32(_))).collect();
            for (b, values) in floats.iter().zip(&mut want) {
                if halves.contains(b) {
                    values.iter_mut().for_each(|v| *v = Bf16::from_f32(*v).to_f32());
                }
            }
            for ((b, got), want) in floats.iter().zip(&got).zip(&want) {
                for (i, (g, w)) in got.iter().zip(want).enumerate() {
                    // Two compilations of one shader may contract a multiply-add differently.
                    let apart = if gpu && halves.contains(b) { w.abs() / 128.0 } else { 0.0 };
                    let holds = if gpu && !halves.contains(b) { (g - w).abs() <= 1e-6 * (1.0 + w.abs()) } else { (g - w).abs() <= apart };
                    assert!(holds, "{what}: buffer {b}[{i}] is {g}, should be {w}");
                }
            }
        }
        // The next op sees what this one left.
        let left = stored(device, &data, &[], &|ids: &[BufferId]| vec![ops(ids)[nth]], step).unwrap();
        let floats = data.iter_mut().filter(|d| matches!(d, Data::F32(_)));
        floats.zip(left).for_each(|(d, left)| *d = Data::F32(left));
    }
}

/// A random topology of a density, with the first row empty where there are several; buffers `first..first + 6` of `data`.
pub fn topology(s: &ConvShape, density: f32, seed: u64) -> (Vec<Data>, usize) {
    let mut stream = Stream::new(seed, Purpose::Test, 1, 0);
    let (mut row_ptr, mut index, mut row) = (vec![0u32], Vec::new(), Vec::new());
    for co in 0..s.c_out {
        for ci in 0..s.c_in {
            for tap in 0..s.kh * s.kw {
                let empty = density < 1.0 && co == 0 && s.c_out > 1;
                if stream.uniform() < density && !empty {
                    index.push(((ci << 8) | ((tap / s.kw) << 4) | (tap % s.kw)) as u32);
                    row.push(co as u32);
                }
            }
        }
        row_ptr.push(index.len() as u32);
    }
    let mut order: Vec<usize> = (0..index.len()).collect();
    order.sort_by_key(|&i| (index[i] >> 8, row[i], index[i] & 255));
    let mut t_row_ptr = vec![0u32; s.c_in + 1];
    for &i in &index {
        t_row_ptr[(i >> 8) as usize + 1] += 1;
    }
    for c in 0..s.c_in {
        t_row_ptr[c + 1] += t_row_ptr[c];
    }
    let t_index = order.iter().map(|&i| (row[i] << 8) | (index[i] & 255)).collect();
    let t_value = order.iter().map(|&i| i as u32).collect();
    let nnz = index.len();
    ([row_ptr, index, t_row_ptr, t_index, t_value, row].map(Data::U32).into(), nnz)
}

pub fn bind_topology(ids: &[BufferId], nnz: usize) -> SparseTopology {
    SparseTopology { row_ptr: ids[0], index: ids[1], t_row_ptr: ids[2], t_index: ids[3], t_value: ids[4], row: ids[5], nnz }
}
