//! Checkpoint formats: safetensors is ours, PyTorch's pickles are read only.
//!
//! Everything works on bytes in memory, so the page and the binary share it, and every malformed input is
//! `ErrorKind::Format`: never a panic, never an allocation beyond a small multiple of the file.

pub mod numpy;
mod pickle;
pub mod safetensors;
mod state;
pub mod torch;
mod value;
mod zip;

pub use state::{StateDict, Tensor};

/// Metadata key: the zoo's name of the network.
pub const MODEL: &str = "model";
/// Metadata key: its width factor; 1 where it is missing.
pub const WIDTH: &str = "width";
/// Metadata key: its stem, a name of [`crate::net::zoo::Stem`]; auto where it is missing.
pub const STEM: &str = "stem";
/// Metadata key: the normalisation of the input, a name of [`crate::data::Normalization`].
pub const NORMALIZATION: &str = "normalization";
/// Metadata key: training FLOPs that went into the weights, those of their own parent included.
pub const TRAINING_FLOPS: &str = "training_flops";
/// Metadata key: version of this program's checkpoint format.
pub const FORMAT: &str = "format";
/// What [`FORMAT`] holds.
pub const CHECKPOINT_FORMAT: &str = "sparring-1";

/// How the elements of a stored tensor are encoded, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Element {
    fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }
    /// Element `index` of `bytes` as float32; `None` beyond the end.
    fn read(self, bytes: &[u8], index: usize) -> Option<f32> {
        fn array<const N: usize>(bytes: &[u8], index: usize) -> Option<[u8; N]> {
            let start = index.checked_mul(N)?;
            bytes.get(start..start.checked_add(N)?)?.try_into().ok()
        }
        Some(match self {
            Self::F64 => f64::from_le_bytes(array(bytes, index)?) as f32,
            Self::F32 => f32::from_le_bytes(array(bytes, index)?),
            Self::F16 => half_to_f32(u16::from_le_bytes(array(bytes, index)?)),
            Self::Bf16 => f32::from_bits(u32::from(u16::from_le_bytes(array(bytes, index)?)) << 16),
            Self::I64 => i64::from_le_bytes(array(bytes, index)?) as f32,
            Self::I32 => i32::from_le_bytes(array(bytes, index)?) as f32,
            Self::I16 => f32::from(i16::from_le_bytes(array(bytes, index)?)),
            Self::I8 => f32::from(i8::from_le_bytes(array(bytes, index)?)),
            Self::U8 => f32::from(*bytes.get(index)?),
            Self::Bool => f32::from(u8::from(*bytes.get(index)? != 0)),
        })
    }
}

/// IEEE binary16 to binary32, exactly.
fn half_to_f32(half: u16) -> f32 {
    let sign = u32::from(half >> 15) << 31;
    let exponent = u32::from(half >> 10) & 31;
    let fraction = u32::from(half) & 0x3ff;
    match exponent {
        0 => f32::from_bits(sign | 0x3f80_0000) * (fraction as f32) * (1.0 / 16_777_216.0),
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_convert_exactly() {
        for (bits, value) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x0001, 5.960_464_5e-8), (0x0400, 6.103_515_6e-5), (0x3555, 0.333_251_95)]
        {
            assert_eq!(half_to_f32(bits), value);
        }
        assert_eq!(half_to_f32(0x8000).to_bits(), (-0.0f32).to_bits());
        assert_eq!(half_to_f32(0xfc00), f32::NEG_INFINITY);
        assert!(half_to_f32(0x7e00).is_nan());
    }
}
