//! The models, by name. Names of modules are PyTorch's, so that published weights load and ours load there.
//!
//! Parameter and multiply-accumulate counts are those of the reference and are tested. One file a family.

mod resnet;
mod small;
mod vgg;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::graph::Graph;
use crate::error::{Error, Result};
use crate::formats;
use crate::names::{bare, named_enum, serde_as_text};
pub use small::golden_net;

/// Defines [`Model`]: the networks with a name of their own, and WideResNets by numbers.
macro_rules! models {
    ($($(#[doc = $doc:literal])* $variant:ident = $text:literal),+ $(,)?) => {
        /// A network of the zoo. Text form: its name, e.g. `resnet20`, `wrn-16-4`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Model {
            $($(#[doc = $doc])* $variant,)+
            /// WideResNet of this depth (6n + 4) and this many times the channels.
            Wide {
                /// Number of layers, shortcuts not counted.
                depth: u8,
                /// Widening factor.
                factor: u8,
            },
        }
        const NAMED: &[(Model, &str)] = &[$((Model::$variant, $text)),+];
        impl Model {
            /// What it is, in the words of its documentation.
            pub fn doc(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),*).trim_ascii(),)+
                    Self::Wide { .. } => "WideResNet, pre-activation: depth, then how many times the channels (Zagoruyko and Komodakis 2016).",
                }
            }
            /// Every named network, and a few WideResNets.
            pub const ALL: &'static [Self] = &[
                $(Self::$variant,)+
                Self::Wide { depth: 16, factor: 4 },
                Self::Wide { depth: 22, factor: 2 },
                Self::Wide { depth: 28, factor: 10 },
            ];
        }
    };
}

models! {
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
    /// ResNet18 for small images.
    ResNet18 = "resnet18",
    /// ResNet34 for small images.
    ResNet34 = "resnet34",
    /// ResNet50 for small images, with bottlenecks.
    ResNet50 = "resnet50",
    /// VGG16-D with BatchNorm.
    Vgg16 = "vgg16",
    /// VGG16-C: 1x1 convolutions at the end of the last three stages.
    Vgg16C = "vgg16-c",
    /// VGG16-D with one hidden linear layer instead of two.
    Vgg16Like = "vgg16-like",
    /// VGG19 with one linear layer.
    Vgg19 = "vgg19",
    /// AlexNet with linear layers of 1024.
    AlexNetS = "alexnet-s",
    /// AlexNet with linear layers of 2048.
    AlexNetB = "alexnet-b",
    /// Two hidden layers, 300 and 100, over 28x28x1.
    LeNet300 = "lenet-300-100",
    /// LeNet-5 as Caffe has it, over 28x28x1.
    LeNet5 = "lenet-5",
    /// Two hidden layers, 1024 and 512.
    Mlp = "mlp",
}

impl Model {
    /// The network at its own width for this input.
    ///
    /// # Errors
    /// As [`Architecture::graph`].
    pub fn graph(self, input: Input) -> Result<Graph> {
        Architecture::from(self).graph(input)
    }
    /// Extent (channels, height, width) of the images it was made for; most take others too.
    pub fn usual_extent(self) -> (usize, usize, usize) {
        match self {
            Self::LeNet300 | Self::LeNet5 => (1, 28, 28),
            Self::Tiny
            | Self::ResNet20
            | Self::ResNet32
            | Self::ResNet44
            | Self::ResNet56
            | Self::ResNet18
            | Self::ResNet34
            | Self::ResNet50
            | Self::Wide { .. }
            | Self::Vgg16
            | Self::Vgg16C
            | Self::Vgg16Like
            | Self::Vgg19
            | Self::AlexNetS
            | Self::AlexNetB
            | Self::Mlp => (3, 32, 32),
        }
    }
    /// The text forms of [`Self::ALL`] and the rule for the rest, for help texts and messages.
    pub fn valid_names() -> String {
        let names: Vec<String> = Self::ALL.iter().map(ToString::to_string).collect();
        format!("{} or any wrn-D-K with D = 6n + 4", names.join(", "))
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wide { depth, factor } => f.pad(&format!("wrn-{depth}-{factor}")),
            named => f.pad(NAMED.iter().find(|(m, _)| m == named).map_or("", |(_, name)| name)),
        }
    }
}

