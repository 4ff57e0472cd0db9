//! A session at rest: one safetensors file from which it goes on bit for bit.
//!
//! Random streams are named by where a run stands, so positions suffice for them; everything else is arrays and one record in
//! JSON. The last 32 bytes are the SHA-256 of all before them: a damaged file is noticed before anything of it is believed.

pub mod parts;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::ExperimentConfig;
use crate::config::settings::{Differing, differing};
use crate::data::{Dataset, Images, Reads, sha256};
use crate::device::info::DeviceInfo;
use crate::error::{Difference, Error, Refusal, Result};
use crate::events::{ByHardness, Evaluation, Robust, Score};
use crate::formats::safetensors::{Content, Entry, write_entries};

/// Version of the record and of the names of arrays. A change of either is a new version.
pub const CHECKPOINT_VERSION: u32 = 3;

const RECORD: &str = "checkpoint";
const DIGEST: &str = "sha256";
const DIGEST_BYTES: usize = 32;
/// Images of each file that enter the fingerprint, spread evenly over those that are read.
const FINGERPRINT_IMAGES: usize = 256;

/// The settings in which two configurations (as [`ExperimentConfig::canonical_json`] writes them) differ.
pub fn differences(saved: &str, now: &str) -> Vec<Difference> {
    let parse = |text: &str| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).unwrap_or_default();
    let show = |value: Option<&serde_json::Value>| value.map_or_else(|| "not set".to_owned(), ToString::to_string);
    let (saved, now) = (parse(saved), parse(now));
    let row = |(field, values): Differing| Difference { field: field.to_owned(), saved: show(values[0]), now: show(values[1]) };
    let mut rows: Vec<Difference> = differing(&[&saved, &now]).into_iter().map(row).collect();
    rows.sort_by(|a, b| a.field.cmp(&b.field));
    rows
}

/// A float that survives JSON bit for bit: as text, since JSON has no NaN and its reader may lose the last digit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Exact(pub f64);

impl Serialize for Exact {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        // The page's reader of numbers takes digits only.
        let value = match text.as_str() {
            "NaN" => Some(f64::NAN),
            "inf" => Some(f64::INFINITY),
            "-inf" => Some(f64::NEG_INFINITY),
            digits => crate::platform::parse_f64(digits),
        };
        value.map(Self).ok_or_else(|| serde::de::Error::custom(format_args!("'{text}' is no number")))
    }
}

/// A [`Score`] with exact floats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedScore {
    loss: Exact,
    accuracy: Exact,
    samples: usize,
}

impl From<Score> for SavedScore {
    fn from(s: Score) -> Self {
        Self { loss: Exact(s.loss), accuracy: Exact(s.accuracy), samples: s.samples }
    }
}

impl From<SavedScore> for Score {
    fn from(s: SavedScore) -> Self {
        Self { loss: s.loss.0, accuracy: s.accuracy.0, samples: s.samples }
    }
}

/// An [`Evaluation`] with exact floats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedLatest {
    train: SavedScore,
    validation: SavedScore,
    test: SavedScore,
    test_easy: Option<SavedScore>,
    test_hard: Option<SavedScore>,
    bins: Vec<SavedScore>,
    corrupted: Option<SavedScore>,
    /// Train, validation, test.
    robust: Option<[SavedScore; 3]>,
    clean_train: Option<SavedScore>,
}

impl From<Evaluation> for SavedLatest {
    fn from(l: Evaluation) -> Self {
        let half = |score: Option<Score>| score.map(Into::into);
        Self {
            train: l.train.into(),
            validation: l.validation.into(),
            test: l.test.into(),
            test_easy: half(l.test_easy),
            test_hard: half(l.test_hard),
            bins: l.by_hardness.bins.into_iter().map(Into::into).collect(),
            corrupted: half(l.by_hardness.corrupted),
            robust: l.by_hardness.robust.map(|r| [r.train, r.validation, r.test].map(Into::into)),
            clean_train: half(l.by_hardness.robust.and_then(|r| r.clean_train)),
        }
    }
}

impl From<SavedLatest> for Evaluation {
    fn from(l: SavedLatest) -> Self {
        let half = |score: Option<SavedScore>| score.map(Into::into);
        Self {
            train: l.train.into(),
            validation: l.validation.into(),
            test: l.test.into(),
            test_easy: half(l.test_easy),
            test_hard: half(l.test_hard),
            by_hardness: ByHardness {
                bins: l.bins.into_iter().map(Into::into).collect(),
                corrupted: half(l.corrupted),
                robust: l.robust.map(|r| {
                    let [train, validation, test] = r.map(Into::into);
                    Robust { train, clean_train: half(l.clean_train), validation, test }
                }),
            },
        }
    }
}

/// What a learner does next. An evaluation that was under way starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SavedPhase {
    /// Training steps.
    Train,
    /// Evaluation of the epoch just trained.
    Evaluate,
    /// Through, or failed.
    Done,
}

