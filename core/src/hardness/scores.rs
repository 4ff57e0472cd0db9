//! Scores of a dataset's samples as a file: two tensors a score, the scorer's answers and a run card in one `.safetensors`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ScoreName;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::formats::safetensors::{Content, Entry, write_entries};

/// The one metadata entry: a single key, so that the same scores are always the same bytes.
const METADATA_KEY: &str = "scores";

/// One score of a dataset's samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Which.
    pub score: ScoreName,
    /// One a sample of the training file, in its order.
    pub train: Vec<f32>,
    /// One a sample of the test file; empty where it was not scored.
    pub test: Vec<f32>,
}

/// The classes that the scorer answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// One a sample of the training file.
    pub train: Vec<u16>,
    /// One a sample of the test file.
    pub test: Vec<u16>,
}

/// Scores of a dataset's samples, with where they came from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// At most one of a name.
    pub columns: Vec<Column>,
    /// What the scorer answered (the first of several), where it is known.
    pub answers: Option<Answers>,
    /// How they were made (run card), JSON.
    pub card: String,
}

/// `name` stands alone in files of one score, whose tensors are `train` and `test`; else there is a pair `NAME/train`, `NAME/test`
/// of each of `names`.
#[derive(Serialize, Deserialize)]
struct Metadata {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<ScoreName>,
    #[serde(default)]
    names: Vec<ScoreName>,
    card: String,
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

impl Scores {
    /// The bytes of a `.safetensors` file.
    ///
    /// # Errors
    /// `Format` where the file cannot be written as such.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let broken = |e: &dyn std::fmt::Display| Error::format("scores", "scores that can be written", e);
        let names = self.columns.iter().map(|c| c.score).collect();
        let metadata = Metadata { name: None, names, card: self.card.clone() };
        let metadata = serde_json::to_string(&metadata).map_err(|e| broken(&e))?;
        let mut tensors: Vec<(String, &str, usize, Vec<u8>)> = Vec::new();
        for column in &self.columns {
            for (part, values) in [("train", &column.train), ("test", &column.test)] {
                let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                tensors.push((format!("{}/{part}", column.score), "F32", values.len(), bytes));
            }
        }
        if let Some(answers) = &self.answers {
            for (part, values) in [("train", &answers.train), ("test", &answers.test)] {
                let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                tensors.push((format!("predicted/{part}"), "U16", values.len(), bytes));
            }
        }
        let entries: Vec<Entry> = tensors.iter().map(|(name, dtype, len, bytes)| Entry { name, dtype, shape: vec![*len], bytes }).collect();
        Ok(write_entries(&BTreeMap::from([(METADATA_KEY.to_owned(), metadata)]), &entries))
    }

    /// Reads what [`Self::to_bytes`] wrote, now or when a file held one score.
    ///
    /// # Errors
    /// `Format` naming `file`, what was expected and found. A score that is not a number is one, and so is a score given twice.
    pub fn from_bytes(file: &str, bytes: &[u8]) -> Result<Self> {
        let broken = |e: &dyn std::fmt::Display| Error::format(file, "a .safetensors file of scores", e);
        let Content { metadata, tensors } = Content::open(bytes).map_err(|e| broken(&e))?;
        let Some(metadata) = metadata.get(METADATA_KEY) else {
            return Err(broken(&format!("no metadata '{METADATA_KEY}'")));
        };
        let Metadata { name, names, card } = serde_json::from_str(metadata).map_err(|e| broken(&e))?;
        let read = |tensor: &str, dtype: &str| {
            let stored = tensors.get(tensor).ok_or_else(|| broken(&format!("no tensor '{tensor}'")))?;
            if stored.dtype != dtype || stored.shape.len() != 1 {
                let found = format!("{} {:?}", stored.dtype, stored.shape);
                return Err(Error::format(format!("{file}: {tensor}"), format!("{dtype} of one dimension"), found));
            }
            Ok(stored.bytes)
        };
        let read_floats = |tensor: &str| {
            let values = floats(read(tensor, "F32")?);
            match values.iter().position(|v| v.is_nan()) {
                Some(i) => Err(Error::format(format!("{file}: {tensor}"), "numbers", format!("NaN at sample {i}"))),
                None => Ok(values),
            }
        };
        let mut columns: Vec<Column> = Vec::new();
        if let Some(score) = name {
            columns.push(Column { score, train: read_floats("train")?, test: read_floats("test")? });
        }
        for score in names {
            if columns.iter().any(|c| c.score == score) {
                return Err(broken(&format!("'{score}' twice")));
            }
            columns.push(Column { score, train: read_floats(&format!("{score}/train"))?, test: read_floats(&format!("{score}/test"))? });
        }
        let words = |tensor: &str| {
            let bytes = read(tensor, "U16")?;
            Ok::<_, Error>(bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect())
        };
        let predicted = tensors.contains_key("predicted/train");
        let answers = if predicted { Some(Answers { train: words("predicted/train")?, test: words("predicted/test")? }) } else { None };
        Ok(Self { columns, answers, card })
    }

