//! Scores of a dataset's samples as a file: two tensors and a run card in one `.safetensors`.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::data::Dataset;
use crate::error::{Error, Result};

/// The one metadata entry: a single key, so that the same scores are always the same bytes.
const METADATA_KEY: &str = "scores";

/// EL2N scores of a dataset's samples, with where they came from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// E.g. "el2n" (squared norm).
    pub name: String,
    /// One a sample of the training file, in its order.
    pub train: Vec<f32>,
    /// One a sample of the test file.
    pub test: Vec<f32>,
    /// How they were made (run card), JSON.
    pub card: String,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    name: String,
    card: String,
}

impl Scores {
    /// The bytes of a `.safetensors` file.
    ///
    /// # Errors
    /// `Format` where the file cannot be written as such.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let broken = |e: &dyn std::fmt::Display| Error::format("scores", "scores that can be written", e);
        let little_endian = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let (train, test) = (little_endian(&self.train), little_endian(&self.test));
        let tensors = [
            ("train", TensorView::new(Dtype::F32, vec![self.train.len()], &train).map_err(|e| broken(&e))?),
            ("test", TensorView::new(Dtype::F32, vec![self.test.len()], &test).map_err(|e| broken(&e))?),
        ];
        let metadata = serde_json::to_string(&Metadata { name: self.name.clone(), card: self.card.clone() }).map_err(|e| broken(&e))?;
        safetensors::serialize(tensors, Some(HashMap::from([(METADATA_KEY.to_owned(), metadata)]))).map_err(|e| broken(&e))
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// `Format` naming `file`, what was expected and found. A score that is not a number is one.
    pub fn from_bytes(file: &str, bytes: &[u8]) -> Result<Self> {
        let broken = |e: &dyn std::fmt::Display| Error::format(file, "a .safetensors file of scores", e);
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| broken(&e))?;
        let Some(metadata) = header.metadata().as_ref().and_then(|m| m.get(METADATA_KEY)) else {
            return Err(broken(&format!("no metadata '{METADATA_KEY}'")));
        };
        let Metadata { name, card } = serde_json::from_str(metadata).map_err(|e| broken(&e))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| broken(&e))?;
        let read = |tensor: &str| {
            let view = tensors.tensor(tensor).map_err(|e| broken(&e))?;
            if view.dtype() != Dtype::F32 || view.shape().len() != 1 {
                return Err(Error::format(
                    format!("{file}: {tensor}"),
                    "F32 of one dimension",
                    format!("{:?} {:?}", view.dtype(), view.shape()),
                ));
            }
            let values: Vec<f32> = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            match values.iter().position(|v| v.is_nan()) {
                Some(i) => Err(Error::format(format!("{file}: {tensor}"), "numbers", format!("NaN at sample {i}"))),
                None => Ok(values),
            }
        };
        Ok(Self { train: read("train")?, test: read("test")?, name, card })
    }

    /// Checks that there is one score a sample of this dataset.
    ///
    /// # Errors
    /// `Config` with both counts.
    pub fn check(&self, data: &Dataset) -> Result<()> {
        let (found, expected) = ((self.train.len(), self.test.len()), (data.train.len(), data.test.len()));
        if found == expected {
            return Ok(());
        }
        Err(Error::Config(format!(
            "scores '{}' are for {} + {} samples, but {} has {} + {}: score this dataset",
            self.name, found.0, found.1, data.name, expected.0, expected.1
        )))
    }

    /// The scores of some samples (indices into the training and the test file), in that order.
    ///
    /// # Errors
    /// `Config` where a sample has no score.
    pub fn gather(&self, train: &[u32], test: &[u32]) -> Result<Self> {
        let pick = |values: &[f32], indices: &[u32]| {
            let score = |i: &u32| {
                values
                    .get(*i as usize)
                    .copied()
                    .ok_or_else(|| Error::Config(format!("scores '{}': sample {i} of {} has none", self.name, values.len())))
            };
            indices.iter().map(score).collect::<Result<Vec<f32>>>()
        };
        Ok(Self { name: self.name.clone(), train: pick(&self.train, train)?, test: pick(&self.test, test)?, card: self.card.clone() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::data::builtin::builtin;

    fn scores() -> Scores {
        Scores { name: "el2n".into(), train: vec![0.5, 1.25, 0.0], test: vec![2.0, f32::INFINITY], card: "{\"epochs\":20}".into() }
    }

    #[test]
    fn round_trip_is_exact_and_bytes_are_stable() {
        let bytes = scores().to_bytes().unwrap();
        assert_eq!(Scores::from_bytes("s", &bytes).unwrap(), scores());
        assert!((0..20).all(|_| scores().to_bytes().unwrap() == bytes));
    }

    #[test]
    fn broken_files_are_named() {
        let bytes = scores().to_bytes().unwrap();
        for end in 0..bytes.len() {
            assert!(Scores::from_bytes("s.safetensors", &bytes[..end]).unwrap_err().to_string().starts_with("s.safetensors: expected"));
        }
        let with_nan = Scores { train: vec![1.0, f32::NAN], ..scores() };
        assert!(Scores::from_bytes("s", &with_nan.to_bytes().unwrap()).unwrap_err().to_string().contains("NaN at sample 1"));
        let bare = safetensors::serialize(Vec::<(&str, TensorView<'_>)>::new(), None).unwrap();
        assert!(Scores::from_bytes("s", &bare).unwrap_err().to_string().contains("no metadata"));
    }

    #[test]
    fn lengths_must_be_the_datasets() {
        scores().check(&builtin(0.5, 3, 2, 1)).unwrap();
        let message = scores().check(&builtin(0.5, 3, 3, 1)).unwrap_err().to_string();
        assert!(message.contains("3 + 2 samples, but builtin has 3 + 3"), "{message}");
    }

    #[test]
    fn gather_follows_a_partial_dataset() {
        let some = scores().gather(&[2, 0], &[1]).unwrap();
        assert_eq!((some.train, some.test), (vec![0.0, 0.5], vec![f32::INFINITY]));
        assert!(scores().gather(&[3], &[]).unwrap_err().to_string().contains("sample 3 of 3 has none"));
    }
}
