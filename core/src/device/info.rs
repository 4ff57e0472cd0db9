//! What a device is and which one is wanted: plain words, for configurations, result files and the page.

use serde::{Deserialize, Serialize};

/// What to look for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// A hardware GPU, else the CPU. A software adapter is not taken for a GPU.
    #[default]
    Auto,
    /// Any GPU adapter, also a software one; an error where there is none.
    Gpu,
    /// The CPU backend.
    Cpu,
}

/// What a device is, for result files and the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// E.g. "Apple M2" or "AMD EPYC, 2 threads".
    pub name: String,
    /// "vulkan", "metal", "dx12", "webgpu", "cpu" or "oracle".
    pub backend: String,
    /// Driver and its version, where known.
    pub driver: String,
    /// True for software GPUs (lavapipe, SwiftShader).
    pub software: bool,
}
