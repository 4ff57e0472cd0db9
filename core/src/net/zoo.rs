//! The models, by name. Names of modules are PyTorch's, so that published weights load and ours load there.
//!
//! Parameter and multiply-accumulate counts are those of the reference and are tested.

use super::graph::{Graph, Init, NodeId};
use crate::error::Result;
use crate::named_enum;

named_enum! {
    /// A network of the zoo.
    pub enum Model ("model") {
        /// Three small convolutions; for tests and phones.
        Tiny = "tiny",
        /// CIFAR ResNet-20 with option-A shortcuts (He et al. 2016, section 4.2).
        ResNet20 = "resnet20",
        /// CIFAR ResNet-32.
        ResNet32 = "resnet32",
        /// CIFAR ResNet-44.
        ResNet44 = "resnet44",
        /// CIFAR ResNet-56.
        ResNet56 = "resnet56",
        /// ResNet18 with a 3x3 stem.
        ResNet18 = "resnet18",
        /// ResNet34 with a 3x3 stem.
        ResNet34 = "resnet34",
        /// VGG16-D with BatchNorm.
        Vgg16 = "vgg16",
        /// Two hidden layers, 1024 and 512.
        Mlp = "mlp",
    }
}

/// What a network is built for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Input {
    /// Channels, height, width.
    pub extent: (usize, usize, usize),
    /// Number of classes.
    pub classes: usize,
    /// Normalisation mean by channel.
    pub mean: [f32; 4],
    /// Normalisation standard deviation by channel.
    pub std: [f32; 4],
}

impl Model {
    /// The network for this input.
    ///
    /// # Errors
    /// `Shape` where the images are too small for it.
    pub fn graph(self, input: Input) -> Result<Graph> {
        let mut graph = Graph::new(input.extent, input.classes, input.mean, input.std);
        match self {
            Self::Tiny => tiny(&mut graph)?,
            Self::ResNet20 => resnet_option_a(&mut graph, 3)?,
            Self::ResNet32 => resnet_option_a(&mut graph, 5)?,
            Self::ResNet44 => resnet_option_a(&mut graph, 7)?,
            Self::ResNet56 => resnet_option_a(&mut graph, 9)?,
            Self::ResNet18 => resnet_basic(&mut graph, [2, 2, 2, 2])?,
            Self::ResNet34 => resnet_basic(&mut graph, [3, 4, 6, 3])?,
            Self::Vgg16 => vgg16(&mut graph)?,
            Self::Mlp => mlp(&mut graph),
        }
        Ok(graph)
    }
}

const KAIMING: Init = Init::KaimingNormalFanIn;