/// How a weight tensor is held; its positions are an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SavedPlacement {
    /// All of it.
    Dense,
    /// Only the values at its positions.
    Sparse,
    /// All of it, times a mask.
    Masked,
}

/// A learner's place in the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedLearner {
    /// Display name.
    pub name: String,
    /// SHA-256 over the indices of its training samples.
    pub samples: String,
    /// What it does next.
    pub phase: SavedPhase,
    /// Epochs completed.
    pub epoch: u32,
    /// Steps done in the epoch under way.
    pub step: usize,
    /// Steps done in all.
    pub total_steps: u64,
    /// Steps the optimiser has counted (Adam's corrections).
    pub optimizer_steps: u64,
    /// Topology updates so far.
    pub updates: u32,
    /// Training FLOPs so far.
    pub flops: Exact,
    /// Those of its dense parent; 0 in checkpoints of before.
    #[serde(default)]
    pub parent_flops: Exact,
    /// Seconds of training so far.
    pub seconds: Exact,
    /// Recent milliseconds a step, which size the next slice.
    pub recent_ms: Vec<Exact>,
    /// The latest evaluation.
    pub latest: SavedLatest,
    /// Why it stopped early, if it did.
    pub failed: Option<String>,
    /// How each weight tensor is held.
    pub placements: Vec<SavedPlacement>,
    /// The best states.
    pub best: Vec<SavedBest>,
}

/// What is said of a best state; its weights are arrays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedBest {
    /// Whether it is the best by validation accuracy.
    pub clean: bool,
    /// Whether it is by robust validation accuracy.
    pub robust: bool,
    /// Epochs it had completed.
    pub epoch: u32,
    /// The evaluation after them.
    pub scores: SavedLatest,
}

/// Which images a session works on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataIdentity {
    name: String,
    classes: usize,
    extent: (usize, usize, usize),
    train: usize,
    test: usize,
    fingerprint: String,
    hard_half: Option<String>,
}

impl DataIdentity {
    /// Of a dataset and the harder half of its test set. The fingerprint is over the labels of what is read and a part of the images: the
    /// same whatever else is here.
    pub fn new(data: &Dataset, reads: &Reads, hard: Option<&[bool]>) -> Self {
        let mut hash = Sha256::new();
        for (images, samples) in [(&data.train, &reads.train), (&data.test, &reads.test)] {
            fingerprint(&mut hash, images, samples, data.image_bytes());
        }
        Self {
            name: data.name.clone(),
            classes: data.classes.len(),
            extent: data.extent,
            train: data.train.len(),
            test: data.test.len(),
            fingerprint: crate::data::hex(&hash.finalize()),
            hard_half: hard.map(|h| sha256(&h.iter().map(|h| u8::from(*h)).collect::<Vec<_>>())),
        }
    }
    /// What differs, in words.
    fn difference(&self, now: &Self) -> Option<String> {
        let outline = |d: &Self| format!("'{}' with {} + {} images, {} classes, {:?}", d.name, d.train, d.test, d.classes, d.extent);
        let (saved, found) = (outline(self), outline(now));
        if saved != found {
            Some(format!("{saved}, now {found}"))
        } else if self.fingerprint != now.fingerprint {
            Some(format!("other images or labels under the name '{}'", now.name))
        } else if self.hard_half != now.hard_half {
            Some("other hardness scores of the test set".into())
        } else {
            None
        }
    }
}

fn fingerprint(hash: &mut Sha256, images: &Images, samples: &[u32], size: usize) {
    let image = |sample: &u32| images.get(*sample, size);
    samples.iter().filter_map(image).for_each(|(_, label)| hash.update(label.to_le_bytes()));
    let step = samples.len().div_ceil(FINGERPRINT_IMAGES).max(1);
    samples.iter().step_by(step).filter_map(image).for_each(|(bytes, _)| hash.update(bytes));
}

/// Everything about a session that is no array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`CHECKPOINT_VERSION`].
    pub format: u32,
    /// The configuration, as [`ExperimentConfig::canonical_json`] writes it.
    pub config: String,
    /// Its hash.
    pub config_hash: String,
    /// The images.
    pub data: DataIdentity,
    /// Where it ran.
    pub device: DeviceInfo,
    /// The learning rate that replaces the schedule's.
    pub lr: Option<Exact>,
    /// Whether `Started` was said.
    pub started: bool,
    /// Whether `Finished` was said.
    pub finished: bool,
    /// In their order.
    pub learners: Vec<SavedLearner>,
    /// The caller's own.
    pub note: String,
}

impl Record {
    /// Epochs done by the learner that is behind; learners that failed do not count.
    pub fn epochs_done(&self) -> u32 {
        self.learners.iter().filter(|l| l.failed.is_none()).map(|l| l.epoch).min().unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Version {
    format: u32,
}

/// The values of an array.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    /// Floats.
    F32(Vec<f32>),
    /// Positions.
    U32(Vec<u32>),
    /// Bits.
    U64(Vec<u64>),
}

/// A checkpoint in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What is no array.
    pub record: Record,
    /// Arrays by name.
    pub arrays: BTreeMap<String, Array>,
}

