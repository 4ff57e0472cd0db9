//! What both kinds of product stand on: a thread's scratch, and a vector from anywhere.

use std::cell::RefCell;

use pulp::Simd;

use crate::cpu::aligned::Aligned;

thread_local! {
    static SCRATCH: RefCell<Aligned<f32>> = const { RefCell::new(Aligned::empty()) };
    static STAGING: RefCell<Aligned<f32>> = const { RefCell::new(Aligned::empty()) };
    static LINE: RefCell<Aligned<f32>> = const { RefCell::new(Aligned::empty()) };
    static WHOLE: RefCell<Aligned<f32>> = const { RefCell::new(Aligned::empty()) };
}

/// Lends the thread that deals out the work a buffer of `len` floats, contents arbitrary. It is kept from call to call: fresh memory
/// costs a page fault every 4 KiB.
pub fn with_staging<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    STAGING.with_borrow_mut(|staging| {
        staging.grow(len);
        work(&mut staging[..len])
    })
}

/// Lends the same thread `len` floats for a whole weight tensor, contents arbitrary.
pub fn with_whole<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    WHOLE.with_borrow_mut(|whole| {
        whole.grow(len);
        work(&mut whole[..len])
    })
}

/// Lends this thread `len` floats for a line that is being packed, contents arbitrary.
pub fn with_line<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    LINE.with_borrow_mut(|line| {
        line.grow(len);
        work(&mut line[..len])
    })
}

/// Lends this thread's scratch of at least `len` floats, aligned to cache lines, contents arbitrary.
pub fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.grow(len);
        work(scratch)
    })
}

/// One vector from anywhere.
///
/// # Safety
/// A vector of floats must be readable there.
#[inline(always)]
pub unsafe fn load<S: Simd>(from: *const f32) -> S::f32s {
    // SAFETY: by the caller's promise; a vector of floats may hold any bits.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}