    /// A score by name.
    ///
    /// # Errors
    /// `Config` naming those that there are.
    pub fn get(&self, score: ScoreName) -> Result<&Column> {
        self.columns.iter().find(|c| c.score == score).ok_or_else(|| {
            let names = self.columns.iter().map(|c| c.score.name()).collect::<Vec<_>>().join(", ");
            Error::config(format!("there is no score '{score}' for these samples, only: {names}; score them, or choose another"))
        })
    }

    /// Checks that there is one score a sample of this dataset.
    ///
    /// # Errors
    /// `Config` with both counts.
    pub fn check(&self, data: &Dataset) -> Result<()> {
        let expected = (data.train.len(), data.test.len());
        for Column { score, train, test } in &self.columns {
            if train.len() != expected.0 || !(test.is_empty() || test.len() == expected.1) {
                return Err(Error::config(format!(
                    "scores '{score}' are for {} + {} samples, but {} has {} + {}: score this dataset",
                    train.len(),
                    test.len(),
                    data.name,
                    expected.0,
                    expected.1
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::data::builtin::builtin;

    fn scores() -> Scores {
        let column = |score, train: [f32; 3], test: [f32; 2]| Column { score, train: train.to_vec(), test: test.to_vec() };
        Scores {
            columns: vec![
                column(ScoreName::El2n, [0.5, 1.25, 0.0], [2.0, f32::INFINITY]),
                column(ScoreName::Loss, [1.0, 2.0, 3.0], [4.0, 5.0]),
            ],
            answers: Some(Answers { train: vec![3, 0, 9], test: vec![1, 2] }),
            card: "{\"epochs\":20}".into(),
        }
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
        let mut with_nan = scores();
        with_nan.columns[1].train[1] = f32::NAN;
        assert!(Scores::from_bytes("s", &with_nan.to_bytes().unwrap()).unwrap_err().to_string().contains("NaN at sample 1"));
        let bare = write_entries(&BTreeMap::new(), &[]);
        assert!(Scores::from_bytes("s", &bare).unwrap_err().to_string().contains("no metadata"));
    }

    #[test]
    fn lengths_must_be_the_datasets() {
        scores().check(&builtin(0.5, 3, 2, 1)).unwrap();
        let message = scores().check(&builtin(0.5, 3, 3, 1)).unwrap_err().to_string();
        assert!(message.contains("3 + 2 samples, but builtin has 3 + 3"), "{message}");
    }

    #[test]
    fn files_of_one_score_are_read_as_they_were_written_before() {
        let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let (train, test) = (bytes(&[0.5, 1.25, 0.0]), bytes(&[2.0, 1.0]));
        let metadata = BTreeMap::from([(METADATA_KEY.to_owned(), r#"{"name":"el2n","card":"c"}"#.to_owned())]);
        let entry = |name, n, bytes| Entry { name, dtype: "F32", shape: vec![n], bytes };
        let file = write_entries(&metadata, &[entry("test", 2, &test), entry("train", 3, &train)]);
        let read = Scores::from_bytes("old", &file).unwrap();
        assert_eq!(read.columns, [Column { score: ScoreName::El2n, train: vec![0.5, 1.25, 0.0], test: vec![2.0, 1.0] }]);
        assert_eq!((read.answers, read.card.as_str()), (None, "c"));
    }
}
