//! bfloat16, the upper half of a float32: what activations can be stored in. Nothing is computed in it.
//!
//! Plain bit operations, so that every device stores the same bits (`shaders/shared/bf16.wgsl` is the twin).

/// A stored float: sign, 8 bits of exponent, 7 of fraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Bf16(pub u16);

impl Bf16 {
    /// Rounded to the nearest, ties to even; a NaN stays one.
    #[inline(always)]
    pub fn from_f32(value: f32) -> Self {
        let bits = value.to_bits();
        // The bit that makes a NaN quiet: of one whose fraction lies in the lower half alone nothing else would be left.
        let nan = (bits >> 16) | 0x40;
        let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
        Self(if bits & 0x7fff_ffff > 0x7f80_0000 { nan } else { rounded } as u16)
    }
    /// Exactly.
    #[inline(always)]
    pub fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_back() {
        for bits in 0..=u16::MAX {
            let value = Bf16(bits).to_f32();
            let back = Bf16::from_f32(value);
            assert!(if value.is_nan() { back.to_f32().is_nan() } else { back.0 == bits }, "{bits:#06x}");
        }
    }

    #[test]
    fn the_nearest_is_taken_and_of_two_the_even_one() {
        for bits in 0..0x7f7f_u16 {
            let (low, high) = (Bf16(bits), Bf16(bits + 1));
            let middle = f32::from_bits((u32::from(bits) << 16) + 0x8000);
            let even = if bits % 2 == 0 { low } else { high };
            for (value, nearest) in [(middle.next_down(), low), (middle, even), (middle.next_up(), high)] {
                assert_eq!(Bf16::from_f32(value), nearest, "{value:e}");
                assert_eq!(Bf16::from_f32(-value).0, nearest.0 | 0x8000, "-{value:e}");
            }
        }
    }

    #[test]
    fn what_is_too_large_becomes_infinite_and_what_is_no_number_stays_none() {
        assert_eq!(Bf16::from_f32(f32::MAX).to_f32(), f32::INFINITY);
        assert_eq!(Bf16::from_f32(f32::NEG_INFINITY).to_f32(), f32::NEG_INFINITY);
        for bits in [0x7f80_0001, 0x7fff_ffff, 0xff80_0001, 0xffff_ffff_u32, 0x7fc0_0000] {
            let stored = Bf16::from_f32(f32::from_bits(bits));
            assert!(stored.to_f32().is_nan(), "{bits:#010x} became {stored:?}");
            assert_eq!(stored.to_f32().is_sign_negative(), bits >> 31 == 1);
        }
    }
}
