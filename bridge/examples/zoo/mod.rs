//! The residual networks of Sparring's zoo as Burn modules, over Burn's convolutions or sparse ones.
//!
//! Fields are called as in PyTorch's modules, so that published weights load (`sparring_burn::weights`).
#![allow(dead_code, reason = "each example uses a part of it")]

use burn::module::{Module, ModuleDisplay};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, s};
use sparring_burn::{SparseConv2d, SparseConv2dConfig};

/// What stands where a network convolves: square kernels, zeros around that keep the size, no bias.
pub trait Convolution: Module + ModuleDisplay {
    fn new(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Self;
    fn forward(&self, x: Tensor<4>) -> Tensor<4>;
}

fn around(kernel: usize) -> PaddingConfig2d {
    let zeros = kernel / 2;
    PaddingConfig2d::Explicit(zeros, zeros, zeros, zeros)
}

impl Convolution for Conv2d {
    fn new(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Self {
        let config = Conv2dConfig::new(channels, [kernel; 2]).with_stride([stride; 2]).with_padding(around(kernel));
        config.with_bias(false).init(device)
    }
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        Conv2d::forward(self, x)
    }
}

impl Convolution for SparseConv2d {
    fn new(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Self {
        let config = SparseConv2dConfig::new(channels, [kernel; 2]).with_stride([stride; 2]).with_padding(around(kernel));
        config.with_bias(false).init(device)
    }
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        SparseConv2d::forward(self, x)
    }
}

/// Two convolutions and what goes past them.
#[derive(Module, Debug)]
struct Block<C: Module> {
    conv1: C,
    bn1: BatchNorm,
    conv2: C,
    bn2: BatchNorm,
    /// Without one, what goes past has its new channels filled with zeros (option A of He et al. 2016).
    shortcut: Option<(C, BatchNorm)>,
    stride: usize,
}

impl<C: Convolution> Block<C> {
    fn new([from, to]: [usize; 2], stride: usize, projections: bool, device: &Device) -> Self {
        let norm = || BatchNormConfig::new(to).init(device);
        let projected = projections && (stride > 1 || from != to);
        Self {
            conv1: C::new([from, to], 3, stride, device),
            bn1: norm(),
            conv2: C::new([to, to], 3, 1, device),
            bn2: norm(),
            shortcut: projected.then(|| (C::new([from, to], 1, stride, device), norm())),
            stride,
        }
    }
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = relu(self.bn1.forward(self.conv1.forward(x.clone())));
        let y = self.bn2.forward(self.conv2.forward(y));
        let past = match &self.shortcut {
            Some((conv, norm)) => norm.forward(conv.forward(x)),
            None => self.unprojected(x, y.dims()[1]),
        };
        relu(y + past)
    }
    /// Every second row and column, and as many channels as the block puts out: zeros before and behind those that there are.
    fn unprojected(&self, x: Tensor<4>, channels: usize) -> Tensor<4> {
        let x = if self.stride > 1 { x.slice(s![.., .., ..;2, ..;2]) } else { x };
        let [n, has, h, w] = x.dims();
        if has == channels {
            return x;
        }
        let zeros = Tensor::zeros([n, (channels - has) / 2, h, w], &x.device());
        Tensor::cat(vec![zeros.clone(), x, zeros], 1)
    }
}

/// A residual network of basic blocks for images of three channels.
#[derive(Module, Debug)]
pub struct ResNet<C: Module> {
    conv1: C,
    bn1: BatchNorm,
    layer1: Vec<Block<C>>,
    layer2: Vec<Block<C>>,
    layer3: Vec<Block<C>>,
    layer4: Option<Vec<Block<C>>>,
    linear: Linear,
}

impl<C: Convolution> ResNet<C> {
    /// CIFAR's ResNet-20: three stages of three blocks, 16 to 64 channels, nothing learned in shortcuts.
    pub fn resnet20(classes: usize, device: &Device) -> Self {
        Self::new(3, &[16, 32, 64], false, classes, device)
    }
    /// ResNet18 for 32x32 images: four stages of two blocks, 64 to 512 channels, projections in shortcuts.
    pub fn resnet18(classes: usize, device: &Device) -> Self {
        Self::new(2, &[64, 128, 256, 512], true, classes, device)
    }
    fn new(blocks: usize, widths: &[usize], projections: bool, classes: usize, device: &Device) -> Self {
        let stage = |at: usize| -> Vec<Block<C>> {
            let from = widths[at.saturating_sub(1)];
            let first = Block::new([from, widths[at]], if at > 0 { 2 } else { 1 }, projections, device);
            let others = (1..blocks).map(|_| Block::new([widths[at]; 2], 1, projections, device));
            std::iter::once(first).chain(others).collect()
        };
        Self {
            conv1: C::new([3, widths[0]], 3, 1, device),
            bn1: BatchNormConfig::new(widths[0]).init(device),
            layer1: stage(0),
            layer2: stage(1),
            layer3: stage(2),
            layer4: (widths.len() > 3).then(|| stage(3)),
            linear: LinearConfig::new(widths[widths.len() - 1], classes).init(device),
        }
    }
    /// Normalised images `[n, 3, h, w]` to logits `[n, classes]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.bn1.forward(self.conv1.forward(x)));
        let blocks = [&self.layer1, &self.layer2, &self.layer3].into_iter().chain(&self.layer4).flatten();
        let x = blocks.fold(x, |x, block| block.forward(x));
        self.linear.forward(x.mean_dims(&[2, 3]).flatten::<2>(1, 3))
    }
}
