//! The CPU kernels against formulae, finite differences, and (f32) against the same ops in float64.
//!
//! Everything goes through the device as a session would, so checks, lending and dispatch are tested too.

#![allow(clippy::unwrap_used, reason = "tests")]

mod conv;
mod device;
mod ops;

use super::{Convolve, CpuDevice};
use crate::bf16::Bf16;
use crate::ops::{BufferId, Dtype, Op, Shape, StepParams};
use crate::rng::{Purpose, Stream};

/// Random numbers of a test, by its own seed.
fn stream(seed: u64) -> Stream {
    Stream::new(seed, Purpose::Test, 0, 0)
}

fn normal(stream: &mut Stream, len: usize) -> Vec<f32> {
    (0..len).map(|_| stream.normal()).collect()
}

/// Normal on the valid lanes, zero beyond, as every activation is.
fn activation(stream: &mut Stream, shape: Shape, n_valid: usize) -> Vec<f32> {
    let mut values = normal(stream, shape.len());
    values.chunks_mut(shape.n).for_each(|run| run[n_valid..].fill(0.0));
    values
}

/// As 16 bits hold them.
fn rounded(values: &[f32]) -> Vec<f32> {
    values.iter().map(|&v| Bf16::from_f32(v).to_f32()).collect()
}

/// A device with a few shorthands.
struct Bench<T> {
    device: CpuDevice<T>,
    step: StepParams,
}

impl<T: Convolve> Bench<T> {
    fn new(n_valid: usize) -> Self {
        Self { device: CpuDevice::new(), step: StepParams { n_valid: n_valid as u32, ..Default::default() } }
    }
    fn zeros(&mut self, len: usize) -> BufferId {
        self.device.alloc("test", len, Dtype::F32).unwrap()
    }
    fn put(&mut self, values: &[f32]) -> BufferId {
        let id = self.zeros(values.len());
        self.device.write_f32(id, 0, values).unwrap();
        id
    }
    /// An activation: its floats rounded to 16 bits, and stored in them or in 32.
    fn put_rounded(&mut self, values: &[f32], dtype: Dtype) -> BufferId {
        let id = self.device.alloc("test", values.len(), dtype).unwrap();
        self.device.write_f32(id, 0, &rounded(values)).unwrap();
        id
    }
    fn put_u32(&mut self, values: &[u32]) -> BufferId {
        let id = self.device.alloc("test", values.len(), Dtype::U32).unwrap();
        self.device.write_u32(id, 0, values).unwrap();
        id
    }
    fn run(&mut self, op: Op) {
        self.device.check("test", std::slice::from_ref(&op)).unwrap();
        self.device.run(&[op], &self.step).unwrap();
    }
    fn get(&self, id: BufferId, len: usize) -> Vec<f64> {
        self.device.read(id, 0, len).unwrap().iter().map(|v| v.to_f64()).collect()
    }
}

/// Rounding of sums of a few thousand f32 products, relative to the largest element.
const F32_SUM: f64 = 2e-5;

fn close(name: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let scale = expected.iter().fold(1e-3f64, |m, v| m.max(v.abs()));
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "{name}[{i}]: found {a}, expected {b}, scale {scale}");
    }
}

/// Compares `gradient` with central differences of `loss` at some of the elements of `at` (all in float64).
fn finite_differences(name: &str, at: &[f64], gradient: &[f64], mut loss: impl FnMut(&[f64]) -> f64) {
    let (h, mut point) = (1e-5, at.to_vec());
    let stride = (at.len() / 40).max(1) | 1;
    for i in (0..at.len()).step_by(stride) {
        point[i] = at[i] + h;
        let up = loss(&point);
        point[i] = at[i] - h;
        let difference = (up - loss(&point)) / (2.0 * h);
        point[i] = at[i];
        assert!(
            (difference - gradient[i]).abs() < 1e-6 * (1.0 + difference.abs()),
            "{name}[{i}]: gradient {}, difference {difference}",
            gradient[i]
        );
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