impl FromStr for Model {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        let lower = s.to_ascii_lowercase();
        let wide = || {
            let (depth, factor) = lower.strip_prefix("wrn-")?.split_once('-')?;
            let (depth, factor): (u8, u8) = (depth.parse().ok()?, factor.parse().ok()?);
            let valid = (10..=100).contains(&depth) && (depth - 4).is_multiple_of(6) && (1..=20).contains(&factor);
            valid.then_some(Self::Wide { depth, factor })
        };
        let named = NAMED.iter().find(|(_, name)| bare(name) == bare(s)).map(|(model, _)| *model);
        named.or_else(wide).ok_or_else(|| Error::unknown_name("model", s, Self::valid_names()))
    }
}

serde_as_text!(Model);

named_enum! {
    /// How a ResNet begins.
    pub enum Stem ("stem") {
        /// Large for images of 64 pixels and up, else small.
        Auto = "auto",
        /// A 3x3 convolution.
        Small = "small",
        /// A 7x7 convolution with a stride of 2, as for Tiny ImageNet.
        Large = "large",
    }
}

impl Stem {
    /// Whether it is the large one, for images of this many pixels a side.
    fn is_large(self, side: usize) -> bool {
        match self {
            Self::Auto => side >= 64,
            Self::Small => false,
            Self::Large => true,
        }
    }
}

/// A model at a width, and how it begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Architecture {
    /// The network.
    pub model: Model,
    /// Factor on every hidden number of channels; the result is rounded to a multiple of 4, at least 4. 1 changes nothing.
    pub width: f32,
    /// First convolution of a ResNet; other models have no choice.
    pub stem: Stem,
    /// A bias in the classifier of ResNet18, 34 and 50; other models have one in any case.
    pub classifier_bias: bool,
    /// Shortcuts of ResNet-20, 32, 44 and 56 that change the extent are projections (option B), not padded with zeros (option A);
    /// other models have no choice.
    pub projections: bool,
}

