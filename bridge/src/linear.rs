//! The sparse linear layer: a convolution of one pixel.
//!
//! Its dense tensor is `[out, in]`, as PyTorch has it; Burn's own `Linear` keeps `[in, out]`.

use burn::config::Config;
use burn::module::{Content, DisplaySettings, Module, ModuleDisplay, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Int, Tensor};
use sparring_core::ops::ConvShape;
use sparring_core::sparse::csr::WeightShape;

use crate::error::{Error, Result, or_panic};
use crate::layer;

/// What the layer is called in errors and in paths.
const NAME: &str = "SparseLinear";

/// Configuration of a [`SparseLinear`]: Burn's `LinearConfig` and a density.
#[derive(Config, Debug)]
pub struct SparseLinearConfig {
    /// Features of the input.
    pub d_input: usize,
    /// Features of the output.
    pub d_output: usize,
    /// Whether a bias is added.
    #[config(default = true)]
    pub bias: bool,
    /// How values and bias begin; fan-in and fan-out are those of the dense layer.
    #[config(default = "Initializer::KaimingUniform{gain:0.5773502691896258,fan_out_only:false}")]
    pub initializer: Initializer,
    /// The share of the dense layer's weights that exist, above 0; 1 is a dense layer, which [`crate::convert`] can make sparse later.
    #[config(default = 1.0)]
    pub density: f64,
    /// Seed of the mask; without one it is drawn from the device's random numbers.
    #[config(default = "None")]
    pub seed: Option<u64>,
}

/// A linear layer with a sparse weight.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct SparseLinear {
    /// `[nnz]`: the weights that exist, in the order of the dense tensor `[out, in]`.
    pub values: Param<Tensor<1>>,
    /// `[words]`: where they stand; see [`crate::Topology`].
    pub topology: Param<Tensor<1, Int>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// `[1]`, or, while the gradient of the whole dense tensor is wanted, as many zeros as that has weights; its gradient is that one.
    pub probe: Param<Tensor<1>>,
    /// Features: `[in, out]`.
    pub features: [usize; 2],
}

impl SparseLinearConfig {
    /// A layer on a device.
    ///
    /// # Panics
    /// Where [`Self::try_init`] has an error.
    pub fn init(&self, device: &Device) -> SparseLinear {
        or_panic(self.try_init(device))
    }

    /// A layer on a device.
    ///
    /// # Errors
    /// Where there are no features or too many, or the density is not above 0 and at most 1.
    pub fn try_init(&self, device: &Device) -> Result<SparseLinear> {
        let (c_in, c_out) = (self.d_input, self.d_output);
        if c_in == 0 || c_out == 0 {
            return Err(Error::setting("the features of a SparseLinear", "at least 1", format!("{c_in} to {c_out}")));
        }
        let shape = WeightShape::from_dims(&[c_out, c_in])?;
        let (values, topology, probe) = layer::weight(shape, self.density, self.seed, &self.initializer, device)?;
        let bias = || self.initializer.init_with([c_out], Some(c_in), Some(c_out), device);
        Ok(SparseLinear { values, topology, bias: self.bias.then(bias), probe, features: [c_in, c_out] })
    }
}

impl SparseLinear {
    /// `[..., in]` to `[..., out]`.
    ///
    /// # Panics
    /// Where [`Self::try_forward`] has an error, as Burn's own layers do.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        or_panic(self.try_forward(x))
    }

    /// As [`Self::forward`].
    ///
    /// # Errors
    /// Where the input has other features, is empty, is no f32, or lies on another device.
    pub fn try_forward<const D: usize>(&self, x: Tensor<D>) -> Result<Tensor<D>> {
        layer::check_tensor(NAME, &x, &self.values)?;
        let [c_in, c_out] = self.features;
        let mut dims = x.dims();
        let features = dims.last().copied().unwrap_or(0);
        let n = x.shape().num_elements() / features.max(1);
        if features != c_in || n == 0 {
            return Err(Error::Shape {
                layer: NAME,
                what: "the input",
                expected: format!("[..., {c_in}], not empty"),
                found: format!("{dims:?}"),
                remedy: "flatten what comes before it, and give `d_input` of its config that many features",
            });
        }
        let x = layer::inside(x.reshape([n, c_in, 1, 1]));
        let lanes = n.next_multiple_of(4);
        let geometry = ConvShape { c_in, h_in: 1, w_in: 1, c_out, h_out: 1, w_out: 1, kh: 1, kw: 1, stride: 1, pad: 0, n: lanes };
        let y = layer::outside(layer::product(NAME, x, &self.values, &self.topology, &self.probe, geometry)?, n);
        if let Some(last) = dims.last_mut() {
            *last = c_out;
        }
        let y = y.reshape(dims);
        Ok(match &self.bias {
            Some(bias) => {
                let mut row = [1; D];
                row[D - 1] = c_out;
                y + bias.val().reshape(row)
            }
            None => y,
        })
    }

    /// The share of the dense layer's weights that exist.
    pub fn density(&self) -> f64 {
        self.values.dims()[0] as f64 / self.features.iter().product::<usize>() as f64
    }
}

impl ModuleDisplay for SparseLinear {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new().with_new_line_after_attribute(false).optional()
    }
    fn custom_content(&self, content: Content) -> Option<Content> {
        let content = content.add("d_input", &self.features[0]).add("d_output", &self.features[1]);
        content.add("density", &format!("{:.4}", self.density())).optional()
    }
}
