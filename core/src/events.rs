//! What a session says. The command line, the page's worker and the report only consume these.
//!
//! Everything is plain data with serde, so a message to the page, a line of `metrics.jsonl` and a test read the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::device::info::DeviceInfo;

mod metric;
pub use metric::Metric;

/// One learner as it enters the ring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearnerInfo {
    /// Display name, e.g. `set@0.2`, or `set@0.2 on random` for a control.
    pub name: String,
    /// The learner's text form.
    pub learner: String,
    /// The subset it trains on, text form.
    pub subset: String,
    /// True where this is the random control of another learner.
    pub control: bool,
    /// Parameters of the dense network.
    pub parameters: u64,
    /// Parameters that exist in this learner.
    pub active_parameters: u64,
    /// Weights (rank > 1) that exist over all weights.
    pub density: f64,
    /// Multiply-accumulates of one image's forward pass in the dense network.
    pub dense_macs: u64,
    /// The same at this learner's non-zeros.
    pub macs: u64,
    /// FLOPs of one full training step of this learner (forward, two gradients; 2 a multiply-accumulate), over [`Self::batch`] samples.
    pub flops_per_step: u64,
    /// Training samples of its subset.
    pub samples: usize,
    /// Samples of a full step, no more than there are; 0 in files of before.
    #[serde(default)]
    pub batch: usize,
    /// Training FLOPs of the dense parent that it starts from, where they are known; 0 without one.
    #[serde(default)]
    pub parent_flops: f64,
    /// Device bytes of weights, moments, masks and indices; gradients live in what a step shares.
    pub weight_bytes: u64,
    /// Layer name, weights, active weights.
    pub layers: Vec<LayerDensity>,
}

/// Density of one weight tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerDensity {
    /// As PyTorch names the module, e.g. `layer1.0.conv1.weight`.
    pub name: String,
    /// Number of weights of the dense tensor.
    pub total: usize,
    /// Number that exist.
    pub active: usize,
}

/// Loss and accuracy over a set of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Mean cross-entropy.
    #[serde(deserialize_with = "or_nan")]
    pub loss: f64,
    /// Fraction right.
    pub accuracy: f64,
    /// Number of samples.
    pub samples: usize,
}

/// JSON has no NaN and no infinity: a loss that is one is written as null, and read as NaN.
fn or_nan<'de, D: serde::Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(d)?.unwrap_or(f64::NAN))
}

/// A test sample that is watched through the epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// Its index in the test file.
    pub sample: u32,
    /// Its class.
    pub label: u16,
}

/// How a learner does on hard samples, by kind of hardness. What was not evaluated is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ByHardness {
    /// Hard by nature: the test set in bins of equal size by hardness score, easiest first.
    pub bins: Vec<Score>,
    /// Hard by corruption: the test set corrupted as the training samples are.
    pub corrupted: Option<Score>,
    /// Hard by attack.
    pub robust: Option<Robust>,
}

/// What is still right after an attack on each sample; never more than without it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Robust {
    /// Training samples: the batches as they were seen; after the last epoch attacked like the test set. Less the test set's this is
    /// the generalisation gap.
    pub train: Score,
    /// The same training samples without the attack, after the last epoch.
    #[serde(default)]
    pub clean_train: Option<Score>,
    /// Validation split.
    pub validation: Score,
    /// Test set.
    pub test: Score,
}

/// What an evaluation gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// On the training batches as they were seen.
    pub train: Score,
    /// Validation split.
    pub validation: Score,
    /// Test set.
    pub test: Score,
    /// The easier half of the test set by the same score as the subset, where there is one.
    #[serde(default)]
    pub test_easy: Option<Score>,
    /// The harder half.
    #[serde(default)]
    pub test_hard: Option<Score>,
    /// By kind of hardness.
    #[serde(default)]
    pub by_hardness: ByHardness,
}

/// What one topology update did to one layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerChange {
    /// Layer name.
    pub name: String,
    /// Weights removed and not regrown in the same update.
    pub pruned: usize,
    /// Weights new since before the update.
    pub grown: usize,
    /// Fraction of all positions ever active (ITOP rate).
    pub explored: f64,
}

