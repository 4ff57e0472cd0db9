//! What kernels made of an index, kept with it: written anew it is another index, and nothing made of the old one is used.

use std::any::Any;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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

/// What a kernel keeps with an index.
pub trait Kept: Any + Send + Sync {
    /// Bytes that it takes.
    fn bytes(&self) -> usize;
}

/// What it follows from: the geometry, the direction's number, and when the arrays of the index were written.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Geometry.
    pub shape: ConvShape,
    /// What it is for.
    pub purpose: Purpose,
    /// Row starts, entries, and positions where there are any.
    pub written: [Option<Written>; 3],
}

/// What something that is kept with an index is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Knowing that the index fits.
    Check,
    /// The forward product, and the gradient of the weights, which walks the same structure.
    Forward,
    /// A class of the gradient of the input.
    InputGrad(usize),
    /// Putting the values among zeros, or taking them out.
    Whole,
}

/// That the contents of an index were checked against a geometry, and found to fit.
pub struct Checked;

impl Kept for Checked {
    fn bytes(&self) -> usize {
        0
    }
}

/// All that is kept with one index.
#[derive(Default)]
pub struct Made(Mutex<Vec<(Key, Arc<dyn Kept>)>>);

impl Made {
    /// What is kept under this key, or what is made now and kept from here on.
    pub fn get<K: Kept>(&self, key: Key, make: impl FnOnce() -> K) -> Arc<K> {
        match self.get_or_try(key, || Ok::<_, Infallible>(make())) {
            Ok(kept) => kept,
            Err(never) => match never {},
        }
    }
    /// The same of what may fail to be made; then nothing is kept.
    ///
    /// # Errors
    /// What `make` says.
    pub fn get_or_try<K: Kept, E>(&self, key: Key, make: impl FnOnce() -> Result<K, E>) -> Result<Arc<K>, E> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.iter().find(|(k, _)| *k == key).map(|(_, kept)| Arc::clone(kept) as Arc<dyn Any + Send + Sync>);
        if let Some(Ok(kept)) = kept.map(Arc::downcast::<K>) {
            return Ok(kept);
        }
        let made = Arc::new(make()?);
        // What was made of arrays that have been written since is of no use.
        all.retain(|(k, _)| k.written == key.written);
        all.push((key, Arc::clone(&made) as Arc<dyn Kept>));
        Ok(made)
    }
    /// Bytes of all of it.
    pub fn bytes(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(_, kept)| kept.bytes()).sum()
    }
}
