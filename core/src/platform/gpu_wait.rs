//! Waiting for the GPU: natively somebody must poll the device, in the page callbacks come by themselves.
//!
//! Without this seam a native readback would never end, or the page's would block its worker.

use futures_channel::oneshot::Receiver;

/// Waits for what a GPU callback sends; `None` where the device will never call back (it was lost).
#[cfg(not(target_arch = "wasm32"))]
pub async fn gpu_wait<T>(device: &wgpu::Device, mut receiver: Receiver<T>) -> Option<T> {
    if let Err(e) = device.poll(wgpu::PollType::wait_indefinitely()) {
        log::warn!("waiting for the GPU: {e}");
    }
    receiver.try_recv().ok().flatten()
}

/// Waits for what a GPU callback sends; `None` where the device will never call back (it was lost).
#[cfg(target_arch = "wasm32")]
pub async fn gpu_wait<T>(_device: &wgpu::Device, receiver: Receiver<T>) -> Option<T> {
    receiver.await.ok()
}

/// Lets callbacks of what has already happened (errors, loss of the device) run.
pub fn gpu_callbacks(device: &wgpu::Device) {
    if let Err(e) = device.poll(wgpu::PollType::Poll) {
        log::warn!("polling the GPU: {e}");
    }
}
