//! Sparse products on Burn's CPU backend, by the functions of Sparring's CPU device.
//!
//! Tensors are copied into buffers of that device and the result is copied out: its kernels need aligned memory that nobody else holds, and
//! what they derive from an index has to stay where the index is. Both copies are small beside a product.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{Shape, TensorData};
use sparring_core::cpu::CpuDevice;
use sparring_core::error::{Error, Result};
use sparring_core::ops::{BufferId, ConvForward, ConvInputGrad, ConvShape, ConvWeightGrad, Dtype, Op, SparseTopology, StepParams, Weight};

use super::SparseOps;
use crate::error::or_panic;
use crate::topology::Sections;

/// Burn's tensor on the CPU, of floats or integers.
type FlexTensor = FloatTensor<Flex>;

/// Words of topologies that are kept, of models that may still be alive: 256 MiB, the topologies of some 13 million weights.
const MOST_KEPT: usize = 64 << 20;
/// Words of buffers that wait for tensors of their size, 256 MiB.
const MOST_FREE: usize = 64 << 20;

/// The index of a topology on the CPU device.
struct Kept {
    /// Holds the memory by whose address it is known.
    words: FlexTensor,
    topology: SparseTopology,
}

/// The CPU device, and what it knows.
#[derive(Default)]
struct Twin {
    device: CpuDevice<f32>,
    kept: Vec<Kept>,
    free: Vec<(usize, BufferId)>,
}

/// Those that nobody works with: one for each thread that did at the same time.
static IDLE: Mutex<Vec<Twin>> = Mutex::new(Vec::new());

fn idle() -> MutexGuard<'static, Vec<Twin>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Works with a device, which is gone where the work fails.
fn with_twin<R>(work: impl FnOnce(&mut Twin) -> Result<R>) -> R {
    let mut twin = idle().pop().unwrap_or_default();
    let result = or_panic(work(&mut twin));
    idle().push(twin);
    result
}

impl Twin {
    /// A buffer of this many floats, with anything in it.
    fn take(&mut self, words: usize) -> Result<BufferId> {
        match self.free.iter().position(|(free, _)| *free == words) {
            Some(at) => Ok(self.free.remove(at).1),
            None => self.device.alloc("a tensor of Burn", words, Dtype::F32),
        }
    }
    fn give(&mut self, words: usize, id: BufferId) {
        self.free.push((words, id));
        let excess = excess(self.free.iter().map(|(words, _)| *words), MOST_FREE);
        self.free.drain(..excess).for_each(|(_, oldest)| self.device.free(oldest));
    }
    /// A buffer with a tensor's floats.
    fn write(&mut self, tensor: &FlexTensor) -> Result<(usize, BufferId)> {
        let ordered = tensor.to_contiguous();
        let floats: &[f32] = ordered.as_slice().ok_or_else(|| Error::validation("a tensor of a sparse product is not of float32"))?;
        let id = self.take(floats.len())?;
        self.device.write(id, 0, floats)?;
        Ok((floats.len(), id))
    }
    /// The index of a topology; `None` where all weights exist.
    fn topology(&mut self, words: &FlexTensor, shape: &ConvShape, nnz: usize) -> Result<Option<SparseTopology>> {
        if nnz == shape.weights() { Ok(None) } else { self.index(words, shape, nnz).map(Some) }
    }
    /// The same, made when it is first met.
    fn index(&mut self, words: &FlexTensor, shape: &ConvShape, nnz: usize) -> Result<SparseTopology> {
        let address = words.bytes().as_ptr();
        if let Some(kept) = self.kept.iter().find(|kept| kept.words.bytes().as_ptr() == address) {
            return Ok(kept.topology);
        }
        // What only we still hold belongs to a model that is gone, or has moved on. What two threads have met is held by both: the bound ends that.
        let (gone, alive): (Vec<_>, Vec<_>) = std::mem::take(&mut self.kept).into_iter().partition(|kept| kept.words.is_unique());
        self.kept = alive;
        let excess = excess(self.kept.iter().map(|kept| kept.words.shape().num_elements()), MOST_KEPT);
        for Kept { topology: t, .. } in gone.into_iter().chain(self.kept.drain(..excess)) {
            [t.row_ptr, t.index, t.t_row_ptr, t.t_index, t.t_value, t.row].into_iter().for_each(|id| self.device.free(id));
        }
        let ordered = words.to_contiguous();
        let all: &[i32] = ordered.as_slice().ok_or_else(|| Error::validation("the topology of a sparse product is not of 32 bits"))?;
        let sections = Sections::of_conv(shape, nnz);
        let mut put = |range: &std::ops::Range<usize>| -> Result<BufferId> {
            let part =
                all.get(range.clone()).ok_or_else(|| Error::validation("the topology of a sparse product is too short for its values"))?;
            let part = bytemuck::cast_slice(part);
            let id = self.device.alloc("a topology of Burn", part.len(), Dtype::U32)?;
            self.device.write_u32(id, 0, part)?;
            Ok(id)
        };
        let topology = SparseTopology {
            row_ptr: put(&sections.row_ptr)?,
            index: put(&sections.index)?,
            row: put(&sections.row)?,
            t_row_ptr: put(&sections.t_row_ptr)?,
            t_index: put(&sections.t_index)?,
            t_value: put(&sections.t_value)?,
            nnz,
        };
        self.kept.push(Kept { words: words.clone(), topology });
        Ok(topology)
    }
    /// Runs an op over these tensors, which writes a new one.
    fn run(&mut self, tensors: &[&FlexTensor], out: Shape, n: usize, op: impl FnOnce(&[BufferId], BufferId) -> Op) -> Result<FlexTensor> {
        let written = tensors.iter().map(|tensor| self.write(tensor)).collect::<Result<Vec<_>>>()?;
        let ids: Vec<_> = written.iter().map(|(_, id)| *id).collect();
        let words = out.num_elements();
        let y = self.take(words)?;
        self.device.run(&[op(&ids, y)], &StepParams { n_valid: n as u32, ..StepParams::default() })?;
        let floats = self.device.read(y, 0, words)?.to_vec();
        written.into_iter().for_each(|(words, id)| self.give(words, id));
        self.give(words, y);
        Ok(FlexTensor::from_data(TensorData::new(floats, out)))
    }
}

