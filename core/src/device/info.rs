//! What a device is and which one is wanted: plain words, for configurations, result files and the page.

use std::collections::BTreeMap;

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

named_enum! {
    /// Which kernel makes a product of a convolution, where there are several.
    pub enum Kernel ("kernel") {
        /// Sparse: straight from memory, a row at many columns, or values of a weight gradient over all.
        Rows = "rows",
        /// Sparse: a workgroup makes 8 rows, and stages what they read.
        Tiles8 = "tiles-8",
        /// The same for 16 rows.
        Tiles16 = "tiles-16",
        /// Dense: a thread makes 8 rows at 2 vectors of columns.
        Dense8x2 = "dense-8x2",
        /// Dense: 4 rows at 2 vectors, so up to twice as many workgroups.
        Dense4x2 = "dense-4x2",
        /// Dense: 4 rows at one vector, so up to four times as many workgroups.
        Dense4x1 = "dense-4x1",
    }
}

impl Kernel {
    /// Whether it makes dense products, or sparse ones.
    pub fn dense(self) -> bool {
        matches!(self, Self::Dense8x2 | Self::Dense4x2 | Self::Dense4x1)
    }
    /// Whether it makes a product of which nothing was measured.
    pub fn usual(self) -> bool {
        matches!(self, Self::Rows | Self::Dense8x2)
    }
}

/// Which kernel makes which product: its direction, geometry, density and type.
pub type Kernels = BTreeMap<String, Kernel>;

/// What a device is, for result files and the page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// E.g. "Apple M2" or "AMD EPYC, 2 threads".
    pub name: String,
    /// "vulkan", "metal", "dx12", "webgpu", "cpu" or "oracle".
    pub backend: String,
    /// Driver and its version, where known.
    pub driver: String,
    /// True for software GPUs (lavapipe, SwiftShader).
    pub software: bool,
    /// By which kernels those products of its programs are made for which there are several.
    #[serde(default, skip_serializing_if = "Kernels::is_empty")]
    pub kernels: Kernels,
}

impl DeviceInfo {
    /// Whether it is this device, whatever was chosen on it.
    pub fn is(&self, other: &Self) -> bool {
        (&self.name, &self.backend, &self.driver) == (&other.name, &other.backend, &other.driver)
    }
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
