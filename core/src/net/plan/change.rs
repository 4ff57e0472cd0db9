//! Topology updates on a planned network.
//!
//! Most updates keep the number of weights, so buffers and programs stay and only their contents are written again. Where the
//! number changes (gradual pruning, redistribution between layers) the tensor moves to new buffers and the programs are compiled again.

use super::{Net, Placement, WeightSlot, WeightState, csr};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::net::scratch::Scratch;
use crate::ops::Weight;
use crate::sparse::csr::positions_mask;
use crate::sparse::upload;

impl Net {
    /// Replaces the topology and state of weight tensors, given as (index, placement, state). A state's values are aligned with its
    /// placement: CSR order where sparse, the dense tensor otherwise.
    ///
    /// # Errors
    /// `Shape` where a state does not fit its placement; what the device says.
    pub fn replace_weights(
        &mut self,
        device: &mut Device,
        scratch: &mut Scratch,
        changes: Vec<(usize, Placement, WeightState)>,
    ) -> Result<()> {
        let mut moved = false;
        for (index, placement, state) in changes {
            let slot = &mut self.weights[index];
            let stays = match (&slot.placement, &placement) {
                (Placement::Sparse(a), Placement::Sparse(b)) => a.len() == b.len(),
                (Placement::Masked(_), Placement::Masked(_)) | (Placement::Dense, Placement::Dense) => true,
                _ => false,
            };
            if stays {
                slot.rewrite(device, placement)?;
            } else {
                let new = WeightSlot::allocate(device, slot.info.clone(), placement, self.training)?;
                std::mem::replace(slot, new).free(device);
                moved = true;
            }
            slot.write_state(device, &state)?;
        }
        if moved { self.compile(device, scratch) } else { Ok(()) }
    }
}

impl WeightSlot {
    /// Another topology with as many weights.
    fn rewrite(&mut self, device: &mut Device, placement: Placement) -> Result<()> {
        if let (Some(mask), Placement::Masked(positions)) = (self.mask, &placement) {
            device.write_f32(mask, 0, &positions_mask(positions, self.words()))?;
        }
        if let (Weight::Sparse { topology, .. }, Placement::Sparse(positions)) = (&self.weight, &placement) {
            upload::write(device, topology, &csr(&self.info, positions)?)?;
        }
        self.placement = placement;
        Ok(())
    }

    /// Writes values and moments.
    fn write_state(&self, device: &mut Device, state: &WeightState) -> Result<()> {
        let second = self.moments.second.map(|_| state.second.as_ref().map_or(0, Vec::len));
        for found in [Some(state.values.len()), Some(state.first.len()), second].into_iter().flatten() {
            if found != self.words() {
                return Err(Error::shape("topology update", self.info.name.clone(), format!("{} values", self.words()), found.to_string()));
            }
        }
        device.write_f32(self.values(), 0, &state.values)?;
        device.write_f32(self.moments.first, 0, &state.first)?;
        if let (Some(buffer), Some(values)) = (self.moments.second, &state.second) {
            device.write_f32(buffer, 0, values)?;
        }
        Ok(())
    }
}