/// How many of these, oldest first, have to go so that no more than `most` words stay.
fn excess(words: impl DoubleEndedIterator<Item = usize> + ExactSizeIterator, most: usize) -> usize {
    let all = words.len();
    let mut sum = 0;
    let stay = words
        .rev()
        .take_while(|words| {
            sum += words;
            sum <= most
        })
        .count();
    all - stay
}

/// A weight whose values all exist stands in the order of the dense tensor, and is computed as one.
fn weight_of(values: BufferId, topology: Option<SparseTopology>) -> Weight {
    match topology {
        Some(topology) => Weight::Sparse { values, topology },
        None => Weight::Dense { values },
    }
}

impl SparseOps for Flex {
    fn in_order(x: FloatTensor<Self>) -> FloatTensor<Self> {
        x.to_contiguous()
    }

    fn sparse_conv(x: FloatTensor<Self>, values: FloatTensor<Self>, topology: IntTensor<Self>, shape: ConvShape) -> FloatTensor<Self> {
        with_twin(|twin| {
            let topology = twin.topology(&topology, &shape, values.shape().num_elements())?;
            twin.run(&[&x, &values], super::output_of(&shape), shape.n, |ids, y| {
                let weight = weight_of(ids[1], topology);
                Op::ConvForward(ConvForward { shape, x: ids[0], norm: None, weight, bias: None, y })
            })
        })
    }

    fn sparse_conv_input_grad(
        dy: FloatTensor<Self>,
        values: FloatTensor<Self>,
        topology: IntTensor<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self> {
        with_twin(|twin| {
            let topology = twin.topology(&topology, &shape, values.shape().num_elements())?;
            twin.run(&[&dy, &values], super::input_of(&shape), shape.n, |ids, dx| {
                let weight = weight_of(ids[1], topology);
                Op::ConvInputGrad(ConvInputGrad { shape, dy: ids[0], weight, dx, accumulate: false })
            })
        })
    }

    fn sparse_conv_value_grad(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        topology: IntTensor<Self>,
        nnz: usize,
        shape: ConvShape,
    ) -> FloatTensor<Self> {
        with_twin(|twin| {
            let topology = twin.topology(&topology, &shape, nnz)?;
            twin.run(&[&x, &dy], Shape::new([nnz]), shape.n, |ids, dw| {
                Op::ConvWeightGrad(ConvWeightGrad { shape, x: ids[0], norm: None, dy: ids[1], topology, dw })
            })
        })
    }

    fn conv_weight_grad(x: FloatTensor<Self>, dy: FloatTensor<Self>, shape: ConvShape) -> FloatTensor<Self> {
        with_twin(|twin| {
            twin.run(&[&x, &dy], Shape::new([shape.weights()]), shape.n, |ids, dw| {
                Op::ConvWeightGrad(ConvWeightGrad { shape, x: ids[0], norm: None, dy: ids[1], topology: None, dw })
            })
        })
    }
}
