//! The products of sparse layers as ops of Burn's backends, with their gradients for its autodiff.
//!
//! Tensors here are `[channels, height, width, batch]`, the layout of the kernels, with a batch that is a multiple of 4; layers turn it. A
//! gradient of these gradients is not defined: what they return takes no part in autodiff.

#[cfg(feature = "wgpu")]
mod cube;
#[cfg(any(feature = "wgpu", test))]
mod dense;
mod flex;

use std::sync::atomic::{AtomicU8, Ordering};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, DispatchDevice, backend_extension};
use burn::tensor::Shape;
use sparring_core::device::info::Kernel;
use sparring_core::ops::ConvShape;

/// The kernel that [`use_kernel`] chose, by its place among all.
static KERNEL: AtomicU8 = AtomicU8::new(0);

/// Which kernel makes the products on a GPU from here on that it can make, in the whole program; `rows` makes the sparse ones if nobody says.
/// Which is the fastest only the device can say: `sparring doctor --tune` measures it. On a software GPU it is `rows`. Without effect on a CPU.
pub fn use_kernel(kernel: Kernel) {
    let place = Kernel::ALL.iter().position(|k| *k == kernel).unwrap_or(0);
    KERNEL.store(place as u8, Ordering::Relaxed);
}

/// Whether a device has these ops. Burn's macro gives them to the backends that are named below, and panics for others.
pub(crate) fn runs_on(device: &DispatchDevice) -> bool {
    match device {
        DispatchDevice::Flex(_) => true,
        #[cfg(feature = "wgpu")]
        DispatchDevice::Cube(_) => true,
        DispatchDevice::Autodiff(inner) => runs_on(inner),
        #[allow(unreachable_patterns, reason = "which devices there are is for the features of a whole program to say")]
        _ => false,
    }
}

/// The kernel in use.
#[cfg_attr(not(feature = "wgpu"), expect(dead_code, reason = "no GPU"))]
fn kernel() -> Kernel {
    Kernel::ALL.get(usize::from(KERNEL.load(Ordering::Relaxed))).copied().unwrap_or(Kernel::Rows)
}

fn output_of(s: &ConvShape) -> Shape {
    Shape::new([s.c_out, s.h_out, s.w_out, s.n])
}

fn input_of(s: &ConvShape) -> Shape {
    Shape::new([s.c_in, s.h_in, s.w_in, s.n])
}

#[cfg(feature = "wgpu")]
fn vector_of(len: usize) -> Shape {
    Shape::new([len])
}

/// What a backend does for sparse layers. `x`: `[c_in, h_in, w_in, n]`, `dy`: `[c_out, h_out, w_out, n]`, `values`: `[nnz]`, `topology`: the
/// words of a [`crate::Topology`]; all but `x` of the geometry's shape, and f32 or i32.
#[backend_extension(Cube: cfg(feature = "wgpu"), Flex, Autodiff, Fusion: cfg(feature = "wgpu"))]
pub trait SparseOps: Backend {
    /// The same numbers in the order of their indices.
    #[fusion(dtype = x, shape = x)]
    fn in_order(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The convolution, `[c_out, h_out, w_out, n]`.
    #[fusion(dtype = x, shape = output_of(geometry))]
    fn sparse_conv(x: FloatTensor<Self>, values: FloatTensor<Self>, topology: IntTensor<Self>, geometry: ConvShape) -> FloatTensor<Self>;

    /// The same; autodiff gives `probe`, which changes nothing, the gradient of the whole dense tensor, `[c_out * c_in * kh * kw]`.
    #[fusion(default)]
    fn sparse_conv_probed(
        x: FloatTensor<Self>,
        values: FloatTensor<Self>,
        topology: IntTensor<Self>,
        probe: FloatTensor<Self>,
        geometry: ConvShape,
    ) -> FloatTensor<Self> {
        let _ = probe;
        Self::sparse_conv(x, values, topology, geometry)
    }

    /// The gradient of `x`.
    #[fusion(dtype = dy, shape = input_of(geometry))]
    fn sparse_conv_input_grad(
        dy: FloatTensor<Self>,
        values: FloatTensor<Self>,
        topology: IntTensor<Self>,
        geometry: ConvShape,
    ) -> FloatTensor<Self>;

    /// The gradient of the `nnz` values.
    #[fusion(dtype = dy, shape = vector_of(*nnz))]
    fn sparse_conv_value_grad(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        topology: IntTensor<Self>,
        nnz: usize,
        geometry: ConvShape,
    ) -> FloatTensor<Self>;

    /// The gradient of the dense tensor, `[c_out * c_in * kh * kw]`.
    #[fusion(dtype = dy, shape = vector_of(geometry.weights()))]
    fn conv_weight_grad(x: FloatTensor<Self>, dy: FloatTensor<Self>, geometry: ConvShape) -> FloatTensor<Self>;
}

/// What the gradients are made from: input in order, values, topology, geometry.
type Saved<B> = (FloatTensor<B>, FloatTensor<B>, IntTensor<B>, ConvShape);

/// The gradients of the input and of the values, where somebody asks for them.
#[derive(Debug)]
struct ConvBackward;

/// And of the whole dense tensor.
#[derive(Debug)]
struct ProbedBackward;

fn register<B: SparseOps, const N: usize>(ops: Ops<Saved<B>, N>, grads: &mut Gradients) {
    let dy = B::in_order(grads.consume::<B>(&ops.node));
    let (x, values, topology, geometry) = ops.state;
    let mut parents = ops.parents.into_iter();
    if let Some(node) = parents.next().flatten() {
        grads.register::<B>(node.id, B::sparse_conv_input_grad(dy.clone(), values.clone(), topology.clone(), geometry));
    }
    if let Some(node) = parents.next().flatten() {
        let nnz = burn::backend::TensorMetadata::shape(&values).num_elements();
        grads.register::<B>(node.id, B::sparse_conv_value_grad(x.clone(), dy.clone(), topology, nnz, geometry));
    }
    if let Some(node) = parents.next().flatten() {
        grads.register::<B>(node.id, B::conv_weight_grad(x, dy, geometry));
    }
}

impl<B: SparseOps> Backward<B, 2> for ConvBackward {
    type State = Saved<B>;
    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        register::<B, _>(ops, grads);
    }
}

