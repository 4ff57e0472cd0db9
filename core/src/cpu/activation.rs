//! Activations as kernels see them: floats of the device's own type, or bf16 that is widened and rounded on the way.
//!
//! A kernel works on floats, a block in the L1 cache at a time; where they are stored as such the block is the buffer itself. So every kernel
//! is written once, and what it stores in 16 bits is what it would have stored in 32, rounded once.
//!
//! There are no closures around blocks: one that is not inlined would lose the vector instructions.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};

use super::Real;
use crate::bf16::Bf16;
use crate::platform::parallel::{Shared, chunks_mut};

/// Floats of a block.
pub const BLOCK: usize = 1024;

/// Room for a block of one activation. It is not cleared: most blocks need none.
pub struct Room<T>([MaybeUninit<T>; BLOCK]);

impl<T: Real> Room<T> {
    /// Room for one block.
    #[inline(always)]
    pub fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; BLOCK])
    }
    /// `len` floats, which `of` gives from `from`.
    #[inline(always)]
    fn filled<V: Copy>(&mut self, from: &[V], of: impl Fn(V) -> T) -> &mut [T] {
        let room = &mut self.0[..from.len()];
        for (to, &from) in room.iter_mut().zip(from) {
            to.write(of(from));
        }
        // SAFETY: all of them have just been written.
        unsafe { &mut *(std::ptr::from_mut(room) as *mut [T]) }
    }
    /// A copy of these floats.
    #[inline(always)]
    pub fn copied(&mut self, from: &[T]) -> &mut [T] {
        self.filled(from, |value| value)
    }
}

/// Start and length of each block of so many floats.
#[inline(always)]
pub fn blocks(len: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..len).step_by(BLOCK).map(move |start| (start, BLOCK.min(len - start)))
}

/// A float as it is computed with.
#[inline(always)]
pub fn wide<T: Real>(stored: Bf16) -> T {
    T::from_f32(stored.to_f32())
}

/// Stores floats in 16 bits.
#[inline(always)]
pub fn round<T: Real>(from: &[T], to: &mut [Bf16]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = Bf16::from_f32(from.to_f32());
    }
}

/// [`wide`] of many, for whoever has not chosen the vector instructions yet.
struct Widen<'a, T>(&'a [Bf16], &'a mut [T]);

impl<T: Real> WithSimd for Widen<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (to, &from) in self.1.iter_mut().zip(self.0) {
            *to = wide(from);
        }
    }
}

/// [`round`], likewise.
struct Round<'a, T>(&'a [T], &'a mut [Bf16]);

impl<T: Real> WithSimd for Round<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        round(self.0, self.1);
    }
}

/// An activation that is read.
#[derive(Clone, Copy)]
pub enum Activation<'a, T> {
    /// Stored as it is computed with.
    Full(&'a [T]),
    /// Stored in 16 bits.
    Half(&'a [Bf16]),
}

impl<'a, T: Real> Activation<'a, T> {
    /// Number of floats.
    #[inline(always)]
    pub fn len(self) -> usize {
        match self {
            Self::Full(values) => values.len(),
            Self::Half(values) => values.len(),
        }
    }
    /// Some of it.
    #[inline(always)]
    pub fn part(self, start: usize, len: usize) -> Self {
        match self {
            Self::Full(values) => Self::Full(&values[start..start + len]),
            Self::Half(values) => Self::Half(&values[start..start + len]),
        }
    }
    /// One float.
    #[inline(always)]
    pub fn at(self, i: usize) -> T {
        match self {
            Self::Full(values) => values[i],
            Self::Half(values) => wide(values[i]),
        }
    }
    /// A block of it; `room` is used where it has to be widened.
    #[inline(always)]
    pub fn block<'b>(self, start: usize, len: usize, room: &'b mut Room<T>) -> &'b [T]
    where
        'a: 'b,
    {
        match self {
            Self::Full(values) => &values[start..start + len],
            Self::Half(values) => room.filled(&values[start..start + len], wide),
        }
    }
    /// All of it, into a place as long.
    pub fn copy(self, to: &mut [T]) {
        match self {
            Self::Full(values) => to.copy_from_slice(values),
            Self::Half(values) => pulp::Arch::new().dispatch(Widen(values, to)),
        }
    }
    /// All of it at once.
    pub fn whole(self) -> Cow<'a, [T]> {
        match self {
            Self::Full(values) => Cow::Borrowed(values),
            Self::Half(values) => {
                let mut wide = vec![T::ZERO; values.len()];
                self.copy(&mut wide);
                Cow::Owned(wide)
            }
        }
    }
}

