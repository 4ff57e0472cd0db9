//! The sparse 2D convolution, with Burn's names: a model changes its `use` lines and its density, and nothing else.
//!
//! Values are a parameter of their own shape, so that optimizers keep no moments for weights that are not there.

use burn::config::Config;
use burn::module::{Content, DisplaySettings, Module, ModuleDisplay, Param};
use burn::nn::{Initializer, PaddingConfig2d};
use burn::tensor::{Device, Int, Tensor};
use sparring_core::ops::ConvShape;
use sparring_core::sparse::csr::WeightShape;

use crate::chwn::Chwn;
use crate::error::{Error, Result, or_panic};
use crate::layer;

/// What the layer is called in errors and in paths.
const NAME: &str = "SparseConv2d";

/// Configuration of a [`SparseConv2d`]. Beside Burn's own `Conv2dConfig` it has a density; it has no groups and no dilation.
#[derive(Config, Debug)]
pub struct SparseConv2dConfig {
    /// Channels: `[in, out]`.
    pub channels: [usize; 2],
    /// Kernel: `[rows, columns]`, 1 to 15.
    pub kernel_size: [usize; 2],
    /// Stride: `[down, across]`, which must be the same.
    #[config(default = "[1, 1]")]
    pub stride: [usize; 2],
    /// Zeros around the input; the same on all sides.
    #[config(default = "PaddingConfig2d::Valid")]
    pub padding: PaddingConfig2d,
    /// Whether a bias is added.
    #[config(default = true)]
    pub bias: bool,
    /// How values and bias begin; fan-in and fan-out are those of the dense layer. `Orthogonal` needs a dense one.
    #[config(default = "Initializer::KaimingUniform{gain:0.5773502691896258,fan_out_only:false}")]
    pub initializer: Initializer,
    /// The share of the dense layer's weights that exist, above 0; 1 is a dense layer, which [`crate::convert`] can make sparse later.
    #[config(default = 1.0)]
    pub density: f64,
    /// Seed of the mask; without one it is drawn from the device's random numbers.
    #[config(default = "None")]
    pub seed: Option<u64>,
}

/// A 2D convolution with a sparse weight.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct SparseConv2d {
    /// `[nnz]`: the weights that exist, in the order of the dense tensor `[out, in, rows, columns]`.
    pub values: Param<Tensor<1>>,
    /// `[words]`: where they stand; see [`crate::Topology`].
    pub topology: Param<Tensor<1, Int>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// `[1]`, or, while the gradient of the whole dense tensor is wanted, as many zeros as that has weights; its gradient is that one.
    pub probe: Param<Tensor<1>>,
    /// Channels: `[in, out]`.
    pub channels: [usize; 2],
    /// Kernel: `[rows, columns]`.
    pub kernel_size: [usize; 2],
    /// Stride in both directions.
    pub stride: usize,
    /// Zeros on all sides.
    pub padding: usize,
}

impl SparseConv2dConfig {
    /// A layer on a device.
    ///
    /// # Panics
    /// Where [`Self::try_init`] has an error.
    pub fn init(&self, device: &Device) -> SparseConv2d {
        or_panic(self.try_init(device))
    }

    /// A layer on a device.
    ///
    /// # Errors
    /// Where a setting is one that the kernels do not have, or a density is not above 0 and at most 1.
    pub fn try_init(&self, device: &Device) -> Result<SparseConv2d> {
        let [c_in, c_out] = self.channels;
        let [kh, kw] = self.kernel_size;
        if c_in == 0 || c_out == 0 || kh == 0 || kw == 0 {
            return Err(Error::setting(
                "channels and kernel of a SparseConv2d",
                "at least 1",
                format!("{:?}, {:?}", self.channels, [kh, kw]),
            ));
        }
        let [stride, across] = self.stride;
        if stride != across || stride == 0 {
            return Err(Error::setting(
                "the stride of a SparseConv2d",
                "the same down and across, and at least 1",
                format!("{:?}", self.stride),
            ));
        }
        let shape = WeightShape::from_dims(&[c_out, c_in, kh, kw])?;
        let padding = padding(&self.padding, self.kernel_size, stride)?;
        let (values, topology, probe) = layer::weight(shape, self.density, self.seed, &self.initializer, device)?;
        let bias = || self.initializer.init_with([c_out], Some(c_in * kh * kw), Some(c_out * kh * kw), device);
        let bias = self.bias.then(bias);
        Ok(SparseConv2d { values, topology, bias, probe, channels: self.channels, kernel_size: self.kernel_size, stride, padding })
    }
}

