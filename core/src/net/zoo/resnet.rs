//! Residual networks: option-A shortcuts, basic and bottleneck blocks with projections, and pre-activation (WideResNet).

use super::Architecture;
use crate::error::Result;
use crate::net::graph::{Graph, Init, NodeId};

const KAIMING: Init = Init::KaimingNormalFanIn;
const FAN_OUT: Init = Init::KaimingNormalFanOut;

/// The first convolution: 3x3, or 7x7 with a stride of 2 where images are large.
fn stem(g: &mut Graph, arch: &Architecture, channels: usize, init: Init) -> Result<NodeId> {
    let (_, h, w) = g.extent(0);
    let geometry = if arch.stem.is_large(h.min(w)) { [7, 2, 3] } else { [3, 1, 1] };
    g.conv(0, "conv1", channels, geometry, false, init)
}

/// The residual of a basic block: conv-bn-relu-conv, without the closing BatchNorm.
fn basic_block(g: &mut Graph, at: NodeId, name: &str, channels: usize, stride: usize) -> Result<NodeId> {
    let conv = g.conv(at, &format!("{name}.conv1"), channels, [3, stride, 1], false, KAIMING)?;
    let bn = g.batchnorm(conv, &format!("{name}.bn1"), None, true);
    g.conv(bn, &format!("{name}.conv2"), channels, [3, 1, 1], false, KAIMING)
}

/// The residual of a bottleneck block: 1x1, 3x3 (with the stride), 1x1 to four times the channels.
fn bottleneck(g: &mut Graph, at: NodeId, name: &str, channels: usize, stride: usize) -> Result<NodeId> {
    let conv = g.conv(at, &format!("{name}.conv1"), channels, [1, 1, 0], false, KAIMING)?;
    let bn = g.batchnorm(conv, &format!("{name}.bn1"), None, true);
    let conv = g.conv(bn, &format!("{name}.conv2"), channels, [3, stride, 1], false, KAIMING)?;
    let bn = g.batchnorm(conv, &format!("{name}.bn2"), None, true);
    g.conv(bn, &format!("{name}.conv3"), 4 * channels, [1, 1, 0], false, KAIMING)
}

/// A shortcut by a 1x1 convolution with BatchNorm (option B).
fn projection(g: &mut Graph, at: NodeId, name: &str, channels: usize, stride: usize) -> Result<NodeId> {
    let conv = g.conv(at, &format!("{name}.shortcut.0"), channels, [1, stride, 0], false, KAIMING)?;
    Ok(g.batchnorm(conv, &format!("{name}.shortcut.1"), None, false))
}

/// ResNets for CIFAR, `blocks` in each of three stages (He et al. 2016, section 4.2).
pub fn option_a(g: &mut Graph, arch: &Architecture, blocks: usize) -> Result<()> {
    let mut from = arch.channels(16);
    let conv = stem(g, arch, from, KAIMING)?;
    let mut at = g.batchnorm(conv, "bn1", None, true);
    for (stage, channels) in [16, 32, 64].map(|c| arch.channels(c)).into_iter().enumerate() {
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let name = format!("layer{}.{block}", stage + 1);
            let conv2 = basic_block(g, at, &name, channels, stride)?;
            let shortcut = match arch.projections {
                _ if stride == 1 && from == channels => at,
                false => g.shortcut_a(at, channels, stride),
                true => projection(g, at, &name, channels, stride)?,
            };
            at = g.batchnorm(conv2, &format!("{name}.bn2"), Some(shortcut), true);
            from = channels;
        }
    }
    let pooled = g.global_avg_pool(at);
    g.linear(pooled, "linear", g.classes, true);
    Ok(())
}

/// ResNet18, 34 and (with bottlenecks) 50: blocks in each of four stages; no bias in the classifier unless it is asked for.
pub fn projected(g: &mut Graph, arch: &Architecture, blocks: [usize; 4], bottlenecks: bool) -> Result<()> {
    let mut from = arch.channels(64);
    let conv = stem(g, arch, from, KAIMING)?;
    let mut at = g.batchnorm(conv, "bn1", None, true);
    for (stage, (channels, count)) in [64, 128, 256, 512].map(|c| arch.channels(c)).into_iter().zip(blocks).enumerate() {
        for block in 0..count {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let name = format!("layer{}.{block}", stage + 1);
            let (last, out, closing) = if bottlenecks {
                (bottleneck(g, at, &name, channels, stride)?, 4 * channels, "bn3")
            } else {
                (basic_block(g, at, &name, channels, stride)?, channels, "bn2")
            };
            let shortcut = if stride == 1 && from == out { at } else { projection(g, at, &name, out, stride)? };
            at = g.batchnorm(last, &format!("{name}.{closing}"), Some(shortcut), true);
            from = out;
        }
    }
    let pooled = g.global_avg_pool(at);
    g.linear(pooled, "linear", g.classes, arch.classifier_bias);
    Ok(())
}

/// WideResNet (Zagoruyko & Komodakis 2016): pre-activation blocks, `blocks` in each of three stages, `factor` times as wide.
///
/// A block that changes the extent projects its activated input; every other adds the input as it is.
pub fn wide(g: &mut Graph, arch: &Architecture, blocks: usize, factor: usize) -> Result<()> {
    let mut from = arch.channels(16);
    let mut at = stem(g, arch, from, FAN_OUT)?;
    for (stage, channels) in [16, 32, 64].map(|c| arch.channels(c * factor)).into_iter().enumerate() {
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let name = format!("block{}.layer.{block}", stage + 1);
            let active = g.batchnorm(at, &format!("{name}.bn1"), None, true);
            let conv = g.conv(active, &format!("{name}.conv1"), channels, [3, stride, 1], false, FAN_OUT)?;
            let bn = g.batchnorm(conv, &format!("{name}.bn2"), None, true);
            let conv2 = g.conv(bn, &format!("{name}.conv2"), channels, [3, 1, 1], false, FAN_OUT)?;
            at = if stride == 1 && from == channels {
                g.add(at)?
            } else {
                g.conv(active, &format!("{name}.convShortcut"), channels, [1, stride, 0], false, FAN_OUT)?;
                g.add(conv2)?
            };
            from = channels;
        }
    }
    let active = g.batchnorm(at, "bn1", None, true);
    let pooled = g.global_avg_pool(active);
    g.linear_drawn(pooled, "fc", g.classes, true, Init::TorchZeroBias);
    Ok(())
}
