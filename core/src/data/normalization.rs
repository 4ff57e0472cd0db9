//! What a network's input is normalised by: constants with a name, or one's own.
//!
//! It belongs to trained weights as much as they do, and to a number of channels: constants of colour over grey images would give numbers
//! that are wrong and look right.

use std::fmt;
use std::str::FromStr;

use super::DatasetName;
use crate::error::{Error, Result};
use crate::names::{named, serde_as_text};
use crate::platform::parse_f64;

/// Mean and standard deviation by channel, of pixels in 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanStd {
    channels: usize,
    mean: [f32; 4],
    std: [f32; 4],
}

impl MeanStd {
    /// One number a channel.
    ///
    /// # Errors
    /// `Config` where they are not as many, or none that pixels in 0..=1 can have.
    pub fn new(mean: &[f32], std: &[f32]) -> Result<Self> {
        let channels = mean.len();
        if channels != std.len() || !(1..=4).contains(&channels) {
            return Err(Error::config(format!(
                "mean and std take one number a channel each, 1 to 4 of them: found {channels} and {}",
                std.len()
            )));
        }
        // Written so that NaN fails.
        if !mean.iter().all(|m| (0.0..=1.0).contains(m)) || !std.iter().all(|s| *s > 0.0 && *s <= 1.0) {
            return Err(Error::config(format!(
                "mean and std are of pixels from 0 to 1, the std above 0; those of bytes are to be divided by 255: found mean {} and std {}",
                list(mean),
                list(std)
            )));
        }
        let four = |values: &[f32], rest: f32| std::array::from_fn(|c| values.get(c).copied().unwrap_or(rest));
        Ok(Self { channels, mean: four(mean, 0.0), std: four(std, 1.0) })
    }
}

fn list(values: &[f32]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Mean and standard deviation that a network's input is normalised by. Text form: a name, or `mean:0.5,0.4,0.3;std:0.2,0.2,0.2`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Normalization {
    /// CIFAR-10's own.
    Cifar10,
    /// CIFAR-100's own.
    Cifar100,
    /// Tiny ImageNet's own.
    TinyImageNet,
    /// ImageNet's, which many published CIFAR networks were trained with.
    ImageNet,
    /// The built-in set's at its default difficulty.
    BuiltIn,
    /// The grey built-in set's at its default difficulty.
    BuiltInGrey,
    /// MNIST's own.
    Mnist,
    /// Pixels as they are, 0 to 1.
    None,
    /// Mean and standard deviation a half: pixels from -1 to 1.
    Half,
    /// One's own.
    Own(MeanStd),
}

impl Normalization {
    /// Every one with a name.
    pub const ALL: &'static [Self] = &[
        Self::Cifar10,
        Self::Cifar100,
        Self::TinyImageNet,
        Self::ImageNet,
        Self::BuiltIn,
        Self::BuiltInGrey,
        Self::Mnist,
        Self::None,
        Self::Half,
    ];
    const NAMES: &'static [&'static str] =
        &["cifar10", "cifar100", "tinyimagenet", "imagenet", "builtin", "builtin-grey", "mnist", "none", "half"];

    /// The names, for help texts.
    pub fn valid_names() -> String {
        Self::NAMES.join(", ")
    }

    /// (mean, standard deviation) by channel, pixels in 0..=1. Channels beyond its own are left as they are.
    pub fn mean_std(self) -> ([f32; 4], [f32; 4]) {
        let grey = |mean: f32, std: f32| ([mean, 0.0, 0.0, 0.0], [std, 1.0, 1.0, 1.0]);
        let (m, s) = match self {
            Self::Cifar10 => ([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]),
            Self::Cifar100 => ([0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762]),
            Self::TinyImageNet => ([0.4802, 0.4481, 0.3975], [0.2302, 0.2265, 0.2262]),
            Self::ImageNet => ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            Self::BuiltIn => ([0.3334, 0.3334, 0.3279], [0.1892, 0.1921, 0.1849]),
            Self::BuiltInGrey => return grey(0.4626, 0.2148),
            Self::Mnist => return grey(0.1307, 0.3081),
            Self::None => return ([0.0; 4], [1.0; 4]),
            Self::Half => return ([0.5; 4], [0.5; 4]),
            Self::Own(MeanStd { mean, std, .. }) => return (mean, std),
        };
        ([m[0], m[1], m[2], 0.0], [s[0], s[1], s[2], 1.0])
    }

    /// The channels it is of; `None` where any number will do.
    pub fn channels(self) -> Option<usize> {
        match self {
            Self::Cifar10 | Self::Cifar100 | Self::TinyImageNet | Self::ImageNet | Self::BuiltIn => Some(3),
            Self::BuiltInGrey | Self::Mnist => Some(1),
            Self::None | Self::Half => None,
            Self::Own(own) => Some(own.channels),
        }
    }

    /// What weights of unknown origin are most likely to have been trained with, by the channels of their input: CIFAR-10's in colour,
    /// MNIST's in grey.
    ///
    /// # Errors
    /// `Config` for another number of channels.
    pub fn usual(channels: usize) -> Result<Self> {
        match channels {
            3 => Ok(Self::Cifar10),
            1 => Ok(Self::Mnist),
            other => Err(Error::config(format!("there is no usual normalization of {other} channels; give none, half, or a mean and std"))),
        }
    }

    /// Checks that it is of so many channels.
    ///
    /// # Errors
    /// `Config` that names one that is.
    pub fn check(self, channels: usize) -> Result<()> {
        let (Some(own), true) = (self.channels(), self.channels() != Some(channels)) else { return Ok(()) };
        let fitting: Vec<String> =
            Self::ALL.iter().filter(|n| n.channels().is_none_or(|of| of == channels)).map(ToString::to_string).collect();
        Err(Error::config(format!(
            "normalization {self} is of {own} {}, and the images have {channels}; those that fit: {}, or a mean and std of one's own",
            if own == 1 { "channel" } else { "channels" },
            fitting.join(", ")
        )))
    }
}