/// An activation that is written.
pub enum ActivationMut<'a, T> {
    /// Stored as it is computed with.
    Full(&'a mut [T]),
    /// Stored in 16 bits.
    Half(&'a mut [Bf16]),
}

impl<'a, T: Real> ActivationMut<'a, T> {
    /// Number of floats.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.read().len()
    }
    /// What stands there.
    #[inline(always)]
    pub fn read(&self) -> Activation<'_, T> {
        match self {
            Self::Full(values) => Activation::Full(values),
            Self::Half(values) => Activation::Half(values),
        }
    }
    /// Its first floats.
    pub fn first(self, len: usize) -> Self {
        match self {
            Self::Full(values) => Self::Full(&mut values[..len]),
            Self::Half(values) => Self::Half(&mut values[..len]),
        }
    }
    /// A block of it to be overwritten: what it holds before is arbitrary.
    #[inline(always)]
    pub fn overwrite<'b>(&'b mut self, start: usize, len: usize, room: &'b mut Room<T>) -> Block<'b, T> {
        match self {
            Self::Full(values) => Block { floats: &mut values[start..start + len], stored: None },
            Self::Half(values) => {
                let values = &mut values[start..start + len];
                Block { floats: room.filled(values, |_| T::ZERO), stored: Some(values) }
            }
        }
    }
    /// A block of it to be changed.
    #[inline(always)]
    pub fn update<'b>(&'b mut self, start: usize, len: usize, room: &'b mut Room<T>) -> Block<'b, T> {
        match self {
            Self::Full(values) => Block { floats: &mut values[start..start + len], stored: None },
            Self::Half(values) => {
                let values = &mut values[start..start + len];
                Block { floats: room.filled(values, wide), stored: Some(values) }
            }
        }
    }
    /// Lets `work` write all of it at once; it holds what stands there only where `work` `reads` it.
    pub fn with_whole(self, reads: bool, work: impl FnOnce(&mut [T])) {
        match self {
            Self::Full(values) => work(values),
            Self::Half(values) => {
                let mut wide = vec![T::ZERO; values.len()];
                if reads {
                    Activation::Half(values).copy(&mut wide);
                }
                work(&mut wide);
                pulp::Arch::new().dispatch(Round(&wide, values));
            }
        }
    }
    /// Zeroes the lanes beyond the valid ones, in whole runs of `n`.
    pub fn clear_padding(&mut self, n: usize, n_valid: usize) {
        match self {
            Self::Full(values) => clear_padding(n, n_valid, values),
            Self::Half(values) => clear_padding(n, n_valid, values),
        }
    }
    /// Runs `task(i, chunk)` over consecutive chunks of `size` (the last may be shorter), in parallel.
    pub fn chunks(self, size: usize, task: impl Fn(usize, ActivationMut<'_, T>) + Sync + Send) {
        match self {
            Self::Full(values) => chunks_mut(values, size, |i, part| task(i, ActivationMut::Full(part))),
            Self::Half(values) => chunks_mut(values, size, |i, part| task(i, ActivationMut::Half(part))),
        }
    }
    /// One whose disjoint parts are written by several threads.
    pub fn share(self) -> SharedActivation<'a, T> {
        match self {
            Self::Full(values) => SharedActivation::Full(Shared::new(values)),
            Self::Half(values) => SharedActivation::Half(Shared::new(values)),
        }
    }
}

/// A block that is being written. Where it is stored in 16 bits it is rounded when it is dropped.
pub struct Block<'a, T: Real> {
    /// Its floats.
    pub floats: &'a mut [T],
    stored: Option<&'a mut [Bf16]>,
}

impl<T: Real> Drop for Block<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(stored) = &mut self.stored {
            round(self.floats, stored);
        }
    }
}

/// Zeroes the lanes beyond the valid ones, in whole runs of `n`.
pub fn clear_padding<V: Copy + Default>(n: usize, n_valid: usize, values: &mut [V]) {
    if n_valid < n {
        for run in values.chunks_exact_mut(n) {
            run[n_valid..].fill(V::default());
        }
    }
}

/// An activation whose disjoint parts are written by several threads.
pub enum SharedActivation<'a, T> {
    /// Stored as it is computed with.
    Full(Shared<'a, T>),
    /// Stored in 16 bits.
    Half(Shared<'a, Bf16>),
}

impl<T> SharedActivation<'_, T> {
    /// See [`Shared::part`].
    ///
    /// # Safety
    /// No other part that is alive may overlap this one.
    pub unsafe fn part(&self, start: usize, len: usize) -> ActivationMut<'_, T> {
        // SAFETY: by the caller's promise.
        unsafe {
            match self {
                Self::Full(values) => ActivationMut::Full(values.part(start, len)),
                Self::Half(values) => ActivationMut::Half(values.part(start, len)),
            }
        }
    }
}
