//! Sparse products on Burn's GPU backend: our WGSL, handed to CubeCL as text with the tensors' own memory.
//!
//! Nothing is copied and nothing waits: CubeCL binds the buffers where they lie and queues the dispatch among its own. Command buffers of ours
//! on a shared device would need a flush and a round trip for each op, and a device that the program did not open through us is out of reach.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::TensorMetadata;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::wgpu::{CubeBackend, CubeTensor, KernelSource, SourceKernel, SourceTemplate, into_contiguous};
use burn::cubecl::ir::attributes::BufferIOAttr;
use burn::cubecl::prelude::{CubeCount, CubeDim, ExecutionMode, KernelId};
use burn::cubecl::server::{Handle, KernelArguments, MetadataBindingInfo};
use burn::tensor::{DType, Shape};
use sparring_core::error::{Error, Result};
use sparring_core::gpu::encode::encode;
use sparring_core::gpu::launch::{Launch, Source, grid};
use sparring_core::gpu::portable::{Portable, portable};
use sparring_core::ops::{BufferId, ConvForward, ConvInputGrad, ConvShape, ConvWeightGrad, Op, SparseTopology, StepParams, Weight};

use super::{SparseOps, dense};
use crate::error::or_panic;
use crate::topology::Sections;

/// The most workgroups that every device takes in one dimension.
const MOST_GROUPS: u32 = 65_535;
/// Texts that are kept; a network has some dozens.
const MOST_TEXTS: usize = 4096;
/// Bytes behind a binding that the stage does not read.
const NOTHING: usize = 32;

/// A stage as CubeCL compiles it, once for each of its constants.
struct Stage {
    shader: &'static str,
    handed: Arc<Portable>,
}

impl Stage {
    fn dim(&self) -> CubeDim {
        CubeDim::new_1d(self.handed.threads)
    }
}

impl KernelSource for Stage {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(self.handed.text.clone())
    }
    fn id(&self) -> KernelId {
        // Our kernels look where they read: a loop bound checked by somebody else costs time.
        let id = KernelId::new::<Self>().info((self.shader, self.handed.constants.clone()));
        id.cube_dim(self.dim().0).mode(ExecutionMode::Unchecked)
    }
    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

/// What tells two launches of a stage apart.
type Key = (&'static str, Vec<(&'static str, u64)>, usize);

/// Texts of launches that were met.
static WRITTEN: Mutex<Option<HashMap<Key, Arc<Portable>>>> = Mutex::new(None);

/// The text and the words of a launch, written when it is first met.
fn handed(launch: &Launch) -> Result<Arc<Portable>> {
    let numbers = launch.numbers.iter().map(|&(name, value)| (name, value.to_bits())).collect();
    let key: Key = (launch.shader, numbers, launch.bindings.len());
    let mut guard = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    let written = guard.get_or_insert_default();
    if let Some(known) = written.get(&key) {
        return Ok(Arc::clone(known));
    }
    if written.len() >= MOST_TEXTS {
        written.clear();
    }
    // Nothing that these stages do here asks for the step: no bias, no BatchNorm.
    let made = Arc::new(portable(launch, &StepParams::default())?);
    written.insert(key, Arc::clone(&made));
    Ok(made)
}

/// Whether a tensor's device compiles WGSL; one for which SPIR-V or MSL was chosen, or that is no wgpu device, does not.
fn speaks_wgsl(tensor: &CubeTensor) -> bool {
    tensor.client.name() == "wgpu<wgsl>"
}

/// The operands of an op: their places are its buffers' numbers.
struct Operands {
    handles: Vec<Handle>,
}

