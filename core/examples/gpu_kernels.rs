//! Times one convolution on the GPU, dense and sparse, in its three directions: milliseconds, GFLOP/s of the work really
//! done, and the ratio to our own dense kernel.
//! Usage: `gpu_kernels [C_IN C_OUT H K STRIDE BATCH]` (default 64 64 16 3 1 32).

use std::time::Instant;

use sparring_core::Error;
use sparring_core::device::Device;
use sparring_core::device::info::DeviceChoice;
use sparring_core::error::Result;
use sparring_core::ops::{
    BufferId, ConvForward, ConvInputGrad, ConvShape, ConvWeightGrad, Dtype, Op, Shape, SparseTopology, StepParams, Weight,
};
use sparring_core::rng::{Purpose, Stream};

const DENSITIES: [f32; 4] = [0.5, 0.2, 0.1, 0.05];
const ROUNDS: usize = 5;

fn floats(device: &mut Device, len: usize, seed: u64) -> Result<BufferId> {
    let mut stream = Stream::new(seed, Purpose::Test, 0, 0);
    let values: Vec<f32> = (0..len).map(|_| stream.uniform() - 0.5).collect();
    let id = device.alloc("floats", len, Dtype::F32)?;
    device.write_f32(id, 0, &values)?;
    Ok(id)
}

fn integers(device: &mut Device, values: &[u32]) -> Result<BufferId> {
    let id = device.alloc("integers", values.len(), Dtype::U32)?;
    device.write_u32(id, 0, values)?;
    Ok(id)
}

fn topology(device: &mut Device, s: &ConvShape, density: f32) -> Result<SparseTopology> {
    let mut stream = Stream::new(1, Purpose::Test, 1, 0);
    let (mut row_ptr, mut index, mut row) = (vec![0], Vec::new(), Vec::new());
    for co in 0..s.c_out {
        for at in 0..s.c_in * s.kh * s.kw {
            if stream.uniform() < density {
                let (ci, tap) = (at / (s.kh * s.kw), at % (s.kh * s.kw));
                index.push(((ci << 8) | ((tap / s.kw) << 4) | (tap % s.kw)) as u32);
                row.push(co as u32);
            }
        }
        row_ptr.push(index.len() as u32);
    }
    let mut order: Vec<u32> = (0..index.len() as u32).collect();
    order.sort_by_key(|&i| (index[i as usize] >> 8, row[i as usize], index[i as usize] & 255));
    let mut t_row_ptr = vec![0; s.c_in + 1];
    index.iter().for_each(|&i| t_row_ptr[(i >> 8) as usize + 1] += 1);
    (0..s.c_in).for_each(|c| t_row_ptr[c + 1] += t_row_ptr[c]);
    let t_index: Vec<u32> = order.iter().map(|&i| (row[i as usize] << 8) | (index[i as usize] & 255)).collect();
    Ok(SparseTopology {
        row_ptr: integers(device, &row_ptr)?,
        index: integers(device, &index)?,
        t_row_ptr: integers(device, &t_row_ptr)?,
        t_index: integers(device, &t_index)?,
        t_value: integers(device, &order)?,
        row: integers(device, &row)?,
        nnz: index.len(),
    })
}

/// The shortest of some runs in milliseconds, and what compiling took.
fn time(device: &mut Device, op: Op, step: &StepParams) -> Result<(f64, f64)> {
    let start = Instant::now();
    let program = device.compile("kernel", &[op])?;
    device.run(&program, step)?;
    pollster::block_on(device.sync())?;
    let compiled = start.elapsed().as_secs_f64() * 1e3;
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        device.run(&program, step)?;
        pollster::block_on(device.sync())?;
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok((best, compiled))
}

fn main() -> Result<()> {
    let given: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let [c_in, c_out, h, k, stride, n] = given.try_into().unwrap_or([64, 64, 16, 3, 1, 32]);
    let shape = ConvShape::new(Shape { c: c_in, h, w: h, n }, c_out, k, stride, k / 2)
        .ok_or_else(|| Error::config("the kernel does not fit the image"))?;
    let (mut device, _) = pollster::block_on(Device::open(DeviceChoice::Gpu))?;
    println!("{:?}\n{shape:?}", device.info());
    let step = StepParams { n_valid: n as u32, ..StepParams::default() };
    let x = floats(&mut device, shape.input().len(), 1)?;
    let y = floats(&mut device, shape.output().len(), 2)?;
    let dy = floats(&mut device, shape.output().len(), 3)?;
    let dx = floats(&mut device, shape.input().len(), 4)?;
    let values = floats(&mut device, shape.weights(), 5)?;
    let dw = floats(&mut device, shape.weights(), 6)?;
    let mut dense = [0.0; 3];
    println!("{:>8} {:>14} {:>10} {:>10} {:>8} {:>10}", "density", "direction", "ms", "GFLOP/s", "speed-up", "first ms");
    for density in [1.0].into_iter().chain(DENSITIES) {
        let (weight, nnz) = if density == 1.0 {
            (Weight::Dense { values }, shape.weights())
        } else {
            let topology = topology(&mut device, &shape, density)?;
            (Weight::Sparse { values, topology }, topology.nnz)
        };
        let ops = [
            ("forward", Op::ConvForward(ConvForward { shape, x, norm: None, weight, bias: None, y })),
            ("input grad", Op::ConvInputGrad(ConvInputGrad { shape, dy, weight, dx, accumulate: false })),
            ("weight grad", Op::ConvWeightGrad(ConvWeightGrad { shape, x, norm: None, dy, topology: weight.topology(), dw })),
        ];
        for ((direction, op), dense) in ops.into_iter().zip(&mut dense) {
            let (ms, first) = time(&mut device, op, &step)?;
            if density == 1.0 {
                *dense = ms;
            }
            let gflops = 2e-6 * nnz as f64 * (shape.h_out * shape.w_out * n) as f64 / ms;
            println!("{density:>8} {direction:>14} {ms:>10.2} {gflops:>10.2} {:>8.2} {first:>10.0}", *dense / ms);
        }
    }
    Ok(())
}
