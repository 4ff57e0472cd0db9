//! A page's worker has one thread.

use wasm_bindgen::JsValue;

/// Runs `task(0..count)`, each once, in order.
pub fn parallel_for(count: usize, task: impl Fn(usize) + Sync + Send) {
    (0..count).for_each(task);
}

/// Runs `work`; there is no other thread to run it on.
pub fn on_threads<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    work()
}

/// Always 1.
pub fn threads() -> usize {
    1
}

/// Runs `work`; there is only one thread to run it on.
pub fn with_threads<R: Send>(_count: usize, work: impl FnOnce() -> R + Send) -> R {
    work()
}

/// The number that a text is, correctly rounded; `None` where it is none. The browser reads it: the standard library's way
/// needs a table of 10 kB. What only JavaScript takes for a number ("", "0x1") is none.
pub fn parse_f64(text: &str) -> Option<f64> {
    let decimal = text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let number = JsValue::from_str(text).unchecked_into_f64();
    (decimal && !text.is_empty() && !number.is_nan()).then_some(number)
}

/// A page is not told which processor it runs on.
pub fn cpu_name() -> String {
    "WebAssembly".into()
}

/// WebAssembly has no pages to choose.
pub fn advise_huge_pages<T>(_memory: &mut [std::mem::MaybeUninit<T>]) {}