impl From<Model> for Architecture {
    fn from(model: Model) -> Self {
        Self { model, width: 1.0, stem: Stem::Auto, classifier_bias: false, projections: false }
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

impl Architecture {
    /// The widths there are.
    pub const WIDTHS: std::ops::RangeInclusive<f32> = 0.01..=8.0;

    /// A hidden number of channels at this width.
    fn channels(&self, own: usize) -> usize {
        if self.width == 1.0 {
            return own;
        }
        let quarter = (own as f32 * self.width / 4.0).round() as usize;
        4 * quarter.max(1)
    }

    /// What its checkpoints say of it: keys and values of their metadata.
    pub fn metadata(&self) -> Vec<(&'static str, String)> {
        let mut out = vec![
            (formats::MODEL, self.model.to_string()),
            (formats::WIDTH, self.width.to_string()),
            (formats::STEM, self.stem.to_string()),
        ];
        let set = [(formats::CLASSIFIER_BIAS, self.classifier_bias), (formats::PROJECTIONS, self.projections)];
        out.extend(set.into_iter().filter(|(_, set)| *set).map(|(key, _)| (key, true.to_string())));
        out
    }
    /// What the metadata of a checkpoint say; what they leave out is as it was before it could be said.
    ///
    /// # Errors
    /// `Format` for a value that is none, `UnknownName` for one that is not known; `file` names the checkpoint.
    pub fn from_metadata(metadata: &BTreeMap<String, String>, file: &str) -> Result<Self> {
        let said = |key: &str| metadata.get(key).map(String::as_str);
        let wrong =
            |key: &str, kind: &str, found: &str| Error::format(format_args!("{file}, metadata '{key}'"), kind, format_args!("'{found}'"));
        let model = said(formats::MODEL).ok_or_else(|| Error::format(file, format_args!("the metadata '{}'", formats::MODEL), "none"))?;
        let mut architecture = Self::from(model.parse::<Model>()?);
        if let Some(width) = said(formats::WIDTH) {
            architecture.width = width.parse().map_err(|_| wrong(formats::WIDTH, "a number", width))?;
        }
        if let Some(stem) = said(formats::STEM) {
            architecture.stem = stem.parse()?;
        }
        let truth = |key: &'static str| said(key).map_or(Ok(false), |text| text.parse().map_err(|_| wrong(key, "true or false", text)));
        architecture.classifier_bias = truth(formats::CLASSIFIER_BIAS)?;
        architecture.projections = truth(formats::PROJECTIONS)?;
        Ok(architecture)
    }

    /// Refuses a choice that the model does not have.
    fn check_choices(&self) -> Result<()> {
        let Self { model, .. } = self;
        if self.classifier_bias && !self.has_bias_choice() {
            return Err(Error::config(format!(
                "classifier_bias: only resnet18, resnet34 and resnet50 have a choice, and {model} has a bias anyway; leave it at false"
            )));
        }
        if self.projections && !self.has_projection_choice() {
            return Err(Error::config(format!(
                "projections: only resnet20, resnet32, resnet44 and resnet56 have a choice, and {model} is none; leave it at false"
            )));
        }
        Ok(())
    }
    /// Whether [`Self::classifier_bias`] is a choice.
    pub fn has_bias_choice(&self) -> bool {
        matches!(self.model, Model::ResNet18 | Model::ResNet34 | Model::ResNet50)
    }
    /// Whether [`Self::projections`] is a choice.
    pub fn has_projection_choice(&self) -> bool {
        matches!(self.model, Model::ResNet20 | Model::ResNet32 | Model::ResNet44 | Model::ResNet56)
    }

    /// The network for this input.
    ///
    /// # Errors
    /// `Shape` where the images are too small for it; `Config` where it takes no such images, or has no such width or stem.
    pub fn graph(&self, input: Input) -> Result<Graph> {
        if !Self::WIDTHS.contains(&self.width) {
            let (low, high) = Self::WIDTHS.into_inner();
            return Err(Error::config(format!("width must be from {low} to {high}, found {}", self.width)));
        }
        let mut graph = Graph::new(input.extent, input.classes, input.mean, input.std);
        let g = &mut graph;
        let residual = matches!(
            self.model,
            Model::ResNet20
                | Model::ResNet32
                | Model::ResNet44
                | Model::ResNet56
                | Model::ResNet18
                | Model::ResNet34
                | Model::ResNet50
                | Model::Wide { .. }
        );
        if self.stem != Stem::Auto && !residual {
            let Self { model, stem, .. } = self;
            return Err(Error::config(format!("stem {stem}: only ResNets have a choice, and {model} is none; use auto")));
        }
        self.check_choices()?;
        match self.model {
            Model::Tiny => small::tiny(g, self)?,
            Model::ResNet20 => resnet::option_a(g, self, 3)?,
            Model::ResNet32 => resnet::option_a(g, self, 5)?,
            Model::ResNet44 => resnet::option_a(g, self, 7)?,
            Model::ResNet56 => resnet::option_a(g, self, 9)?,
            Model::ResNet18 => resnet::projected(g, self, [2, 2, 2, 2], false)?,
            Model::ResNet34 => resnet::projected(g, self, [3, 4, 6, 3], false)?,
            Model::ResNet50 => resnet::projected(g, self, [3, 4, 6, 3], true)?,
            Model::Wide { depth, factor } => resnet::wide(g, self, usize::from(depth).saturating_sub(4) / 6, factor.into())?,
            Model::Vgg16 => vgg::vgg16(g, self, vgg::Vgg16::D)?,
            Model::Vgg16C => vgg::vgg16(g, self, vgg::Vgg16::C)?,
            Model::Vgg16Like => vgg::vgg16(g, self, vgg::Vgg16::Like)?,
            Model::Vgg19 => vgg::vgg19(g, self)?,
            Model::AlexNetS => small::alexnet(g, self, 1024)?,
            Model::AlexNetB => small::alexnet(g, self, 2048)?,
            Model::LeNet5 => {
                small::mnist_only(g, self.model)?;
                small::lenet_5(g, self)?;
            }
            Model::LeNet300 => {
                small::mnist_only(g, self.model)?;
                small::mlp(g, self, &[300, 100]);
            }
            Model::Mlp => small::mlp(g, self, &[1024, 512]),
        }
        Ok(graph)
    }
}

#[cfg(test)]
mod tests;
