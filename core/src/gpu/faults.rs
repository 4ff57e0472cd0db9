//! What went wrong on the device since somebody last asked: the callbacks write here, every call of ours reads.
//!
//! wgpu reports errors beside the calls that cause them; without this slot they would be panics.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

#[derive(Default)]
struct Slot {
    lost: Option<String>,
    first: Option<Error>,
}

/// A shared slot for the first unreported error, and for the loss of the device, which stays.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Slot>>);

impl Faults {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Makes the device report here.
    pub fn listen(&self, device: &wgpu::Device) {
        let lost = self.clone();
        device.set_device_lost_callback(move |reason, message| {
            let message = if message.is_empty() { format!("{reason:?}") } else { message };
            lost.slot().lost.get_or_insert(message);
        });
        let uncaptured = self.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let error = match error {
                wgpu::Error::OutOfMemory { source } => Error::out_of_memory(source.to_string()),
                wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => Error::validation(description),
            };
            uncaptured.slot().first.get_or_insert(error);
        }));
    }
    /// The loss of the device, else the first error since the last call.
    pub fn check(&self) -> Result<()> {
        let mut slot = self.slot();
        if let Some(why) = &slot.lost {
            return Err(Error::device_lost(why.clone()));
        }
        slot.first.take().map_or(Ok(()), Err)
    }
    /// An error for a callback that reported failure: the recorded cause if there is one.
    pub fn cause(&self, what: &str) -> Error {
        self.check().err().unwrap_or_else(|| Error::device_lost(what.to_string()))
    }
}
