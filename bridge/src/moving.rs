//! An optimizer whose moments move with their weights when a topology changes.
//!
//! Burn keeps moments by parameter, in the order of its values. After an update other weights stand at those places, and an optimizer that is
//! not told would go on with moments of weights that are gone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::optim::{LearningRate, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Device, Tensor, TensorData};

/// For each value, where it stood before; `None`: it is new. And how many there were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub before: usize,
    pub sources: Vec<Option<usize>>,
}

/// What one parameter's moments are still to do, shared between who updates topologies and the optimizer.
#[derive(Clone, Debug, Default)]
pub struct Pending(Arc<Mutex<Option<Move>>>);

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Option<Move>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn set(&self, moved: Move) {
        *self.lock() = Some(moved);
    }
    pub fn is_open(&self) -> bool {
        self.lock().is_some()
    }
    fn take(&self) -> Option<Move> {
        self.lock().take()
    }
}

/// Any optimizer of Burn, for the values of one sparse layer.
#[derive(Clone)]
pub struct Moving<O> {
    pub inner: O,
    pub pending: Pending,
}

impl<O: Optimizer> Optimizer for Moving<O> {
    type State<const D: usize> = O::State<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let state = match (state, self.pending.take()) {
            (Some(state), Some(to)) => moved(&state, &to, &tensor.device()),
            (state, _) => state,
        };
        self.inner.step(lr, tensor, grad, state)
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        O::to_device(state, device)
    }
}

/// A state whose arrays of one number a value are in the new order, zero where a value is new. Anything else of it stays.
fn moved<S: RecordState>(state: &S, to: &Move, device: &Device) -> Option<S> {
    let mut sink = StateSink::default();
    state.state_flatten("moved", &mut sink);
    let mut source = StateSource::new(sink.scalars.into_iter().collect());
    for (name, data) in sink.tensors {
        source.insert_tensor(name, reordered(data, to));
    }
    S::state_unflatten("moved", &mut source, device)
}

fn reordered(data: TensorData, to: &Move) -> TensorData {
    if data.num_elements() != to.before {
        return data;
    }
    let old: Vec<f32> = data.iter::<f32>().collect();
    let new: Vec<f32> = to.sources.iter().map(|source| source.map_or(0.0, |at| old[at])).collect();
    let len = new.len();
    TensorData::new(new, [len])
}
