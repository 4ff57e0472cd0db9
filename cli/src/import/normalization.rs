//! What buffers of a file say of the normalisation of its input.
//!
//! A network that normalises by itself keeps the mean and the deviation among its weights; another normalisation before it would be
//! wrong by several per cent, in silence.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use sparring_core::data::{MeanStd, Normalization};
use sparring_core::formats::Tensor;

/// Published constants are rounded to three or four digits.
const ROUNDING: f32 = 0.002;

/// A mean and a deviation by channel.
#[derive(Debug, PartialEq)]
pub struct Told {
    mean: Vec<f32>,
    std: Vec<f32>,
    /// The normalisation that has these, if one has.
    name: Option<Normalization>,
}

/// What means and deviations are called.
const PAIRS: [[&str; 2]; 2] = [["mean", "std"], ["mu", "sigma"]];

/// The first mean and deviation of an image's channels among tensors.
pub fn told(tensors: &BTreeMap<String, Tensor>) -> Option<Told> {
    let channels = |tensor: &Tensor| matches!(tensor.data.len(), 1 | 3);
    let pairs = tensors.iter().flat_map(|(name, mean)| PAIRS.map(|pair| (name, mean, pair)));
    pairs.into_iter().find_map(|(name, mean, [mean_name, std_name])| {
        let stem = name.strip_suffix(mean_name).filter(|stem| stem.is_empty() || stem.ends_with(['.', '_']))?;
        // A BatchNorm's over few channels.
        if stem.ends_with("running_") || !channels(mean) {
            return None;
        }
        let std = tensors.get(&format!("{stem}{std_name}")).filter(|std| std.data.len() == mean.data.len())?;
        // Pixels from 0 to 255.
        let scale = if mean.data.iter().chain(&std.data).any(|v| *v > 1.5) { 1.0 / 255.0 } else { 1.0 };
        let scaled = |tensor: &Tensor| tensor.data.iter().map(|v| v * scale).collect::<Vec<f32>>();
        let (mean, std) = (scaled(mean), scaled(std));
        let same = |theirs: &[f32], ours: [f32; 4]| theirs.iter().zip(ours).all(|(a, b)| (a - b).abs() < ROUNDING);
        let fits = |normalization: &Normalization| {
            let (m, s) = normalization.mean_std();
            let grey = s[1..] == [1.0; 3];
            grey == (mean.len() == 1) && same(&mean, m) && same(&std, s)
        };
        let name = Normalization::ALL.iter().copied().find(fits);
        Some(Told { mean, std, name })
    })
}

impl Told {
    /// The normalisation they are: one with a name, else one's own.
    ///
    /// # Errors
    /// Where they are none that pixels can have.
    pub fn normalization(&self) -> Result<Normalization> {
        let own = || {
            let advice = "the file's buffers are no normalisation of pixels: --normalization NAME, or --mean and --std, say which it is";
            MeanStd::new(&self.mean, &self.std).map(Normalization::Own).map_err(|e| anyhow!("{advice} ({e})"))
        };
        self.name.map_or_else(own, Ok)
    }
    /// What to say about it, `asked` being what the user named and `taken` what is stored.
    pub fn note(&self, asked: Option<Normalization>, taken: Normalization) -> Option<String> {
        let values = format!("mean {:?} and deviation {:?}", self.mean, self.std);
        match (self.name, asked) {
            (Some(name), None) => Some(format!("the file's buffers say {name} normalisation ({values}), which is taken")),
            (Some(name), Some(asked)) if name == asked => None,
            (Some(name), Some(asked)) => {
                Some(format!("the file's buffers say {name} normalisation ({values}); {asked} is taken, as asked"))
            }
            (None, None) => Some(format!("the file's buffers say {values}, which is taken")),
            (None, Some(_)) => Some(format!("the file's buffers say {values}; {taken} is taken, as asked")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn state(all: &[(&str, &[f32])]) -> BTreeMap<String, Tensor> {
        all.iter().map(|(name, data)| ((*name).to_owned(), Tensor { shape: vec![1, data.len(), 1, 1], data: data.to_vec() })).collect()
    }

    #[test]
    fn buffers_tell_the_normalisation() {
        let imagenet = [("0.mean", &[0.485, 0.456, 0.406][..]), ("0.std", &[0.229, 0.224, 0.225][..])];
        let told_of = told(&state(&imagenet)).unwrap();
        assert_eq!(told_of.name, Some(Normalization::ImageNet));
        assert!(told_of.note(None, Normalization::ImageNet).unwrap().contains("say imagenet"));
        assert_eq!(told_of.note(Some(Normalization::ImageNet), Normalization::ImageNet), None);
        assert!(told_of.note(Some(Normalization::Cifar10), Normalization::Cifar10).unwrap().contains("cifar10 is taken, as asked"));
        let bytes = [("pixel_mean", &[123.675, 116.28, 103.53][..]), ("pixel_std", &[58.395, 57.12, 57.375][..])];
        assert_eq!(told(&state(&bytes)).unwrap().name, Some(Normalization::ImageNet));
        assert_eq!(told(&state(&[("mean", &[0.1307]), ("std", &[0.3081])])).unwrap().name, Some(Normalization::Mnist));
        let other = told(&state(&[("mean", &[0.1, 0.2, 0.3]), ("std", &[1.0; 3])])).unwrap();
        let own = other.normalization().unwrap();
        assert_eq!(own.to_string(), "mean:0.1,0.2,0.3;std:1,1,1");
        assert!(other.note(None, own).unwrap().ends_with("which is taken"));
        assert!(other.note(Some(Normalization::Cifar10), Normalization::Cifar10).unwrap().contains("cifar10 is taken, as asked"));
        // Another program's deviations of CIFAR-10, under other names.
        let theirs = told(&state(&[("0.mu", &[0.4914, 0.4822, 0.4465]), ("0.sigma", &[0.2471, 0.2435, 0.2616])])).unwrap();
        assert!(theirs.normalization().unwrap().to_string().contains("0.2471"));
        for wrong in [[0.0, 0.2, 0.2], [f32::NAN, 0.2, 0.2]] {
            let told = told(&state(&[("mean", &[0.5, 0.5, 0.5]), ("std", &wrong)])).unwrap();
            assert!(told.normalization().unwrap_err().to_string().contains("--mean and --std"));
        }
    }

    #[test]
    fn statistics_of_layers_are_not_the_inputs() {
        assert_eq!(told(&state(&[("bn1.running_mean", &[0.5; 3]), ("bn1.running_std", &[0.5; 3])])), None);
        assert_eq!(told(&state(&[("mean", &[0.5; 16]), ("std", &[0.5; 16])])), None);
        assert_eq!(told(&state(&[("mean", &[0.5; 3])])), None);
    }
}