/// How a learner's topology stands at the end of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopologyReport {
    /// What inactive weights are: `sparse`, `masked`, or `masked, momentum reset`.
    pub semantics: String,
    /// Active weights over all weights.
    pub density: f64,
    /// Fraction of all positions ever active (ITOP rate).
    pub explored: f64,
    /// Difference to the first mask: weights that only one of the two has, over the weights of both. 0: the same, 1: disjoint; with as
    /// many weights in both, the share that was replaced.
    pub from_first: f64,
    /// Difference to the mask before the latest update.
    pub from_previous: f64,
    /// Parameters that exist.
    pub active_parameters: u64,
    /// Multiply-accumulates of one image's forward pass at the active weights.
    pub macs: u64,
    /// FLOPs of a full training step.
    pub flops_per_step: u64,
    /// Device bytes of weights, moments, masks and indices; gradients live in what a step shares.
    pub weight_bytes: u64,
    /// In network order.
    pub layers: Vec<LayerTopology>,
}

/// One layer of a [`TopologyReport`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerTopology {
    /// Layer name.
    pub name: String,
    /// Active weights over all weights.
    pub density: f64,
    /// Fraction of the positions ever active.
    pub explored: f64,
}

/// A session's message.
///
/// Between threads it is serde's plain form, `{"epoch_end":{"learner":0,..}}`; in files it is a line as [`Event::to_line`] writes it. To read
/// the flat form by serde would copy every event into a tree first, by a second copy of every reader in the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// First of all.
    Started {
        /// Who trains.
        learners: Vec<LearnerInfo>,
        /// Where.
        device: DeviceInfo,
        /// Epochs to go.
        epochs: u32,
        /// Hash of the configuration.
        config_hash: String,
        /// Device bytes allocated in all.
        device_bytes: u64,
        /// What the run is judged by; files of before do not say it.
        #[serde(default)]
        judged_by: Option<Metric>,
        /// Test samples whose answers `EpochEnd` has.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        watched: Vec<Watched>,
    },
    /// Some steps were made; at most one of these a learner and slice.
    Progress {
        /// Index into `Started::learners`.
        learner: usize,
        /// Epoch under way, from 0.
        epoch: u32,
        /// Steps done in this epoch.
        step: usize,
        /// Steps of an epoch.
        steps: usize,
        /// Mean loss of the steps since the last report.
        #[serde(deserialize_with = "or_nan")]
        loss: f64,
        /// Accuracy on their (augmented) batches.
        accuracy: f64,
        /// Measured milliseconds a step (median of recent slices); 0 before one was timed that compiled nothing.
        ms_per_step: f64,
    },
    /// An epoch was completed and evaluated.
    EpochEnd {
        /// Index into `Started::learners`.
        learner: usize,
        /// Epochs done, from 1.
        epoch: u32,
        /// Learning rate that was used.
        lr: f32,
        /// What the evaluation gave.
        #[serde(flatten)]
        scores: Box<Evaluation>,
        /// Training FLOPs so far, those of the dense parent and of dense gradients included.
        flops: f64,
        /// Seconds of training (without evaluation) so far.
        seconds: f64,
        /// The class that was answered for each sample of `Started::watched`: on the images that the run is judged by.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        answers: Vec<u16>,
    },
    /// A topology update.
    TopologyChanged {
        /// Index into `Started::learners`.
        learner: usize,
        /// Updates so far, from 1.
        update: u32,
        /// Steps done in all.
        step: u64,
        /// Share of weights that was replaced.
        death_rate: f64,
        /// By layer, sparse ones only.
        layers: Vec<LayerChange>,
    },
    /// How a sparse learner's topology stands; comes right before its `EpochEnd`.
    Topology {
        /// Index into `Started::learners`.
        learner: usize,
        /// Epochs done, from 1.
        epoch: u32,
        /// Densities, ITOP rates, distances.
        report: TopologyReport,
    },
    /// A person changed a setting while the run was under way; it is not the run of its configuration alone any more.
    Changed {
        /// Index into `Started::learners`; all of them where there is none.
        #[serde(default)]
        learner: Option<usize>,
        /// Steps that the learner had done, or the first of them.
        step: u64,
        /// The configuration's name for it: `lr` or `density`.
        setting: String,
        /// What it is from here on; `None`: as configured again.
        #[serde(default)]
        value: Option<f64>,
    },
    /// Hardness scores were computed.
    SamplesScored {
        /// Name of the score.
        score: String,
        /// Number of samples.
        samples: usize,
    },
    /// Something a person should know that does not stop the run.
    Warning {
        /// Plain words.
        message: String,
    },
    /// A learner had to stop (diverged); the others go on.
    LearnerFailed {
        /// Index into `Started::learners`.
        learner: usize,
        /// Where it began.
        reason: String,
    },
    /// The last event.
    Finished {
        /// Final numbers.
        summary: Summary,
    },
}

