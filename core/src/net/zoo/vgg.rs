//! VGGs for small images: convolutions with BatchNorm and ReLU, 2x2 max pooling after each of five stages.
//!
//! On 32x32 images 1x1 pixel is left (2x2 in VGG16-C, whose 1x1 convolutions are padded too). Larger images leave more,
//! which is averaged to one pixel, so that the classifier stays the same; VGG16-C flattens what is left.

use super::Architecture;
use super::small::to_one_pixel;
use crate::error::Result;
use crate::net::graph::{Graph, Init};

/// VGG16 by configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Vgg16 {
    /// The last convolution of the last three stages is 1x1.
    C,
    /// All 3x3; three linear layers.
    D,
    /// As D, with two linear layers.
    Like,
}

const TORCH: Init = Init::TorchDefault;

/// Biases everywhere, PyTorch's default distribution, and a classifier with BatchNorm after ReLU.
pub fn vgg16(g: &mut Graph, arch: &Architecture, kind: Vgg16) -> Result<()> {
    let (mut at, mut index) = (0, 0);
    for (stage, (channels, depth)) in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)].into_iter().enumerate() {
        for layer in 0..depth {
            let k = if kind == Vgg16::C && stage >= 2 && layer == 2 { 1 } else { 3 };
            at = g.conv(at, &format!("features.{index}"), arch.channels(channels), [k, 1, 1], true, TORCH)?;
            at = g.batchnorm(at, &format!("features.{}", index + 1), None, true);
            index += 3;
        }
        at = g.max_pool2(at)?;
        index += 1;
    }
    if kind != Vgg16::C {
        at = to_one_pixel(g, at);
    }
    let hidden = if kind == Vgg16::Like { 1 } else { 2 };
    for i in (0..hidden).map(|i| 3 * i) {
        at = g.linear(at, &format!("classifier.{i}"), arch.channels(512), true);
        at = g.relu(at);
        at = g.batchnorm(at, &format!("classifier.{}", i + 2), None, false);
    }
    g.linear(at, &format!("classifier.{}", 3 * hidden), g.classes, true);
    Ok(())
}

/// No biases in the convolutions, no pooling by maximum after the last stage (the average comes instead), one linear layer.
pub fn vgg19(g: &mut Graph, arch: &Architecture) -> Result<()> {
    let (mut at, mut index) = (0, 0);
    for (stage, (channels, depth)) in [(64, 2), (128, 2), (256, 4), (512, 4), (512, 4)].into_iter().enumerate() {
        if stage > 0 {
            at = g.max_pool2(at)?;
            index += 1;
        }
        for _ in 0..depth {
            at = g.conv(at, &format!("feature.{index}"), arch.channels(channels), [3, 1, 1], false, Init::KaimingNormalFanOut)?;
            at = g.batchnorm(at, &format!("feature.{}", index + 1), None, true);
            index += 3;
        }
    }
    at = to_one_pixel(g, at);
    g.linear_drawn(at, "classifier", g.classes, true, Init::Normal(0.01));
    Ok(())
}
