//! Threads by rayon; the processor names itself.

use rayon::prelude::*;

/// Runs `task(0..count)`, each once, on all threads, in any order; returns when all are done.
pub fn parallel_for(count: usize, task: impl Fn(usize) + Sync + Send) {
    if count <= 1 || rayon::current_num_threads() == 1 {
        (0..count).for_each(task);
    } else {
        (0..count).into_par_iter().with_max_len(1).for_each(task);
    }
}

/// Runs `work` on one of the threads that [`parallel_for`] uses. Called from another one it puts that to sleep and wakes up others, which takes
/// as long as a small op; a program of many pays for it once.
pub fn on_threads<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}

/// Number of threads that [`parallel_for`] uses here.
pub fn threads() -> usize {
    rayon::current_num_threads()
}

/// Runs `work` with [`parallel_for`] limited to `count` threads (all of them where no such pool can be made).
pub fn with_threads<R: Send>(count: usize, work: impl FnOnce() -> R + Send) -> R {
    match rayon::ThreadPoolBuilder::new().num_threads(count).build() {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    }
}

/// The number that a text is, correctly rounded; `None` where it is none.
pub fn parse_f64(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// Asks for huge pages where a big allocation will lie, before it is touched: kernels walk activations in short rows far
/// apart, and with 4 KiB pages each row costs a page walk (measured: twice the time of BatchNorm). Only advice.
#[cfg(target_os = "linux")]
pub fn advise_huge_pages<T>(memory: &mut [std::mem::MaybeUninit<T>]) {
    const PAGE: usize = 4096;
    const WORTHWHILE: usize = 4 << 20;
    let bytes = size_of_val(memory);
    if bytes < WORTHWHILE {
        return;
    }
    let start = memory.as_mut_ptr().cast::<u8>();
    let skip = start.align_offset(PAGE);
    let len = (bytes - skip.min(bytes)) / PAGE * PAGE;
    // SAFETY: the range lies in `memory`; this advice changes no contents, and its failure changes nothing.
    unsafe { libc::madvise(start.add(skip).cast(), len, libc::MADV_HUGEPAGE) };
}

/// Other systems choose page sizes by themselves.
#[cfg(not(target_os = "linux"))]
pub fn advise_huge_pages<T>(_memory: &mut [std::mem::MaybeUninit<T>]) {}

/// The processor's own name, or its architecture where it has none.
#[cfg(target_arch = "x86_64")]
pub fn cpu_name() -> String {
    use std::arch::x86_64::__cpuid;
    let highest = __cpuid(0x8000_0000).eax;
    if highest < 0x8000_0004 {
        return std::env::consts::ARCH.into();
    }
    let mut bytes = Vec::with_capacity(48);
    for leaf in 0x8000_0002..=0x8000_0004u32 {
        let part = __cpuid(leaf);
        for word in [part.eax, part.ebx, part.ecx, part.edx] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
    }
    let name = String::from_utf8_lossy(&bytes);
    name.trim_matches(|c: char| c == '\0' || c.is_whitespace()).to_owned()
}

/// The processor's own name, or its architecture where it has none.
#[cfg(not(target_arch = "x86_64"))]
pub fn cpu_name() -> String {
    std::env::consts::ARCH.into()
}