impl Event {
    /// A line of `metrics.jsonl`, without its end: flat, the event's name first, `{"event":"epoch_end","learner":0,..}`, as tables are read.
    ///
    /// # Errors
    /// None that can be provoked: events are plain data.
    pub fn to_line(&self) -> Result<String, serde_json::Error> {
        let text = serde_json::to_string(self)?;
        // Every event has fields: {"name":{fields}}.
        let (name, fields) = text[1..text.len() - 1].split_once(':').unwrap_or_default();
        Ok(format!("{{\"event\":{name},{}", fields.get(1..).unwrap_or_default()))
    }
    /// Reads such a line, its fields in any order.
    ///
    /// # Errors
    /// Where it is no event, in serde's words.
    pub fn from_line(line: &str) -> Result<Self, serde_json::Error> {
        let mut fields = serde_json::from_str::<BTreeMap<String, &RawValue>>(line)?;
        let name = fields.remove("event").map_or("null", RawValue::get);
        let name = serde_json::from_str::<Option<String>>(name).ok().flatten().unwrap_or_default();
        // Values as they are written: a tree of them would be a second reader, and a number read twice another number.
        serde_json::from_str(&serde_json::to_string(&BTreeMap::from([(name, fields)]))?)
    }
}

/// The result of a race.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// One a learner, in the order of `Started::learners`.
    pub learners: Vec<LearnerSummary>,
    /// A sentence that says who leads, and by how much, with its uncertainty.
    pub verdict: String,
}

/// Final numbers of one learner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearnerSummary {
    /// Display name.
    pub name: String,
    /// Training subset.
    pub subset: String,
    /// Whether this is a random control.
    pub control: bool,
    /// True density of all weights.
    pub density: f64,
    /// Existing parameters.
    pub active_parameters: u64,
    /// FLOPs of a training step.
    pub flops_per_step: u64,
    /// Training FLOPs in all, those of the dense parent and of dense gradients included; 0 in files of before.
    #[serde(default)]
    pub flops: f64,
    /// Median measured milliseconds a step; 0 where none was timed.
    pub ms_per_step: f64,
    /// The last evaluation.
    #[serde(flatten)]
    pub scores: Evaluation,
    /// Why it stopped early, if it did.
    #[serde(default)]
    pub failed: Option<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn events_survive_json_and_a_loss_that_is_no_number_too() {
        let event = Event::Progress { learner: 0, epoch: 0, step: 1, steps: 2, loss: f64::INFINITY, accuracy: 0.5, ms_per_step: 1.0 };
        let Event::Progress { loss, step, .. } = serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap() else { panic!() };
        assert!(loss.is_nan() && step == 1);
        let line = event.to_line().unwrap();
        assert!(line.starts_with(r#"{"event":"progress","learner":0,"#), "{line}");
        assert!(matches!(Event::from_line(&line).unwrap(), Event::Progress { learner: 0, step: 1, .. }));
        let warning = Event::Warning { message: "a, \"b\": {c}".into() };
        assert_eq!(Event::from_line(&warning.to_line().unwrap()).unwrap(), warning);
        for broken in [
            "",
            "{}",
            r#"{"event":"progress"}"#,
            r#"{"event":"unheard_of","a":1}"#,
            r#"{"learner":0,"event":"progress"}"#,
            r#"{"event":3}"#,
        ] {
            assert!(Event::from_line(broken).is_err(), "{broken}");
        }
        let score: Score = serde_json::from_str(r#"{"loss":null,"accuracy":0.5,"samples":3}"#).unwrap();
        assert!(score.loss.is_nan() && score.samples == 3);
    }
}