impl Operands {
    fn push(&mut self, handle: Handle) -> BufferId {
        self.handles.push(handle);
        BufferId(self.handles.len() as u32 - 1)
    }
    fn tensor(&mut self, tensor: &CubeTensor) -> BufferId {
        self.push(tensor.handle.clone())
    }
    /// The index of a layer: sections of one tensor, each bound by itself. `None` where all weights exist: they stand in the order of the dense
    /// tensor then, and are computed as one.
    fn topology(&mut self, words: &CubeTensor, shape: &ConvShape, nnz: usize) -> Option<SparseTopology> {
        if nnz == shape.weights() {
            return None;
        }
        let sections = Sections::of_conv(shape, nnz);
        let [row_ptr, index, row, t_row_ptr, t_index, t_value] = sections.all().map(|range| {
            // Never empty: a section has at least one word.
            let end = range.end.max(range.start + 1);
            let (start, after) = (4 * range.start as u64, 4 * (sections.len - end) as u64);
            self.push(words.handle.clone().offset_start(start).offset_end(after))
        });
        Some(SparseTopology { row_ptr, index, t_row_ptr, t_index, t_value, row, nnz })
    }
    fn weight(&mut self, values: &CubeTensor, words: &CubeTensor, shape: &ConvShape) -> Weight {
        let (nnz, values) = (values.shape().num_elements(), self.tensor(values));
        match self.topology(words, shape, nnz) {
            Some(topology) => Weight::Sparse { values, topology },
            None => Weight::Dense { values },
        }
    }
}

/// Runs an op over `like`'s device that writes a new tensor of this shape.
fn run(like: &CubeTensor, mut operands: Operands, out: Shape, op: impl FnOnce(BufferId) -> Op) -> CubeTensor {
    let client = &like.client;
    let y = client.empty(4 * out.num_elements());
    let op = op(operands.push(y.clone()));
    or_panic(dispatch(like, &operands, &op));
    CubeTensor::new_contiguous(client.clone(), like.device.clone(), out, y, DType::F32)
}

fn dispatch(like: &CubeTensor, operands: &Operands, op: &Op) -> Result<()> {
    let client = &like.client;
    let launches = encode(op, super::kernel())?;
    let scratch = |launch: &Launch| launch.bindings.iter().filter(|b| b.source == Source::Scratch).map(|b| b.words).max();
    let scratch = launches.iter().filter_map(scratch).max().map(|words| client.empty(4 * words));
    let mut nothing = None;
    for launch in &launches {
        let handed = handed(launch)?;
        let mut arguments = KernelArguments::new();
        for binding in &launch.bindings {
            let handle = match binding.source {
                Source::Buffer(id) => operands.handles.get(id.0 as usize).cloned(),
                Source::Scratch => scratch.clone(),
                Source::Nothing => Some(nothing.get_or_insert_with(|| client.empty(NOTHING)).clone()),
            };
            let handle =
                handle.ok_or_else(|| Error::validation(format!("{} binds '{}', which is not there", launch.op, binding.tensor)))?;
            let io = match (binding.source, binding.write) {
                (Source::Nothing, _) => BufferIOAttr::Dead,
                (_, true) => BufferIOAttr::WriteOnly,
                (_, false) => BufferIOAttr::ReadOnly,
            };
            arguments = arguments.with_buffer_io(handle.binding(), io);
        }
        if !handed.words.is_empty() {
            let pairs = handed.words.chunks_exact(2).map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32);
            arguments = arguments.with_info(MetadataBindingInfo::custom(pairs.collect()));
        }
        let (x, y) = grid(launch.groups, MOST_GROUPS)
            .ok_or_else(|| Error::validation(format!("{} needs more workgroups than a device has: {}", launch.op, launch.groups)))?;
        let stage = Stage { shader: launch.shader, handed };
        let dim = stage.dim();
        client.launch(Box::new(SourceKernel::new(stage, dim)), CubeCount::Static(x, y, 1), arguments);
    }
    Ok(())
}

fn operands() -> Operands {
    Operands { handles: Vec::with_capacity(10) }
}

impl SparseOps for CubeBackend {
    fn in_order(x: FloatTensor<Self>) -> FloatTensor<Self> {
        into_contiguous(x)
    }

