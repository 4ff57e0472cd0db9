//! What differs between native and the page: threads, clocks, waiting. The only place for `cfg(target_arch)`.
