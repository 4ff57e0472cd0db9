//! What both kinds of product stand on: a thread's scratch, and a vector from anywhere.

use std::cell::RefCell;
use std::thread::LocalKey;

use pulp::Simd;

use crate::cpu::aligned::Aligned;

thread_local! {
    static SCRATCH: RefCell<Aligned<f32>> = const { RefCell::new(Aligned::empty()) };
    static STAGING: RefCell<Aligned<f32>> = const { RefCell::new(Aligned::empty()) };
    static LINE: RefCell<Aligned<f32>> = const { RefCell::new(Aligned::empty()) };
}

/// Lends `len` floats of a thread's own buffer, contents arbitrary. It is kept from call to call: fresh memory costs a page fault every 4 KiB.
/// A thread that waits for others may take up work of another device meanwhile, which gets memory of its own.
fn lend<R>(of: &'static LocalKey<RefCell<Aligned<f32>>>, len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    of.with(|kept| match kept.try_borrow_mut() {
        Ok(mut kept) => {
            kept.grow(len);
            work(&mut kept[..len])
        }
        Err(_) => {
            let mut fresh = Aligned::empty();
            fresh.grow(len);
            work(&mut fresh[..len])
        }
    })
}

/// Lends the thread that deals out the work a buffer.
pub fn with_staging<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    lend(&STAGING, len, work)
}

/// Lends this thread a buffer for a line that is being packed.
pub fn with_line<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    lend(&LINE, len, work)
}

/// Lends this thread its scratch, aligned to cache lines.
pub fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    lend(&SCRATCH, len, work)
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