/// Zeros on all sides.
fn padding(config: &PaddingConfig2d, [kh, kw]: [usize; 2], stride: usize) -> Result<usize> {
    match *config {
        PaddingConfig2d::Valid => Ok(0),
        PaddingConfig2d::Explicit(top, left, bottom, right) if [left, bottom, right] == [top; 3] => Ok(top),
        PaddingConfig2d::Same if kh == kw && kh % 2 == 1 && stride == 1 => Ok(kh / 2),
        _ => {
            let expected = "the same on all sides (`Same` is that for a square kernel of odd size and a stride of 1)";
            Err(Error::setting("the padding of a SparseConv2d", expected, format!("{config:?} for a {kh}x{kw} kernel of stride {stride}")))
        }
    }
}

impl SparseConv2d {
    /// `[n, in, h, w]` to `[n, out, (h + 2 padding - rows) / stride + 1, ...]`.
    ///
    /// # Panics
    /// Where [`Self::try_forward`] has an error, as Burn's own layers do.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        or_panic(self.try_forward(x))
    }

    /// As [`Self::forward`].
    ///
    /// # Errors
    /// Where the input has other channels, is smaller than the kernel, is no f32, or lies on another device.
    pub fn try_forward(&self, x: Tensor<4>) -> Result<Tensor<4>> {
        let y = self.try_forward_inside(Chwn::from_nchw(x))?;
        Ok(y.into_nchw())
    }

    /// As [`Self::forward`], on activations that stay in the kernels' layout.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn forward_chwn(&self, x: Chwn) -> Chwn {
        or_panic(self.try_forward_inside(x))
    }

    fn try_forward_inside(&self, x: Chwn) -> Result<Chwn> {
        let (n, x) = x.into_parts();
        let geometry = self.geometry(&x)?;
        let y = layer::product(NAME, x, &self.values, &self.topology, &self.probe, geometry)?;
        let y = match &self.bias {
            Some(bias) => y + bias.val().reshape([self.channels[1], 1, 1, 1]),
            None => y,
        };
        Ok(Chwn::from_parts(n, y))
    }

    /// What a `[c, h, w, lanes]` input makes of this layer.
    fn geometry(&self, x: &Tensor<4>) -> Result<ConvShape> {
        layer::check_tensor(NAME, x, &self.values)?;
        let [c, h, w, n] = x.dims();
        let [c_in, c_out] = self.channels;
        let [kh, kw] = self.kernel_size;
        let wrong = |what, expected, found, remedy| Error::Shape { layer: NAME, what, expected, found, remedy };
        if c != c_in {
            let remedy = "give `channels[0]` of its config what the layer before it puts out; images are [batch, channels, height, width]";
            return Err(wrong("the input's channels", c_in.to_string(), c.to_string(), remedy));
        }
        let out = |extent: usize, k: usize| Some((extent + 2 * self.padding).checked_sub(k)? / self.stride + 1);
        let (Some(h_out), Some(w_out)) = (out(h, kh), out(w, kw)) else {
            let expected = format!("at least {kh}x{kw} with {} zeros on each side", self.padding);
            return Err(wrong("the input", expected, format!("{h}x{w}"), "pad it, or leave out a pool or a stride before it"));
        };
        let (stride, pad) = (self.stride, self.padding);
        let geometry = ConvShape { c_in, h_in: h, w_in: w, c_out, h_out, w_out, kh, kw, stride, pad, n };
        // An empty batch, or more than the kernels can count.
        geometry.check().map(|()| geometry).map_err(|e| Error::Engine(sparring_core::error::Error::validation(format!("{NAME}: {e:?}"))))
    }

    /// The share of the dense layer's weights that exist.
    pub fn density(&self) -> f64 {
        self.values.dims()[0] as f64 / (self.channels.iter().product::<usize>() * self.kernel_size.iter().product::<usize>()) as f64
    }
}

impl ModuleDisplay for SparseConv2d {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new().with_new_line_after_attribute(false).optional()
    }
    fn custom_content(&self, content: Content) -> Option<Content> {
        let content = content.add("ch_in", &self.channels[0]).add("ch_out", &self.channels[1]);
        let content = content.add("kernel_size", &format!("{:?}", self.kernel_size)).add("stride", &self.stride);
        content.add("padding", &self.padding).add("density", &format!("{:.4}", self.density())).optional()
    }
}
