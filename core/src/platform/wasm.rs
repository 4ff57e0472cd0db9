//! A page's worker has one thread.

/// Runs `task(0..count)`, each once, in order.
pub fn parallel_for(count: usize, task: impl Fn(usize) + Sync + Send) {
    (0..count).for_each(task);
}

/// Always 1.
pub fn threads() -> usize {
    1
}

/// Runs `work`; there is only one thread to run it on.
pub fn with_threads<R: Send>(_count: usize, work: impl FnOnce() -> R + Send) -> R {
    work()
}

/// A page is not told which processor it runs on.
pub fn cpu_name() -> String {
    "WebAssembly".into()
}

/// WebAssembly has no pages to choose.
pub fn advise_huge_pages<T>(_memory: &mut [std::mem::MaybeUninit<T>]) {}
