//! Times one convolution (64 to 64 channels, 3x3, 32x32, batch 64) in its three directions, dense and sparse.
//!
//! Prints the least of many repetitions: this is where a change of a CPU kernel is judged.

use std::error::Error;
use std::time::Instant;

use sparring_core::cpu::CpuDevice;
use sparring_core::ops::{
    BufferId, ConvForward, ConvInputGrad, ConvShape, ConvWeightGrad, Dtype, Op, Shape, SparseTopology, StepParams, Weight,
};
use sparring_core::rng::{Purpose, Stream};

type Fallible<T> = Result<T, Box<dyn Error>>;

fn floats(device: &mut CpuDevice<f32>, stream: &mut Stream, len: usize) -> Fallible<BufferId> {
    let id = device.alloc("floats", len, Dtype::F32)?;
    device.write_f32(id, 0, &(0..len).map(|_| stream.normal()).collect::<Vec<_>>())?;
    Ok(id)
}

fn integers(device: &mut CpuDevice<f32>, values: &[u32]) -> Fallible<BufferId> {
    let id = device.alloc("integers", values.len(), Dtype::U32)?;
    device.write_u32(id, 0, values)?;
    Ok(id)
}

/// A weight with exactly `count` non-zeros anywhere.
fn sparse(device: &mut CpuDevice<f32>, stream: &mut Stream, s: &ConvShape, count: usize) -> Fallible<Weight> {
    let taps = s.kh * s.kw;
    let (mut row_ptr, mut index, mut row, mut transposed) = (vec![0u32; s.c_out + 1], vec![], vec![], vec![]);
    for at in stream.choose(s.weights(), count) {
        let at = at as usize;
        let (co, ci, tap) = (at / taps / s.c_in, at / taps % s.c_in, at % taps);
        let packed = |channel: usize| ((channel << 8) | ((tap / s.kw) << 4) | (tap % s.kw)) as u32;
        transposed.push((ci, packed(co), index.len() as u32));
        index.push(packed(ci));
        row.push(co as u32);
        row_ptr[co + 1..].iter_mut().for_each(|start| *start += 1);
    }
    transposed.sort_unstable();
    let t_row_ptr: Vec<u32> = (0..=s.c_in).map(|ci| transposed.partition_point(|e| e.0 < ci) as u32).collect();
    let topology = SparseTopology {
        row_ptr: integers(device, &row_ptr)?,
        index: integers(device, &index)?,
        t_row_ptr: integers(device, &t_row_ptr)?,
        t_index: integers(device, &transposed.iter().map(|e| e.1).collect::<Vec<_>>())?,
        t_value: integers(device, &transposed.iter().map(|e| e.2).collect::<Vec<_>>())?,
        row: integers(device, &row)?,
        nnz: count,
    };
    Ok(Weight::Sparse { values: floats(device, stream, count)?, topology })
}

/// Least milliseconds of `repeats` runs.
fn time(device: &mut CpuDevice<f32>, op: Op, n: usize, repeats: usize) -> Fallible<f64> {
    let step = StepParams { n_valid: n as u32, ..Default::default() };
    let mut least = f64::INFINITY;
    for _ in 0..repeats {
        let start = Instant::now();
        device.run(std::slice::from_ref(&op), &step)?;
        least = least.min(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(least)
}

fn main() -> Fallible<()> {
    let mut args = std::env::args().skip(1).map(|a| a.parse::<usize>());
    let mut next = |default| args.next().unwrap_or(Ok(default));
    let (c_in, c_out, side, n) = (next(64)?, next(64)?, next(32)?, next(64)?);
    let (k, stride, repeats) = (next(3)?, next(1)?, next(20)?);
    let mut device = CpuDevice::<f32>::new();
    let mut stream = Stream::new(0, Purpose::Test, 0, 0);
    let input = Shape { c: c_in, h: side, w: side, n };
    let shape = ConvShape::new(input, c_out, k, stride, k / 2).ok_or("the kernel does not fit")?;
    let info = device.info();
    println!("{} ({}), {shape:?}", info.name, info.driver);
    let x = floats(&mut device, &mut stream, shape.input().len())?;
    let dy = floats(&mut device, &mut stream, shape.output().len())?;
    let [y, dx] = [shape.output().len(), shape.input().len()].map(|len| device.alloc("out", len, Dtype::F32));
    let (y, dx, dw) = (y?, dx?, device.alloc("dw", shape.weights(), Dtype::F32)?);
    println!("{:>8} {:>20} {:>20} {:>20}", "density", "forward", "input gradient", "weight gradient");
    for density in [1.0, 0.5, 0.2, 0.1, 0.05] {
        let count = (density * shape.weights() as f64).round() as usize;
        let weight = if density < 1.0 {
            sparse(&mut device, &mut stream, &shape, count)?
        } else {
            Weight::Dense { values: floats(&mut device, &mut stream, count)? }
        };
        let ops = [
            Op::ConvForward(ConvForward { shape, x, norm: None, weight, bias: None, y }),
            Op::ConvInputGrad(ConvInputGrad { shape, dy, weight, dx, accumulate: false }),
            Op::ConvWeightGrad(ConvWeightGrad { shape, x, norm: None, dy, topology: weight.topology(), dw }),
        ];
        print!("{density:>8}");
        for op in ops {
            let ms = time(&mut device, op, n, repeats)?;
            let flops = 2.0 * count as f64 * shape.output().plane() as f64;
            print!(" {ms:>8.2} ms {:>5.0} GF/s", flops / ms / 1e6);
        }
        println!();
    }
    Ok(())
}
