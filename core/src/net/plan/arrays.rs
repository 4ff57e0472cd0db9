//! Everything of a network that a training step changes, as named arrays: what a checkpoint keeps of it.
//!
//! One list serves reading and writing, so that neither can forget a moment or a running statistic.

use super::Net;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::ops::BufferId;

impl Net {
    /// Name, buffer and words of every array that a training step changes.
    fn arrays(&self) -> Vec<(String, BufferId, usize)> {
        let weights = self.weights.iter().map(|s| (&s.info.name, s.weight.values(), s.moments, s.words()));
        let vectors = self.biases.iter().chain(&self.affines).map(|s| (&s.names[0], s.values, s.moments, s.words * s.names.len()));
        let mut out = Vec::new();
        for (name, values, moments, words) in weights.chain(vectors) {
            out.push((format!("value/{name}"), values, words));
            out.push((format!("first/{name}"), moments.first, words));
            out.extend(moments.second.map(|second| (format!("second/{name}"), second, words)));
        }
        out.extend(self.running.iter().map(|(names, buffer, c)| (format!("running/{}", names[0]), *buffer, 2 * c)));
        out
    }

    /// Reads them all; values and moments of a sparse weight in the order of its positions.
    ///
    /// # Errors
    /// What the device says.
    pub async fn read_arrays(&self, device: &Device) -> Result<Vec<(String, Vec<f32>)>> {
        let mut out = Vec::new();
        for (name, buffer, words) in self.arrays() {
            out.push((name, device.read_f32(buffer, 0, words).await?));
        }
        Ok(out)
    }

    /// Writes them all, over a network that was planned with the same placements, and sets the number of steps made.
    ///
    /// # Errors
    /// `Format` where an array is missing or has another length.
    pub fn write_arrays<'a>(&mut self, device: &mut Device, steps: u64, array: impl Fn(&str) -> Result<&'a [f32]>) -> Result<()> {
        for (name, buffer, words) in self.arrays() {
            let values = array(&name)?;
            if values.len() != words {
                return Err(Error::format(format_args!("array '{name}'"), format_args!("{words} values"), values.len()));
            }
            device.write_f32(buffer, 0, values)?;
        }
        self.steps = steps;
        Ok(())
    }

    /// Training steps made.
    pub fn steps(&self) -> u64 {
        self.steps
    }
}
