//! What differs between native and the page: threads, the processor's name, numbers out of text. The only place for `cfg(target_arch)`.
//!
//! Callers see plain functions such as [`parallel_for`], which runs its tasks in any order; without this seam every kernel
//! would carry its own `cfg`.

mod gpu_wait;
#[cfg(not(target_arch = "wasm32"))]
mod native;
pub mod parallel;
#[cfg(target_arch = "wasm32")]
mod wasm;

pub use gpu_wait::{gpu_callbacks, gpu_wait};
#[cfg(not(target_arch = "wasm32"))]
pub use native::{advise_huge_pages, cpu_name, on_threads, parallel_for, parse_f64, threads, with_threads};
#[cfg(target_arch = "wasm32")]
pub use wasm::{advise_huge_pages, cpu_name, on_threads, parallel_for, parse_f64, threads, with_threads};
