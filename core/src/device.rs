//! One device behind which a GPU, the CPU, and a float64 oracle look the same.
//!
//! A program is compiled once from ops (bind groups, dispatches) and run many times; nothing is allocated or read back
//! inside a run. Without this seam the session would exist twice.

pub mod info;

pub use info::{DeviceChoice, DeviceInfo, Kernel, Kernels};

use crate::cpu::CpuDevice;
use crate::error::Result;
use crate::gpu::{GpuDevice, GpuProgram};
use crate::ops::{BufferId, DenseFrom, Dtype, Held, Op, StepParams};

/// Where the numbers are computed.
pub enum Device {
    /// Any adapter that wgpu finds.
    Gpu(Box<GpuDevice>),
    /// Threads and SIMD.
    Cpu(CpuDevice<f32>),
    /// Plain loops in float64, for tests.
    #[cfg(feature = "oracle")]
    Oracle(CpuDevice<f64>),
}

/// A compiled list of ops.
pub enum Program {
    /// Pipelines and bind groups.
    Gpu(GpuProgram),
    /// The ops themselves.
    Cpu(Vec<Op>),
}

impl Device {
    /// Opens a device. `Auto` falls back to the CPU; the reason is in the second value.
    pub async fn open(choice: DeviceChoice) -> Result<(Self, Option<String>)> {
        match choice {
            DeviceChoice::Cpu => Ok((Self::cpu(), None)),
            DeviceChoice::Gpu => Ok((Self::Gpu(Box::new(GpuDevice::open(true).await?)), None)),
            DeviceChoice::Auto => match GpuDevice::open(false).await {
                Ok(gpu) => Ok((Self::Gpu(Box::new(gpu)), None)),
                Err(why) => Ok((Self::cpu(), Some(why.to_string()))),
            },
        }
    }
    /// The CPU backend.
    pub fn cpu() -> Self {
        Self::Cpu(CpuDevice::new())
    }
    /// The float64 oracle.
    #[cfg(feature = "oracle")]
    pub fn oracle() -> Self {
        Self::Oracle(CpuDevice::new())
    }
    /// What it is.
    pub fn info(&self) -> DeviceInfo {
        match self {
            Self::Gpu(d) => d.info(),
            Self::Cpu(d) => d.info(),
            #[cfg(feature = "oracle")]
            Self::Oracle(d) => d.info(),
        }
    }
    /// What is compiled from now on is made by these kernels, as they were chosen before.
    pub fn know(&mut self, kernels: Kernels) {
        if let Self::Gpu(d) = self {
            d.know(kernels);
        }
    }
    /// Makes products by these kernels wherever they can make them, for tests of each; all others by what was chosen.
    pub fn force(&mut self, kernels: &[Kernel]) {
        if let Self::Gpu(d) = self {
            d.force(kernels);
        }
    }
    /// Which kernels were chosen by timing on this open device.
    pub fn measured(&self) -> Kernels {
        match self {
            Self::Gpu(d) => d.tuning().measured(),
            Self::Cpu(_) => Kernels::new(),
            #[cfg(feature = "oracle")]
            Self::Oracle(_) => Kernels::new(),
        }
    }
    /// Has kernels chosen by timing even where the adapter is software.
    pub fn want_tuning(&mut self) {
        if let Self::Gpu(d) = self {
            d.want_tuning();
        }
    }
    /// Times the kernels for which programs left a choice; whether programs should be compiled again. To be called before the first step.
    ///
    /// # Errors
    /// What the device says.
    pub async fn tune(&mut self) -> Result<bool> {
        match self {
            Self::Gpu(d) => d.tune().await,
            Self::Cpu(_) => Ok(false),
            #[cfg(feature = "oracle")]
            Self::Oracle(_) => Ok(false),
        }
    }
    /// Has the kernels compiled among which a choice is left open, and forgets that anybody asked: for programs that are only planned.
    ///
    /// # Errors
    /// What the device says.
    pub fn warm_choices(&mut self) -> Result<()> {
        match self {
            Self::Gpu(d) => d.warm_choices(),
            Self::Cpu(_) => Ok(()),
            #[cfg(feature = "oracle")]
            Self::Oracle(_) => Ok(()),
        }
    }
    /// Whether convolutions had better apply a BatchNorm as they load its input than read what it wrote. On the CPU they load an input once
    /// for all output channels; the sparse kernels of the GPU load it for each product, and would normalise it as often.
    pub fn norms_on_load(&self) -> bool {
        !matches!(self, Self::Gpu(_))
    }
    /// From which density on a sparse layer had better be computed as a dense one here.
    pub fn dense_from(&self) -> DenseFrom {
        match self {
            Self::Gpu(_) => DenseFrom::GPU,
            Self::Cpu(_) => DenseFrom::CPU,
            #[cfg(feature = "oracle")]
            Self::Oracle(_) => DenseFrom::CPU,
        }
    }
    /// Bytes allocated now (a float of the oracle counted as 4), scratch of the device's own included.
    pub fn allocated_bytes(&self) -> u64 {
        match self {
            Self::Gpu(d) => d.allocated_bytes(),
            Self::Cpu(d) => d.allocated_bytes(),
            #[cfg(feature = "oracle")]
            Self::Oracle(d) => d.allocated_bytes(),
        }
    }
    /// A zeroed buffer of `words` numbers (at least one is allocated).
    ///
    /// # Errors
    /// `Limit` where the device's largest binding is smaller; `OutOfMemory`.
    pub fn alloc(&mut self, label: &str, words: usize, dtype: Dtype) -> Result<BufferId> {
        match self {
            Self::Gpu(d) => d.alloc(label, words, dtype),
            Self::Cpu(d) => d.alloc(label, words, dtype),
            #[cfg(feature = "oracle")]
            Self::Oracle(d) => d.alloc(label, words, dtype),
        }
    }
    /// What a buffer holds, where there is one.
    pub fn held(&self, id: BufferId) -> Option<Held> {
        match self {
            Self::Gpu(d) => d.held(id),
            Self::Cpu(d) => d.held(id),
            #[cfg(feature = "oracle")]
            Self::Oracle(d) => d.held(id),
        }
    }
    /// Gives a buffer back. Programs compiled with it must not be run again.
    pub fn free(&mut self, id: BufferId) {
        match self {
            Self::Gpu(d) => d.free(id),
            Self::Cpu(d) => d.free(id),
            #[cfg(feature = "oracle")]
            Self::Oracle(d) => d.free(id),
        }
    }
    /// Writes floats from a place on, of 16 bits in whole pairs. Ordered before every later `run`.
    pub fn write_f32(&mut self, id: BufferId, offset: usize, values: &[f32]) -> Result<()> {
        match self {
            Self::Gpu(d) => d.write_f32(id, offset, values),
            Self::Cpu(d) => d.write_f32(id, offset, values),
            #[cfg(feature = "oracle")]
            Self::Oracle(d) => d.write_f32(id, offset, values),
        }
    }
    /// Writes integers at a word offset.
    pub fn write_u32(&mut self, id: BufferId, offset: usize, values: &[u32]) -> Result<()> {
        match self {
            Self::Gpu(d) => d.write_u32(id, offset, values),
            Self::Cpu(d) => d.write_u32(id, offset, values),
            #[cfg(feature = "oracle")]
            Self::Oracle(d) => d.write_u32(id, offset, values),
        }
    }
    /// Reads `words` floats from a word offset, after everything submitted so far.
    pub async fn read_f32(&self, id: BufferId, offset: usize, words: usize) -> Result<Vec<f32>> {
        match self {
            Self::Gpu(d) => d.read_f32(id, offset, words).await,
            Self::Cpu(d) => d.read_f32(id, offset, words),
            #[cfg(feature = "oracle")]
            Self::Oracle(d) => d.read_f32(id, offset, words),
        }
    }
    /// Prepares ops to be run in order: pipelines, bind groups, grids, limits checked.
    ///
    /// # Errors
    /// `Limit` where an op cannot run on this device; `Shape` where buffers do not fit an op.
    pub fn compile(&mut self, label: &str, ops: &[Op]) -> Result<Program> {
        match self {
            Self::Gpu(d) => Ok(Program::Gpu(d.compile(label, ops)?)),
            Self::Cpu(d) => {
                d.check(label, ops)?;
                Ok(Program::Cpu(ops.to_vec()))
            }
            #[cfg(feature = "oracle")]
            Self::Oracle(d) => {
                d.check(label, ops)?;
                Ok(Program::Cpu(ops.to_vec()))
            }
        }
    }
    /// Runs a program: encodes and submits it (GPU, in more than one submission where it is long), or computes it (CPU).
    pub fn run(&mut self, program: &Program, step: &StepParams) -> Result<()> {
        match (self, program) {
            (Self::Gpu(d), Program::Gpu(p)) => d.run(p, step),
            (Self::Cpu(d), Program::Cpu(ops)) => d.run(ops, step),
            #[cfg(feature = "oracle")]
            (Self::Oracle(d), Program::Cpu(ops)) => d.run(ops, step),
            _ => Err(crate::Error::validation("a program was run on another kind of device")),
        }
    }
    /// Waits until everything submitted is done, and reports what went wrong on the device since the last call.
    pub async fn sync(&mut self) -> Result<()> {
        match self {
            Self::Gpu(d) => d.sync().await,
            Self::Cpu(_) => Ok(()),
            #[cfg(feature = "oracle")]
            Self::Oracle(_) => Ok(()),
        }
    }
}
