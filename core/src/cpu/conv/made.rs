//! What kernels made of an index, kept with it: written anew it is another index, and nothing made of the old one is used.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::fast::Structure;
use crate::ops::ConvShape;

/// When a buffer of integers was written, among all writes of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written(u64);

impl Written {
    /// Now.
    pub fn now() -> Self {
        static WRITES: AtomicU64 = AtomicU64::new(0);
        Self(WRITES.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a structure follows from: the geometry, the direction's number, and when the arrays of the index were written.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Geometry.
    pub shape: ConvShape,
    /// 0 of output channels' rows; from 1 on the classes of the gradient of the input.
    pub product: usize,
    /// Row starts, entries, and positions where there are any.
    pub written: [Option<Written>; 3],
}

/// The structures of one index.
#[derive(Default)]
pub struct Made(Mutex<Vec<(Key, Arc<Structure>)>>);

impl Made {
    /// The structure of this key: the one that is kept, or a new one that is.
    pub fn structure(&self, key: Key, make: impl FnOnce() -> Structure) -> Arc<Structure> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, structure)) = kept.iter().find(|(k, _)| *k == key) {
            return Arc::clone(structure);
        }
        let structure = Arc::new(make());
        // Those of arrays that have been written since are of no use.
        kept.retain(|(k, _)| k.written == key.written);
        kept.push((key, Arc::clone(&structure)));
        structure
    }
    /// Bytes of all of them.
    pub fn bytes(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(_, structure)| structure.bytes()).sum()
    }
}