impl<B: SparseOps> Backward<B, 3> for ProbedBackward {
    type State = Saved<B>;
    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        register::<B, _>(ops, grads);
    }
}

impl<B: SparseOps, C: CheckpointStrategy> SparseOps for Autodiff<B, C> {
    fn in_order(x: FloatTensor<Self>) -> FloatTensor<Self> {
        x
    }

    fn sparse_conv(x: FloatTensor<Self>, values: FloatTensor<Self>, topology: IntTensor<Self>, geometry: ConvShape) -> FloatTensor<Self> {
        let prep = ConvBackward.prepare::<C>([x.node(), values.node()]).compute_bound().stateful();
        let (x, values) = (B::in_order(x.into_primitive()), values.into_primitive());
        let y = B::sparse_conv(x.clone(), values.clone(), topology.clone(), geometry);
        match prep {
            OpsKind::Tracked(prep) => prep.finish((x, values, topology, geometry), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn sparse_conv_probed(
        x: FloatTensor<Self>,
        values: FloatTensor<Self>,
        topology: IntTensor<Self>,
        probe: FloatTensor<Self>,
        geometry: ConvShape,
    ) -> FloatTensor<Self> {
        let prep = ProbedBackward.prepare::<C>([x.node(), values.node(), probe.node()]).compute_bound().stateful();
        let (x, values) = (B::in_order(x.into_primitive()), values.into_primitive());
        let y = B::sparse_conv(x.clone(), values.clone(), topology.clone(), geometry);
        match prep {
            OpsKind::Tracked(prep) => prep.finish((x, values, topology, geometry), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn sparse_conv_input_grad(
        dy: FloatTensor<Self>,
        values: FloatTensor<Self>,
        topology: IntTensor<Self>,
        geometry: ConvShape,
    ) -> FloatTensor<Self> {
        Self::FloatTensorPrimitive::new(B::sparse_conv_input_grad(dy.into_primitive(), values.into_primitive(), topology, geometry))
    }

    fn sparse_conv_value_grad(
        x: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        topology: IntTensor<Self>,
        nnz: usize,
        geometry: ConvShape,
    ) -> FloatTensor<Self> {
        Self::FloatTensorPrimitive::new(B::sparse_conv_value_grad(x.into_primitive(), dy.into_primitive(), topology, nnz, geometry))
    }

    fn conv_weight_grad(x: FloatTensor<Self>, dy: FloatTensor<Self>, geometry: ConvShape) -> FloatTensor<Self> {
        Self::FloatTensorPrimitive::new(B::conv_weight_grad(x.into_primitive(), dy.into_primitive(), geometry))
    }
}
