//! Plain chains: the smallest networks, AlexNet, the LeNets and multilayer perceptrons.

use super::Architecture;
use crate::error::{Error, Result};
use crate::net::graph::{Graph, Init, NodeId};

const KAIMING: Init = Init::KaimingNormalFanIn;
const TORCH: Init = Init::TorchDefault;

/// Three convolutions with BatchNorm.
pub fn tiny(g: &mut Graph, arch: &Architecture) -> Result<()> {
    let mut at = 0;
    for (i, (channels, stride)) in [(16, 1), (32, 2), (64, 2)].into_iter().enumerate() {
        at = g.conv(at, &format!("conv{}", i + 1), arch.channels(channels), [3, stride, 1], false, KAIMING)?;
        at = g.batchnorm(at, &format!("bn{}", i + 1), None, true);
    }
    at = g.global_avg_pool(at);
    g.linear(at, "fc", g.classes, true);
    Ok(())
}

/// The small net of the golden cases: convolutions 8, 16, 16 (the second with stride 2, the third with a bias and no BatchNorm).
pub fn golden_net(g: &mut Graph) -> Result<()> {
    let c1 = g.conv(0, "c1", 8, [3, 1, 1], false, KAIMING)?;
    let b1 = g.batchnorm(c1, "b1", None, true);
    let c2 = g.conv(b1, "c2", 16, [3, 2, 1], false, KAIMING)?;
    let b2 = g.batchnorm(c2, "b2", None, true);
    let c3 = g.conv(b2, "c3", 16, [3, 1, 1], true, KAIMING)?;
    let r3 = g.relu(c3);
    let pooled = g.global_avg_pool(r3);
    g.linear(pooled, "fc", g.classes, true);
    Ok(())
}

/// Linear layers with ReLU between them, `fc1`, `fc2`, ..., the last one to the classes.
pub fn mlp(g: &mut Graph, arch: &Architecture, hidden: &[usize]) {
    let mut at = 0;
    for (i, &width) in hidden.iter().enumerate() {
        at = g.linear(at, &format!("fc{}", i + 1), arch.channels(width), true);
        at = g.relu(at);
    }
    g.linear(at, &format!("fc{}", hidden.len() + 1), g.classes, true);
}

/// The LeNets are what they are only on 28x28 pixels of one channel.
pub fn mnist_only(g: &Graph, name: super::Model) -> Result<()> {
    match g.extent(0) {
        (1, 28, 28) => Ok(()),
        (c, h, w) => Err(Error::config(format!(
            "model {name} takes 28x28 images of one channel, but these have {h}x{w} and {c}; choose such a dataset, or another model"
        ))),
    }
}

/// Two 5x5 convolutions, each max-pooled then ReLU, and two linear layers (LeNet-5 as Caffe has it).
pub fn lenet_5(g: &mut Graph, arch: &Architecture) -> Result<()> {
    let mut at = 0;
    for (i, channels) in [20, 50].into_iter().enumerate() {
        at = g.conv(at, &format!("conv{}", i + 1), arch.channels(channels), [5, 1, 0], true, TORCH)?;
        at = g.max_pool2(at)?;
        at = g.relu(at);
    }
    at = g.linear(at, "fc3", arch.channels(500), true);
    at = g.relu(at);
    g.linear(at, "fc4", g.classes, true);
    Ok(())
}

/// AlexNet for small images, as SNIP has it: a stride of 2 in every convolution and no pooling (what a larger image leaves
/// above 1x1 is averaged). `hidden`: width of its two linear layers.
pub fn alexnet(g: &mut Graph, arch: &Architecture, hidden: usize) -> Result<()> {
    let mut at = 0;
    for (i, (channels, k, pad)) in [(96, 11, 2), (256, 5, 2), (384, 3, 1), (384, 3, 1), (256, 3, 1)].into_iter().enumerate() {
        at = g.conv(at, &format!("features.{}", 3 * i), arch.channels(channels), [k, 2, pad], true, TORCH)?;
        at = g.batchnorm(at, &format!("features.{}", 3 * i + 1), None, true);
    }
    at = to_one_pixel(g, at);
    for i in [0, 3] {
        at = g.linear(at, &format!("classifier.{i}"), arch.channels(hidden), true);
        at = g.batchnorm(at, &format!("classifier.{}", i + 1), None, true);
    }
    g.linear(at, "classifier.6", g.classes, true);
    Ok(())
}

/// Averages what is more than one pixel.
pub fn to_one_pixel(g: &mut Graph, at: NodeId) -> NodeId {
    match g.extent(at) {
        (_, 1, 1) => at,
        _ => g.global_avg_pool(at),
    }
}