impl DatasetName {
    /// What its images are normalised by. A folder of pictures takes ImageNet's, which holds for photographs in general.
    pub fn normalization(self) -> Normalization {
        match self {
            Self::Cifar10 => Normalization::Cifar10,
            Self::Cifar100 | Self::Cifar100Coarse => Normalization::Cifar100,
            Self::TinyImageNet => Normalization::TinyImageNet,
            Self::Mnist => Normalization::Mnist,
            Self::Folder => Normalization::ImageNet,
            Self::BuiltIn => Normalization::BuiltIn,
            Self::BuiltInGrey => Normalization::BuiltInGrey,
        }
    }
}

impl fmt::Display for Normalization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(MeanStd { channels, mean, std }) => write!(f, "mean:{};std:{}", list(&mean[..*channels]), list(&std[..*channels])),
            known => f.pad(Self::ALL.iter().position(|n| n == known).map_or("", |i| Self::NAMES[i])),
        }
    }
}

impl FromStr for Normalization {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        let numbers = |text: &str| text.split(',').map(|n| parse_f64(n.trim()).map(|n| n as f32)).collect::<Option<Vec<f32>>>();
        if let Some((mean, std)) = s.strip_prefix("mean:").and_then(|rest| rest.split_once(";std:")) {
            let (Some(mean), Some(std)) = (numbers(mean), numbers(std)) else {
                return Err(Error::config(format!("normalization '{s}': expected numbers, like mean:0.5,0.4,0.3;std:0.2,0.2,0.2")));
            };
            return MeanStd::new(&mean, &std).map(Self::Own);
        }
        Ok(Self::ALL[named("normalization", s, Self::NAMES)?])
    }
}

serde_as_text!(Normalization);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn normalization_by_name() {
        assert_eq!("ImageNet".parse::<Normalization>().unwrap().mean_std().0, [0.485, 0.456, 0.406, 0.0]);
        assert_eq!("mnist".parse::<Normalization>().unwrap().mean_std(), ([0.1307, 0.0, 0.0, 0.0], [0.3081, 1.0, 1.0, 1.0]));
        for name in DatasetName::ALL {
            let (_, std) = name.normalization().mean_std();
            assert!(std.iter().all(|s| *s > 0.0), "{name}");
        }
        assert!("cifar".parse::<Normalization>().unwrap_err().to_string().contains("cifar100"));
        assert_eq!(Normalization::ALL.len(), Normalization::NAMES.len());
        for normalization in Normalization::ALL {
            assert_eq!(normalization.to_string().parse::<Normalization>().unwrap(), *normalization);
        }
        assert_eq!("none".parse::<Normalization>().unwrap().mean_std(), ([0.0; 4], [1.0; 4]));
        assert_eq!("half".parse::<Normalization>().unwrap().mean_std(), ([0.5; 4], [0.5; 4]));
    }

    #[test]
    fn ones_own_survives_as_text() {
        let own = Normalization::Own(MeanStd::new(&[0.1, 0.492_1, 1.0 / 3.0], &[0.2, 0.25, 0.3]).unwrap());
        assert_eq!(own.to_string().parse::<Normalization>().unwrap(), own);
        assert_eq!((own.channels(), own.mean_std().0[3], own.mean_std().1[3]), (Some(3), 0.0, 1.0));
        let grey: Normalization = "mean:0.5;std:0.25".parse().unwrap();
        assert_eq!((grey.channels(), grey.mean_std().0[0]), (Some(1), 0.5));
        let refused = |text: &str| text.parse::<Normalization>().unwrap_err().to_string();
        assert!(refused("mean:0.5,0.5;std:0.25").contains("found 2 and 1"));
        assert!(refused("mean:125.3;std:63").contains("divided by 255"));
        assert!(refused("mean:0.5;std:0").contains("above 0") && refused("mean:nan;std:1").contains("from 0 to 1"));
        assert!(refused("mean:x;std:1").contains("expected numbers") && refused("mean:0.5").contains("cifar100"));
    }

    #[test]
    fn channels_are_checked_and_have_a_usual_one() {
        assert_eq!((Normalization::usual(3).unwrap(), Normalization::usual(1).unwrap()), (Normalization::Cifar10, Normalization::Mnist));
        assert!(Normalization::usual(2).is_err());
        for channels in [1, 2, 3, 4] {
            Normalization::None.check(channels).unwrap();
            Normalization::Half.check(channels).unwrap();
        }
        Normalization::Cifar10.check(3).unwrap();
        let message = Normalization::Cifar10.check(1).unwrap_err().to_string();
        assert!(message.contains("is of 3 channels, and the images have 1") && message.contains("mnist, none, half"), "{message}");
        assert!(Normalization::Mnist.check(3).unwrap_err().to_string().contains("is of 1 channel,"));
    }
}
