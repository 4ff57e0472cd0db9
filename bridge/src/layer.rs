//! What a convolution and a linear layer share: how a sparse weight begins, and how its product is asked for.
//!
//! A layer outside is as Burn has it, batch first; the kernels want the batch last and a multiple of 4. Turning is a view here, and a copy only
//! where a backend has to put a tensor in order; between two of these layers nothing is copied.

use burn::backend::Dispatch;
use burn::module::{Param, ParamId};
use burn::nn::Initializer;
use burn::tensor::{DType, Device, Distribution, Int, Tensor, TensorData};
use sparring_core::ops::ConvShape;
use sparring_core::sparse::csr::WeightShape;
use sparring_core::sparse::{density, mask};

use crate::error::{Error, Result};
use crate::ops::{self, SparseOps};
use crate::topology::{HEAD, Sections, Topology};

/// Values, topology and probe of a new layer.
pub type Weight = (Param<Tensor<1>>, Param<Tensor<1, Int>>, Param<Tensor<1>>);

/// As many weights as the density says, at least one.
pub fn count(density: f64, n: usize) -> usize {
    density::count(density, n).max(1).min(n)
}

/// # Errors
/// Where a density is not above 0 and at most 1.
pub fn check_density(density: f64) -> Result<()> {
    match density > 0.0 && density <= 1.0 {
        true => Ok(()),
        false => Err(Error::setting("the density", "above 0 and at most 1", density)),
    }
}

/// # Errors
/// Where a device has no kernels for these layers.
pub fn check_device(device: &Device) -> Result<()> {
    let expected = if cfg!(feature = "wgpu") {
        "Device::flex(), or one of wgpu's, CUDA's or ROCm's"
    } else {
        "Device::flex(), or, with the feature `wgpu` of sparring-burn, one of wgpu's"
    };
    match ops::runs_on(device.as_dispatch()) {
        true => Ok(()),
        false => Err(Error::setting("the device of sparse layers", expected, format!("{device:?}"))),
    }
}

/// A seed from the device's random numbers, so that `device.seed` rules masks as it rules weights.
fn drawn_seed(device: &Device) -> Result<u64> {
    let drawn = Tensor::<1>::random([2], Distribution::Uniform(0.0, 1.0), device);
    let drawn = floats(drawn, || "a random number".into())?;
    Ok(drawn.iter().fold(0, |seed, x| seed << 32 | u64::from(x.to_bits())))
}

/// A layer's weight as its config says. `seed`: of the mask; drawn from the device where there is none.
pub fn weight(shape: WeightShape, density: f64, seed: Option<u64>, initializer: &Initializer, device: &Device) -> Result<Weight> {
    check_density(density)?;
    check_device(device)?;
    let n = shape.len();
    let nnz = count(density, n);
    let positions = match nnz == n {
        true => (0..n as u32).collect(),
        false => {
            let seed = seed.map_or_else(|| drawn_seed(device), Ok)?;
            mask::initial(seed, 0, n, nnz as f64 / n as f64)
        }
    };
    let words = Topology::new(shape, positions)?.words()?;
    let taps = shape.kh * shape.kw;
    let values = initializer.init_with([nnz], Some(shape.c_in * taps), Some(shape.c_out * taps), device);
    let topology = Param::initialized(ParamId::new(), topology_tensor(words, device));
    Ok((values, topology.load_mapper(move |loaded| of_this_layer(loaded, shape)), resting_probe(device)))
}

/// What a record brings for a topology; none at all where it is that of a layer of other extents, whose words may be as many. The layer then
/// says so ([`product`]), and so does whatever reads its topology.
fn of_this_layer(loaded: Tensor<1, Int>, shape: WeightShape) -> Tensor<1, Int> {
    let device = loaded.device();
    let head = loaded.dims()[0].min(HEAD);
    let head = integers(loaded.clone().slice(0..head), || "a topology".into());
    if head.is_ok_and(|words| Topology::shape_of(&words).is_ok_and(|found| found == shape)) {
        return loaded;
    }
    topology_tensor(Vec::new(), &device)
}

/// What stands in for a probe while nobody asks for the dense gradient: one float, which has no gradient.
fn resting_probe(device: &Device) -> Param<Tensor<1>> {
    Param::from_tensor(Tensor::zeros([1], device))
}

pub fn topology_tensor<const D: usize>(words: Vec<i32>, device: &Device) -> Tensor<D, Int> {
    let len = words.len();
    Tensor::from_data(TensorData::new(words, [len]), (device, DType::I32))
}

