//! A device on which a case lays out its tensors; everything it allocated goes back afterwards.

use crate::device::Device;
use crate::error::Result;
use crate::ops::{BufferId, Dtype, Op, SparseTopology, StepParams};
use crate::sparse::{Csr, upload};

/// What an output holds before an op writes it: an op that adds, or misses a place, is found out.
const UNWRITTEN: f32 = 12_345.0;

/// The device and what is held on it.
pub struct Bench<'a> {
    device: &'a mut Device,
    held: Vec<BufferId>,
}

impl<'a> Bench<'a> {
    /// Nothing held yet.
    pub fn new(device: &'a mut Device) -> Self {
        Self { device, held: Vec::new() }
    }
    /// Gives everything back.
    pub fn clear(&mut self) {
        for id in self.held.drain(..) {
            self.device.free(id);
        }
    }
    /// A buffer with these floats.
    pub fn floats(&mut self, values: &[f32]) -> Result<BufferId> {
        let id = self.device.alloc("golden", values.len(), Dtype::F32)?;
        self.held.push(id);
        self.device.write_f32(id, 0, values)?;
        Ok(id)
    }
    /// A buffer with these integers.
    pub fn words(&mut self, values: &[u32]) -> Result<BufferId> {
        let id = self.device.alloc("golden", values.len(), Dtype::U32)?;
        self.held.push(id);
        self.device.write_u32(id, 0, values)?;
        Ok(id)
    }
    /// A buffer for an op to write.
    pub fn output(&mut self, len: usize) -> Result<BufferId> {
        self.floats(&vec![UNWRITTEN; len])
    }
    /// The index buffers of a sparse weight.
    pub fn topology(&mut self, csr: &Csr) -> Result<SparseTopology> {
        let topology = upload::allocate(self.device, "golden", csr.shape, csr.nnz())?;
        let SparseTopology { row_ptr, index, t_row_ptr, t_index, t_value, row, nnz: _ } = topology;
        self.held.extend([row_ptr, index, t_row_ptr, t_index, t_value, row]);
        upload::write(self.device, &topology, csr)?;
        Ok(topology)
    }
    /// Runs ops once.
    pub async fn run(&mut self, ops: &[Op], step: &StepParams) -> Result<()> {
        let program = self.device.compile("golden", ops)?;
        self.device.run(&program, step)?;
        self.device.sync().await
    }
    /// The floats of a buffer.
    pub async fn read(&mut self, id: BufferId, len: usize) -> Result<Vec<f32>> {
        if len == 0 {
            return Ok(Vec::new());
        }
        self.device.read_f32(id, 0, len).await
    }
    /// Replaces the floats of a buffer.
    pub fn write(&mut self, id: BufferId, values: &[f32]) -> Result<()> {
        self.device.write_f32(id, 0, values)
    }
}
