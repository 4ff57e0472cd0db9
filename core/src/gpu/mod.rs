//! The GPU backend: adapter, buffers, pipelines, programs, readback, straight on wgpu.

use crate::device::DeviceInfo;
use crate::error::{Error, Result};
use crate::ops::{BufferId, Dtype, Op, StepParams};

/// A GPU and its buffers.
pub struct GpuDevice {}

/// Compiled ops.
pub struct GpuProgram {}

fn absent<T>() -> Result<T> {
    Err(Error::NoAdapter("this build has no GPU backend".into()))
}

impl GpuDevice {
    /// Opens an adapter; software adapters only where `allow_software`.
    pub async fn open(allow_software: bool) -> Result<Self> {
        let _ = allow_software;
        absent()
    }
    /// See [`crate::Device`].
    pub fn info(&self) -> DeviceInfo {
        DeviceInfo { name: String::new(), backend: String::new(), driver: String::new(), software: true }
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
    pub fn write(&mut self, _id: BufferId, _offset: usize, _words: &[u32]) -> Result<()> {
        absent()
    }
    /// See [`crate::Device`].
    pub async fn read(&self, _id: BufferId, _offset: usize, _words: usize) -> Result<Vec<u32>> {
        absent()
    }
    /// See [`crate::Device`].
    pub fn compile(&mut self, _label: &str, _ops: &[Op]) -> Result<GpuProgram> {
        absent()
    }
    /// See [`crate::Device`].
    pub fn run(&mut self, _program: &GpuProgram, _step: &StepParams) -> Result<()> {
        absent()
    }
    /// See [`crate::Device`].
    pub async fn sync(&mut self) -> Result<()> {
        absent()
    }
}
