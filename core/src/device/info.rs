//! What a device is and which one is wanted: plain words, for configurations, result files and the page.

use serde::{Deserialize, Serialize};

use crate::names::named_enum;

named_enum! {
    /// What to look for.
    pub enum DeviceChoice ("device") {
        /// A hardware GPU, else the CPU. A software adapter is not taken for a GPU.
        Auto = "auto",
        /// Any GPU adapter, also a software one; an error where there is none.
        Gpu = "gpu",
        /// The CPU backend.
        Cpu = "cpu",
    }
}

#[expect(clippy::derivable_impls, reason = "the macro takes no attributes of variants but their documentation")]
impl Default for DeviceChoice {
    fn default() -> Self {
        Self::Auto
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_device_is_understood_as_people_write_it() {
        assert_eq!(serde_json::from_str::<DeviceChoice>("\"CPU\"").unwrap(), DeviceChoice::Cpu);
        assert_eq!(serde_json::to_string(&DeviceChoice::Gpu).unwrap(), "\"gpu\"");
        assert!("tpu".parse::<DeviceChoice>().unwrap_err().to_string().contains("auto, gpu, cpu"));
    }
}
