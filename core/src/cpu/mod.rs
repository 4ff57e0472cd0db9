//! The CPU backend: the Rust twin of every kernel, one file a kernel, threads and SIMD where it matters.
//!
//! It is a real backend, not a test double: everything runs where there is no GPU. `CpuDevice<f64>` runs the plain loops
//! in double precision and is the oracle of both backends.

use std::marker::PhantomData;

use crate::device::DeviceInfo;
use crate::error::{Error, Result};
use crate::ops::{BufferId, Dtype, Op, StepParams};

/// Buffers in host memory and the twins that work on them.
pub struct CpuDevice<T> {
    marker: PhantomData<T>,
}

impl<T> Default for CpuDevice<T> {
    fn default() -> Self {
        Self { marker: PhantomData }
    }
}

fn absent<T>() -> Result<T> {
    Err(Error::Validation("not built yet".into()))
}

impl<T> CpuDevice<T> {
    /// An empty device.
    pub fn new() -> Self {
        Self::default()
    }
    /// See [`crate::Device`].
    pub fn info(&self) -> DeviceInfo {
        DeviceInfo { name: String::new(), backend: "cpu".into(), driver: String::new(), software: false }
    }
    /// See [`crate::Device`].
    pub fn allocated_bytes(&self) -> u64 {
        0
    }
    /// See [`crate::Device`].
    pub fn alloc(&mut self, _label: &str, _words: usize, _dtype: Dtype) -> Result<BufferId> {
        absent()
    }
    /// See [`crate::Device`].
    pub fn free(&mut self, _id: BufferId) {}
    /// See [`crate::Device`].
    pub fn write_f32(&mut self, _id: BufferId, _offset: usize, _values: &[f32]) -> Result<()> {
        absent()
    }
    /// See [`crate::Device`].
    pub fn write_u32(&mut self, _id: BufferId, _offset: usize, _values: &[u32]) -> Result<()> {
        absent()
    }
    /// See [`crate::Device`].
    pub fn read_f32(&self, _id: BufferId, _offset: usize, _words: usize) -> Result<Vec<f32>> {
        absent()
    }
    /// Checks that every op's buffers exist, have the right type and are long enough.
    pub fn check(&self, _label: &str, _ops: &[Op]) -> Result<()> {
        absent()
    }
    /// See [`crate::Device`].
    pub fn run(&mut self, _ops: &[Op], _step: &StepParams) -> Result<()> {
        absent()
    }
}