    fn sparse_conv(x: FloatTensor<Self>, values: FloatTensor<Self>, topology: IntTensor<Self>, shape: ConvShape) -> FloatTensor<Self> {
        if !speaks_wgsl(&x) {
            return dense::conv::<Self>(x, values, topology, &shape);
        }
        let [x, values, topology] = [x, values, topology].map(into_contiguous);
        let mut operands = operands();
        let (x_id, weight) = (operands.tensor(&x), operands.weight(&values, &topology, &shape));
        run(&x, operands, super::output_of(&shape), |y| Op::ConvForward(ConvForward { shape, x: x_id, norm: None, weight, bias: None, y }))
    }

    fn sparse_conv_input_grad(
        dy: FloatTensor<Self>,
        values: FloatTensor<Self>,
        topology: IntTensor<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self> {
        if !speaks_wgsl(&dy) {
            return dense::input_grad::<Self>(dy, values, topology, &shape);
        }
        let [dy, values, topology] = [dy, values, topology].map(into_contiguous);
        let mut operands = operands();
        let (dy_id, weight) = (operands.tensor(&dy), operands.weight(&values, &topology, &shape));
        run(&dy, operands, super::input_of(&shape), |dx| {
            Op::ConvInputGrad(ConvInputGrad { shape, dy: dy_id, weight, dx, accumulate: false })
        })
    }

    fn sparse_conv_value_grad(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        topology: IntTensor<Self>,
        nnz: usize,
        shape: ConvShape,
    ) -> FloatTensor<Self> {
        if !speaks_wgsl(&x) {
            return dense::value_grad::<Self>(x, dy, topology, nnz, &shape);
        }
        let [x, dy, topology] = [x, dy, topology].map(into_contiguous);
        let mut operands = operands();
        let (x_id, dy_id) = (operands.tensor(&x), operands.tensor(&dy));
        let topology = operands.topology(&topology, &shape, nnz);
        run(&x, operands, Shape::new([nnz]), |dw| {
            Op::ConvWeightGrad(ConvWeightGrad { shape, x: x_id, norm: None, dy: dy_id, topology, dw })
        })
    }

    fn conv_weight_grad(x: FloatTensor<Self>, dy: FloatTensor<Self>, shape: ConvShape) -> FloatTensor<Self> {
        if !speaks_wgsl(&x) {
            return dense::weight_grad::<Self>(x, dy, &shape);
        }
        let [x, dy] = [x, dy].map(into_contiguous);
        let mut operands = operands();
        let (x_id, dy_id) = (operands.tensor(&x), operands.tensor(&dy));
        run(&x, operands, Shape::new([shape.weights()]), |dw| {
            Op::ConvWeightGrad(ConvWeightGrad { shape, x: x_id, norm: None, dy: dy_id, topology: None, dw })
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use burn::tensor::{Device, DeviceKind, Tensor};
    use sparring_core::gpu::GpuDevice;

    use super::*;
    use crate::{SparseConv2d, SparseConv2dConfig};

    /// Outputs would be right by Burn's dense products too.
    #[test]
    fn sparse_products_are_made_by_our_shaders() {
        let kind = match pollster::block_on(GpuDevice::open(true)) {
            Ok(gpu) if gpu.info().software => DeviceKind::Cpu,
            Ok(_) => DeviceKind::DefaultDevice,
            Err(e) => return println!("skipped: {e}"),
        };
        let device = Device::wgpu(kind).autodiff();
        let conv: SparseConv2d = SparseConv2dConfig::new([4, 4], [3, 3]).with_density(0.3).init(&device);
        let x = Tensor::ones([4, 4, 5, 5], &device).require_grad();
        let grads = conv.forward(x.clone()).sum().backward();
        let read = x.grad(&grads).unwrap().sum().into_data();
        assert!(read.iter::<f32>().all(f32::is_finite));
        let guard = WRITTEN.lock().unwrap();
        let met: Vec<&str> = guard.iter().flatten().map(|((shader, ..), _)| *shader).collect();
        assert!(met.iter().any(|shader| shader.starts_with("sparse_conv")), "{met:?}");
    }
}
