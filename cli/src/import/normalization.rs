//! What buffers of a file say of the normalisation of its input.
//!
//! A network that normalises by itself keeps the mean and the deviation among its weights; another normalisation before it would be
//! wrong by several per cent, in silence.

use std::collections::BTreeMap;

use sparring_core::data::Normalization;
use sparring_core::formats::Tensor;

/// Published constants are rounded to three or four digits.
const ROUNDING: f32 = 0.002;

/// A mean and a deviation by channel.
#[derive(Debug, PartialEq)]
pub struct Told {
    mean: Vec<f32>,
    std: Vec<f32>,
    /// The normalisation that has these, if one has.
    pub name: Option<Normalization>,
}

/// The first mean and deviation of an image's channels among tensors.
pub fn told(tensors: &BTreeMap<String, Tensor>) -> Option<Told> {
    let channels = |tensor: &Tensor| matches!(tensor.data.len(), 1 | 3);
    tensors.iter().find_map(|(name, mean)| {
        let stem = name.strip_suffix("mean").filter(|stem| stem.is_empty() || stem.ends_with(['.', '_']))?;
        // A BatchNorm's over few channels.
        if stem.ends_with("running_") || !channels(mean) {
            return None;
        }
        let std = tensors.get(&format!("{stem}std")).filter(|std| std.data.len() == mean.data.len())?;
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
    /// What to say about it, `asked` being what the user named and `taken` what is stored.
    pub fn note(&self, asked: Option<Normalization>, taken: Normalization) -> Option<String> {
        let values = format!("mean {:?} and deviation {:?}", self.mean, self.std);
        match (self.name, asked) {
            (Some(name), None) => Some(format!("the file's buffers say {name} normalisation ({values}), which is taken")),
            (Some(name), Some(asked)) if name == asked => None,
            (Some(name), Some(asked)) => {
                Some(format!("the file's buffers say {name} normalisation ({values}); {asked} is taken, as asked"))
            }
            (None, _) => Some(format!("the file's buffers say {values}, which no normalisation here has; {taken} is taken")),
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
        assert!(other.name.is_none() && other.note(None, Normalization::Cifar10).unwrap().contains("no normalisation here"));
    }

    #[test]
    fn statistics_of_layers_are_not_the_inputs() {
        assert_eq!(told(&state(&[("bn1.running_mean", &[0.5; 3]), ("bn1.running_std", &[0.5; 3])])), None);
        assert_eq!(told(&state(&[("mean", &[0.5; 16]), ("std", &[0.5; 16])])), None);
        assert_eq!(told(&state(&[("mean", &[0.5; 3])])), None);
    }
}
