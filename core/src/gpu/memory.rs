//! Buffers and the count of their bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::ops::Dtype;

/// Numbers that a kernel loads at once.
pub const VECTOR: usize = 4;

/// A counted piece of device memory; given back when dropped.
pub struct Memory {
    /// The buffer.
    pub buffer: wgpu::Buffer,
    /// Usable numbers.
    pub words: usize,
    /// What they are.
    pub dtype: Dtype,
    counter: Arc<AtomicU64>,
}

/// Scratch memory shared by the ops of programs.
pub type Scratch = Memory;

impl Memory {
    /// Zeroed numbers, at least one; whole vec4s, whose rest a kernel may overwrite.
    ///
    /// # Errors
    /// `Limit` where no binding can be so large.
    pub fn new(device: &wgpu::Device, label: &str, words: usize, dtype: Dtype, counter: &Arc<AtomicU64>) -> Result<Self> {
        let words = words.max(1);
        let size = words.next_multiple_of(VECTOR) as u64 * dtype.bytes() as u64;
        let limits = device.limits();
        let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        if size > most {
            return Err(Error::limit(
                format!("buffer '{label}'"),
                mebibytes(size),
                format!("{} a buffer", mebibytes(most)),
                "set precision to bf16 or micro_batch to a part of the batch, or use a smaller model",
            ));
        }
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let memory = Self { buffer, words, dtype, counter: counter.clone() };
        counter.fetch_add(memory.bytes(), Ordering::Relaxed);
        Ok(memory)
    }
    /// Bytes in use.
    fn bytes(&self) -> u64 {
        self.words as u64 * self.dtype.bytes() as u64
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // A browser would keep the memory until it collects garbage. What was submitted before still runs.
        self.buffer.destroy();
        self.counter.fetch_sub(self.bytes(), Ordering::Relaxed);
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1 << 20) as f64)
}
