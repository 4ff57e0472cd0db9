//! Splitting one buffer over threads. The partition depends on shapes alone, never on the number of threads.
//!
//! Without the fixed partition a sum's order, and so its last bits, would change from machine to machine.

use std::marker::PhantomData;

use super::parallel_for;

/// Floats of one task of a memory-bound kernel.
pub const CHUNK: usize = 16 * 1024;

/// A mutable slice whose disjoint parts are written by several threads.
pub struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: the only access is `part`, whose caller promises that no two live parts overlap.
unsafe impl<T: Send> Sync for Shared<'_, T> {}
// SAFETY: as a `&mut [T]`, which is `Send` where `T` is.
unsafe impl<T: Send> Send for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    /// Takes the slice over for as long as it lives.
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), lifetime: PhantomData }
    }
    /// The part `[start, start + len)`; empty where it would leave the slice.
    ///
    /// # Safety
    /// No other part that is alive may overlap this one.
    #[expect(clippy::mut_from_ref, reason = "parts are disjoint by the caller's promise")]
    pub unsafe fn part(&self, start: usize, len: usize) -> &mut [T] {
        if start.checked_add(len).is_none_or(|end| end > self.len) {
            return &mut [];
        }
        // SAFETY: in bounds as just checked; not aliased by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }
    /// Where element `i` stands; only to be written under the promise of [`Shared::part`].
    pub fn pointer(&self, i: usize) -> *mut T {
        self.start.wrapping_add(i)
    }
}

/// Runs `task(i, chunk)` over consecutive chunks of `size` (the last may be shorter), in parallel.
pub fn chunks_mut<T: Send>(data: &mut [T], size: usize, task: impl Fn(usize, &mut [T]) + Sync + Send) {
    let (len, size) = (data.len(), size.max(1));
    let shared = Shared::new(data);
    parallel_for(len.div_ceil(size), |i| {
        let start = i * size;
        // SAFETY: chunks of different `i` are disjoint.
        task(i, unsafe { shared.part(start, size.min(len - start)) });
    });
}

/// Runs `task(i)` for `0..count` in parallel and returns the results in order.
pub fn map<R: Send + Default + Clone>(count: usize, task: impl Fn(usize) -> R + Sync + Send) -> Vec<R> {
    let mut results = vec![R::default(); count];
    chunks_mut(&mut results, 1, |i, slot| {
        if let Some(slot) = slot.first_mut() {
            *slot = task(i);
        }
    });
    results
}
