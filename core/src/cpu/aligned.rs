//! Zeroed buffers that start on a cache line, so that vectors never straddle two.
//!
//! A `Vec` of floats starts anywhere, and then every 64-byte access touches two lines.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use crate::bf16::Bf16;

/// A cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// A number for which any bits are a value and that fills whole lines.
///
/// # Safety
/// Only for types without padding and invalid bits whose size divides 64.
pub unsafe trait Word: Copy {}
// SAFETY: plain numbers.
unsafe impl Word for f32 {}
// SAFETY: plain numbers.
unsafe impl Word for f64 {}
// SAFETY: plain numbers.
unsafe impl Word for u32 {}
// SAFETY: plain numbers.
unsafe impl Word for Bf16 {}

/// A buffer of numbers, aligned to cache lines.
pub struct Aligned<T> {
    lines: Vec<Line>,
    len: usize,
    kind: PhantomData<T>,
}

impl<T: Word> Aligned<T> {
    /// A buffer of no numbers; it allocates nothing.
    pub const fn empty() -> Self {
        Self { lines: Vec::new(), len: 0, kind: PhantomData }
    }
    /// `len` zeros; `None` where memory does not suffice.
    pub fn zeroed(len: usize) -> Option<Self> {
        let mut buffer = Self::empty();
        let lines = len.checked_mul(size_of::<T>())?.div_ceil(size_of::<Line>());
        buffer.lines.try_reserve_exact(lines).ok()?;
        crate::platform::advise_huge_pages(buffer.lines.spare_capacity_mut());
        buffer.grow(len);
        Some(buffer)
    }
    /// Makes the buffer at least `len` long; what it held stays.
    pub fn grow(&mut self, len: usize) {
        if len > self.len {
            self.lines.resize((len * size_of::<T>()).div_ceil(size_of::<Line>()), Line([0; 64]));
            self.len = len;
        }
    }
}

impl<T: Word> Deref for Aligned<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: the lines hold `len` initialised `T`s, for which any bits will do.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<T: Word> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}