impl Checkpoint {
    /// The bytes of the file.
    ///
    /// # Errors
    /// `Format` where the record cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let record = serde_json::to_string(&self.record).map_err(|e| Error::format("checkpoint", "a record that can be written", e))?;
        let stored: Vec<(&str, &str, usize, Vec<u8>)> = self
            .arrays
            .iter()
            .map(|(name, array)| match array {
                Array::F32(v) => (name.as_str(), "F32", v.len(), v.iter().flat_map(|x| x.to_le_bytes()).collect()),
                Array::U32(v) => (name.as_str(), "U32", v.len(), v.iter().flat_map(|x| x.to_le_bytes()).collect()),
                Array::U64(v) => (name.as_str(), "U64", v.len(), v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            })
            .collect();
        let mut entries: Vec<Entry> =
            stored.iter().map(|(name, dtype, len, bytes)| Entry { name, dtype, shape: vec![*len], bytes }).collect();
        entries.push(Entry { name: DIGEST, dtype: "U8", shape: vec![DIGEST_BYTES], bytes: &[0; DIGEST_BYTES] });
        let mut out = write_entries(&BTreeMap::from([(RECORD.to_owned(), record)]), &entries);
        let content = out.len() - DIGEST_BYTES;
        let digest = Sha256::digest(&out[..content]);
        out[content..].copy_from_slice(&digest);
        Ok(out)
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// `Checkpoint` for a file that is damaged or of another version.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let Content { metadata, tensors } = Content::open(bytes).map_err(damaged)?;
        let record = metadata.get(RECORD).ok_or_else(|| damaged("it holds no record"))?;
        let content = bytes.len().saturating_sub(DIGEST_BYTES);
        if Sha256::digest(&bytes[..content])[..] != bytes[content..] {
            return Err(damaged("its SHA-256 is not the one it ends with"));
        }
        let record: serde_json::Value = serde_json::from_str(record).map_err(damaged)?;
        let Version { format } = Version::deserialize(&record).map_err(damaged)?;
        if format != CHECKPOINT_VERSION {
            return Err(Error::checkpoint(Refusal::Version { found: format, written: CHECKPOINT_VERSION }));
        }
        let record = serde_json::from_value(record).map_err(damaged)?;
        let mut arrays = BTreeMap::new();
        for (name, stored) in tensors.into_iter().filter(|(name, _)| name != DIGEST) {
            let words = || stored.bytes.chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]);
            let array = match stored.dtype.as_str() {
                "F32" => Array::F32(words().map(f32::from_le_bytes).collect()),
                "U32" => Array::U32(words().map(u32::from_le_bytes).collect()),
                "U64" => {
                    let long = |b: &[u8]| b.iter().rev().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
                    Array::U64(stored.bytes.chunks_exact(8).map(long).collect())
                }
                other => return Err(damaged(format_args!("array '{name}' of type {other}"))),
            };
            arrays.insert(name, array);
        }
        Ok(Self { record, arrays })
    }

    /// Checks that this is of this configuration.
    ///
    /// # Errors
    /// `Checkpoint` that names the settings that differ.
    pub fn check_config(&self, config: &ExperimentConfig) -> Result<()> {
        let now = config.canonical_json()?;
        if now == self.record.config {
            return Ok(());
        }
        Err(Error::checkpoint(Refusal::Config(differences(&self.record.config, &now))))
    }

    /// Checks that this is of these images.
    ///
    /// # Errors
    /// `Checkpoint` that says what differs.
    pub fn check_data(&self, data: &DataIdentity) -> Result<()> {
        self.record.data.difference(data).map_or(Ok(()), |what| Err(Error::checkpoint(Refusal::Data(what))))
    }

    /// An array of floats.
    ///
    /// # Errors
    /// `Checkpoint` where there is none of this name.
    pub fn floats(&self, name: &str) -> Result<&[f32]> {
        match self.arrays.get(name) {
            Some(Array::F32(values)) => Ok(values),
            _ => Err(missing(name)),
        }
    }
    /// An array of positions.
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn positions(&self, name: &str) -> Result<&[u32]> {
        match self.arrays.get(name) {
            Some(Array::U32(values)) => Ok(values),
            _ => Err(missing(name)),
        }
    }
    /// An array of bits.
    ///
    /// # Errors
    /// As [`Self::floats`].
    pub fn bits(&self, name: &str) -> Result<&[u64]> {
        match self.arrays.get(name) {
            Some(Array::U64(values)) => Ok(values),
            _ => Err(missing(name)),
        }
    }
}

/// An error about a checkpoint whose parts do not fit together.
pub fn damaged(found: impl fmt::Display) -> Error {
    Error::checkpoint(Refusal::Damaged(found.to_string()))
}

fn missing(name: &str) -> Error {
    damaged(format_args!("it lacks the array '{name}'"))
}