fn tiny(g: &mut Graph) -> Result<()> {
    let mut at = 0;
    for (i, (channels, stride)) in [(16, 1), (32, 2), (64, 2)].into_iter().enumerate() {
        at = g.conv(at, &format!("conv{}", i + 1), channels, [3, stride, 1], false, KAIMING)?;
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

/// The residual of a basic block: conv-bn-relu-conv, without the closing BatchNorm.
fn basic_block(g: &mut Graph, at: NodeId, name: &str, channels: usize, stride: usize) -> Result<NodeId> {
    let conv = g.conv(at, &format!("{name}.conv1"), channels, [3, stride, 1], false, KAIMING)?;
    let bn = g.batchnorm(conv, &format!("{name}.bn1"), None, true);
    g.conv(bn, &format!("{name}.conv2"), channels, [3, 1, 1], false, KAIMING)
}

fn resnet_option_a(g: &mut Graph, blocks: usize) -> Result<()> {
    let conv = g.conv(0, "conv1", 16, [3, 1, 1], false, KAIMING)?;
    let mut at = g.batchnorm(conv, "bn1", None, true);
    let mut from = 16;
    for (stage, channels) in [16, 32, 64].into_iter().enumerate() {
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let name = format!("layer{}.{block}", stage + 1);
            let conv2 = basic_block(g, at, &name, channels, stride)?;
            let shortcut = if stride == 1 && from == channels { at } else { g.shortcut_a(at, channels, stride) };
            at = g.batchnorm(conv2, &format!("{name}.bn2"), Some(shortcut), true);
            from = channels;
        }
    }
    let pooled = g.global_avg_pool(at);
    g.linear(pooled, "linear", g.classes, true);
    Ok(())
}

fn resnet_basic(g: &mut Graph, blocks: [usize; 4]) -> Result<()> {
    let conv = g.conv(0, "conv1", 64, [3, 1, 1], false, KAIMING)?;
    let mut at = g.batchnorm(conv, "bn1", None, true);
    let mut from = 64;
    for (stage, (channels, count)) in [64, 128, 256, 512].into_iter().zip(blocks).enumerate() {
        for block in 0..count {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let name = format!("layer{}.{block}", stage + 1);
            let conv2 = basic_block(g, at, &name, channels, stride)?;
            let shortcut = if stride == 1 && from == channels {
                at
            } else {
                let conv = g.conv(at, &format!("{name}.shortcut.0"), channels, [1, stride, 0], false, KAIMING)?;
                g.batchnorm(conv, &format!("{name}.shortcut.1"), None, false)
            };
            at = g.batchnorm(conv2, &format!("{name}.bn2"), Some(shortcut), true);
            from = channels;
        }
    }
    let pooled = g.global_avg_pool(at);
    g.linear(pooled, "linear", g.classes, false);
    Ok(())
}

fn vgg16(g: &mut Graph) -> Result<()> {
    let (mut at, mut index) = (0, 0);
    for stage in [&[64, 64][..], &[128, 128], &[256, 256, 256], &[512, 512, 512], &[512, 512, 512]] {
        for &channels in stage {
            at = g.conv(at, &format!("features.{index}"), channels, [3, 1, 1], true, Init::TorchDefault)?;
            at = g.batchnorm(at, &format!("features.{}", index + 1), None, true);
            index += 3;
        }
        at = g.max_pool2(at);
        index += 1;
    }
    for i in [0, 3] {
        at = g.linear(at, &format!("classifier.{i}"), 512, true);
        at = g.relu(at);
        at = g.batchnorm(at, &format!("classifier.{}", i + 2), None, false);
    }
    g.linear(at, "classifier.6", g.classes, true);
    Ok(())
}

fn mlp(g: &mut Graph) {
    let mut at = 0;
    for (i, width) in [1024, 512].into_iter().enumerate() {
        at = g.linear(at, &format!("fc{}", i + 1), width, true);
        at = g.relu(at);
    }
    g.linear(at, "fc3", g.classes, true);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn counts(model: Model, classes: usize) -> (u64, usize, f64) {
        let input = Input { extent: (3, 32, 32), classes, mean: [0.0; 4], std: [1.0; 4] };
        let g = model.graph(input).unwrap();
        (g.parameters(), g.weights().len(), g.macs() as f64 / 1e6)
    }

    #[test]
    fn counts_are_the_reference_counts() {
        let close = |m: f64, expected: f64| (m - expected).abs() < 0.05 + 1e-9;
        let (p, t, m) = counts(Model::ResNet18, 10);
        assert_eq!((p, t), (11_173_952, 21));
        assert!(close(m, 555.4), "{m}");
        let (p, t, m) = counts(Model::ResNet34, 100);
        assert_eq!((p, t), (21_328_192, 37));
        assert!(close(m, 1159.4), "{m}");
        let (p, t, m) = counts(Model::Vgg16, 10);
        assert_eq!((p, t), (15_255_626, 16));
        assert!(close(m, 313.7), "{m}");
        assert_eq!(counts(Model::Mlp, 10).0, 3_676_682);
        // He et al. 2016, table 6, in units of 0.01 M.
        for (model, hundredths) in [(Model::ResNet20, 27), (Model::ResNet32, 46), (Model::ResNet44, 66), (Model::ResNet56, 85)] {
            let (p, _, _) = counts(model, 10);
            assert!((p as f64 / 1e4 - f64::from(hundredths)).abs() < 0.99, "{model}: {p}");
        }
        assert_eq!(counts(Model::ResNet20, 10).0, 269_722);
    }
}