/// A tensor's floats on the host.
pub fn floats<const D: usize>(tensor: Tensor<D>, what: impl Fn() -> String) -> Result<Vec<f32>> {
    let data = tensor.try_into_data().map_err(|e| Error::Read { what: what(), reason: e.to_string() })?;
    data.convert::<f32>().try_into_vec().map_err(|e| Error::Read { what: what(), reason: format!("{e:?}") })
}

/// A tensor's integers on the host.
pub fn integers<const D: usize>(tensor: Tensor<D, Int>, what: impl Fn() -> String) -> Result<Vec<i32>> {
    let data = tensor.try_into_data().map_err(|e| Error::Read { what: what(), reason: e.to_string() })?;
    data.convert::<i32>().try_into_vec().map_err(|e| Error::Read { what: what(), reason: format!("{e:?}") })
}

/// The product of a layer with `x` of `[c_in, h_in, w_in, n]`, n a multiple of 4: `[c_out, h_out, w_out, n]`.
///
/// # Errors
/// Where values and topology are not of one layer, or not of the types that the kernels read: nobody looks after them on a GPU.
pub fn product(
    layer: &'static str,
    x: Tensor<4>,
    values: &Param<Tensor<1>>,
    topology: &Param<Tensor<1, Int>>,
    probe: &Param<Tensor<1>>,
    geometry: ConvShape,
) -> Result<Tensor<4>> {
    let wrong = |what, expected: String, found: String| {
        let remedy = "load a record of this very model, with DTypePolicy::FromModel, and change values and topology together";
        Err(Error::Shape { layer, what, expected, found, remedy })
    };
    if values.val().dtype() != DType::F32 {
        return wrong("its values' type", "F32".into(), format!("{:?}", values.val().dtype()));
    }
    if topology.val().dtype() != DType::I32 {
        return wrong("its topology's type", "I32".into(), format!("{:?}", topology.val().dtype()));
    }
    let words = Sections::of_conv(&geometry, values.dims()[0]).len;
    if values.dims()[0] > geometry.weights() || topology.dims() != [words] {
        let expected = format!("{words} words for {} values", values.dims()[0]);
        return wrong("its topology", expected, format!("{} words", topology.dims()[0]));
    }
    let (x, values, topology) = (x.into_dispatch(), values.val().into_dispatch(), topology.val().into_dispatch());
    let probed = geometry.weights() > 1 && probe.dims() == [geometry.weights()];
    Ok(Tensor::from_dispatch(match probed {
        true => <Dispatch as SparseOps>::sparse_conv_probed(x, values, topology, probe.val().into_dispatch(), geometry),
        false => <Dispatch as SparseOps>::sparse_conv(x, values, topology, geometry),
    }))
}

/// `[n, c, h, w]` as `[c, h, w, n]` with lanes of zeros up to a multiple of 4.
pub fn inside(x: Tensor<4>) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let x = match n.next_multiple_of(4) - n {
        0 => x,
        missing => {
            let zeros = Tensor::zeros([missing, c, h, w], (&x.device(), x.dtype()));
            Tensor::cat(vec![x, zeros], 0)
        }
    };
    x.permute([1, 2, 3, 0])
}

/// `[c, h, w, n]` with lanes of zeros up to a multiple of 4.
pub fn padded(x: Tensor<4>) -> Tensor<4> {
    let [c, h, w, n] = x.dims();
    match n.next_multiple_of(4) - n {
        0 => x,
        missing => {
            let zeros = Tensor::zeros([c, h, w, missing], (&x.device(), x.dtype()));
            Tensor::cat(vec![x, zeros], 3)
        }
    }
}

/// `[c, h, w, lanes]` as `[n, c, h, w]`.
pub fn outside(y: Tensor<4>, n: usize) -> Tensor<4> {
    let [c, h, w, lanes] = y.dims();
    let y = y.permute([3, 0, 1, 2]);
    if lanes == n { y } else { y.slice([0..n, 0..c, 0..h, 0..w]) }
}

/// # Errors
/// Where a tensor holds other numbers than f32, or lies on another device than the layer.
pub fn check_tensor<const D: usize>(layer: &'static str, x: &Tensor<D>, values: &Param<Tensor<1>>) -> Result<()> {
    let shape_error = |what, expected: String, found: String, remedy| Error::Shape { layer, what, expected, found, remedy };
    if x.dtype() != DType::F32 {
        return Err(shape_error("the input's type", "F32".into(), format!("{:?}", x.dtype()), "cast it, or create it with DType::F32"));
    }
    let (given, own) = (x.device(), values.val().device());
    check_device(&own)?;
    if given.clone().inner() != own.clone().inner() {
        let remedy = "move the model with `to_device`, or make the input on the model's device";
        return Err(shape_error("the input's device", format!("{own:?}"), format!("{given:?}"), remedy));
    }
    Ok(())
}
