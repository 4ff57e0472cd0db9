//! Looking at a race: what its learners answer, what they make of one picture (also under attack), and their weights.
//!
//! A inspection moves nothing that training or an evaluation under way reads: it runs in eval mode, on a batch and buffers of its own, and
//! writes neither records nor sums. A race that is looked at gives the same bits as one that is not.

use serde::{Deserialize, Serialize};

use super::{SLICE_MS, Session};
use crate::attack::{AttackIo, Norm, Pgd, PgdConfig};
use crate::data::batch::IDENTITY;
use crate::device::{Device, Program};
use crate::error::{Error, Result};
use crate::net::Io;
use crate::net::plan::Placement;
use crate::net::tape::Mode;
use crate::ops::{BufferId, Dtype, Shape, StepParams, padded_batch};
use crate::sparse::csr::gather;
use crate::train::workspace::Workspace;

/// Lanes of a single picture's batch: the least that the layout allows.
const LANES: usize = 4;
/// Bins of a weight histogram; odd, so that one of them is around zero.
pub const HISTOGRAM_BINS: usize = 41;
/// Attacks of inspections draw from a stream apart from those of training and evaluation.
const LOOK: u64 = 1 << 33;

/// A learner's answer to an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// The class of the largest probability, the first on ties.
    pub class: u16,
    /// That probability.
    pub confidence: f32,
}

/// What a learner makes of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Examined {
    /// Of every class.
    pub probabilities: Vec<f32>,
    /// What it saw, `[c][h][w]` in 0..=1: the picture, or what the attack made of it.
    pub pixels: Vec<f32>,
}

/// A weight tensor as it is now. Positions are flat indices into `rows` x `columns`, increasing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerView {
    /// Outputs.
    pub rows: usize,
    /// Weights of an output: inputs times kernel positions.
    pub columns: usize,
    /// Positions of active weights.
    pub active: Vec<u32>,
    /// Those of them that the latest topology update grew.
    pub grown: Vec<u32>,
    /// Positions that it pruned.
    pub pruned: Vec<u32>,
    /// Counts of active weights in [`HISTOGRAM_BINS`] equal bins from `-limit` to `limit`.
    pub histogram: Vec<u32>,
    /// The largest magnitude; 0 where all weights are.
    pub limit: f32,
}

/// What an inspection needs on the device, made at the first one.
pub(super) struct Inspection {
    /// Of one picture's batch.
    io: Io,
    attack: AttackIo,
    /// `[classes][lanes]` of the larger batch.
    logits: BufferId,
    /// The latest attack, which all learners share.
    pgd: Option<Pgd>,
    /// By learner.
    programs: Vec<Option<Programs>>,
}

/// A learner's programs, over its buffers as they were at one build.
struct Programs {
    build: u64,
    /// Logits of a whole batch of bytes.
    batch: Program,
    /// Logits of the adversarial pixels.
    picture: Program,
    /// The loss gradient at them.
    gradient: Program,
}

impl Inspection {
    fn new(device: &mut Device, (c, h, w): (usize, usize, usize), words: usize) -> Result<Self> {
        Ok(Self {
            io: Io::new(device, (c, h, w), LANES, LANES)?,
            attack: AttackIo::new(device, Shape { c, h, w, n: LANES })?,
            logits: device.alloc("logits of inspections", words, Dtype::F32)?,
            pgd: None,
            programs: Vec::new(),
        })
    }
    pub(super) fn free(self, device: &mut Device) {
        self.io.free(device);
        self.attack.free(device);
        device.free(self.logits);
    }
}

impl Session {
    /// Number of test images that this experiment evaluates.
    pub fn test_count(&self) -> usize {
        self.evaluation.test.len()
    }
    /// Their indices in the test file, increasing.
    pub fn test_samples(&self) -> &[u32] {
        &self.evaluation.test
    }
    /// Epochs done by the learner that is behind; learners that failed do not count.
    pub fn epochs_done(&self) -> u32 {
        let alive = self.learners.iter().filter(|l| l.failed.is_none()).map(|l| l.epoch);
        alive.min().unwrap_or_default()
    }
    /// Number of learners.
    pub fn learner_count(&self) -> usize {
        self.learners.len()
    }

    /// Adds the answers of a learner to the evaluated test images that `answers` does not have yet, for about a slice; says whether
    /// these are all ([`Self::test_count`]).
    ///
    /// # Errors
    /// `Config` where there is no such learner; what the device says.
    pub async fn answers(&mut self, learner: usize, answers: &mut Vec<Answer>) -> Result<bool> {
        let (n, classes) = (self.plan_inspection(learner)?, self.data.classes.len());
        let start = web_time::Instant::now();
        while answers.len() < self.evaluation.test.len() && start.elapsed().as_secs_f64() * 1e3 < SLICE_MS {
            let at = answers.len();
            let end = (at + self.config.samples_a_pass()).min(self.evaluation.test.len());
            let samples = &self.evaluation.test[at..end];
            let work = &mut self.work;
            work.batch.fill(&self.data, &self.data.test, samples, n, None)?;
            work.io.upload(&mut work.device, &work.batch)?;
            let (programs, inspection) = planned(&self.inspection, learner)?;
            work.device.run(&programs.batch, &StepParams { n_valid: samples.len() as u32, ..StepParams::default() })?;
            let logits = work.device.read_f32(inspection.logits, 0, classes * n).await?;
            answers.extend((0..samples.len()).map(|lane| answer(&probabilities(&logits, n, lane))));
        }
        Ok(answers.len() == self.evaluation.test.len())
    }

    /// Shows a learner one picture of the dataset's extent, bytes `[c][h][w]`, attacked where asked. An attack leads away from
    /// `label`, or from the learner's own answer where the picture has none; its random start is the same every time.
    ///
    /// # Errors
    /// `Config` where there is no such learner, label, or attack; `Shape` for a picture of another size; what the device says.
    pub async fn examine(&mut self, learner: usize, bytes: &[u8], label: Option<u16>, attack: Option<PgdConfig>) -> Result<Examined> {
        let (size, classes) = (self.data.image_bytes(), self.data.classes.len());
        if bytes.len() != size {
            let (c, h, w) = self.data.extent;
            let (tensor, expected) = ("picture".to_owned(), format!("{c}x{h}x{w} bytes"));
            return Err(Error::shape("examine", tensor, expected, bytes.len().to_string()));
        }
        if let Some(label) = label.filter(|label| usize::from(*label) >= classes) {
            return Err(Error::config(format!("there is no class {label}; there are {classes}")));
        }
        self.plan_inspection(learner)?;
        // Without an attack it is one of no steps: both take the same way through the network.
        let none = PgdConfig { iterations: 0, ..PgdConfig::fgsm(Norm::Linf, 0.0) };
        self.plan_attack(attack.unwrap_or(none))?;
        let (programs, inspection) = planned(&self.inspection, learner)?;
        let (pgd, device) = (inspection.pgd.as_ref().ok_or_else(unplanned)?, &mut self.work.device);
        let mut words: Vec<u32> = bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        words.resize(LANES * size / 4, 0);
        device.write_u32(inspection.io.bytes, 0, &words)?;
        device.write_f32(inspection.io.augmentation, 0, &IDENTITY.repeat(LANES))?;
        let step = StepParams { n_valid: 1, ..StepParams::default() };
        pgd.decode(device, &step)?;
        if attack.is_some() {
            let label = match label {
                Some(label) => label,
                None => {
                    device.run(&programs.picture, &step)?;
                    answer(&probabilities(&device.read_f32(inspection.logits, 0, classes * LANES).await?, LANES, 0)).class
                }
            };
            device.write_u32(inspection.io.labels, 0, &[u32::from(label), 0, 0, 0])?;
            pgd.attack(device, &programs.gradient, &step, &[0], (self.config.seed, LOOK))?;
        }
        device.run(&programs.picture, &step)?;
        let logits = device.read_f32(inspection.logits, 0, classes * LANES).await?;
        let pixels = device.read_f32(inspection.attack.adversarial.buffer(), 0, size * LANES).await?;
        Ok(Examined { probabilities: probabilities(&logits, LANES, 0), pixels: pixels.into_iter().step_by(LANES).collect() })
    }

    /// What a layer of a learner looks like; `layer` is an index into [`crate::events::LearnerInfo::layers`].
    ///
    /// # Errors
    /// `Config` where there is no such learner or layer; what the device says.
    pub async fn inside(&self, learner: usize, layer: usize) -> Result<LayerView> {
        self.check_learner(learner)?;
        let l = &self.learners[learner];
        let Some(slot) = l.net.weights.get(layer) else {
            return Err(Error::config(format!("there is no layer {layer}; there are {}", l.net.weights.len())));
        };
        let (total, rows) = (slot.info.shape.weights(), slot.info.shape.c_out);
        let (before, now) = (&l.previous[layer], slot.active_set());
        let all = || 0..total as u32;
        let values = self.work.device.read_f32(slot.values(), 0, slot.words()).await?;
        let (active, values) = match &slot.placement {
            Placement::Dense => (all().collect(), values),
            Placement::Sparse(positions) => (positions.clone(), values),
            Placement::Masked(positions) => (positions.clone(), gather(&values, positions)),
        };
        let (histogram, limit) = histogram(&values);
        Ok(LayerView {
            rows,
            columns: total / rows.max(1),
            grown: active.iter().copied().filter(|p| !before.contains(*p)).collect(),
            pruned: all().filter(|p| before.contains(*p) && !now.contains(*p)).collect(),
            active,
            histogram,
            limit,
        })
    }

    fn check_learner(&self, learner: usize) -> Result<()> {
        let count = self.learners.len();
        if learner < count { Ok(()) } else { Err(Error::config(format!("there is no learner {learner}; there are {count}"))) }
    }

    /// Compiles a learner's programs where there are none, or its buffers have moved since; returns its batch.
    fn plan_inspection(&mut self, learner: usize) -> Result<usize> {
        self.check_learner(learner)?;
        let Self { data, work: Workspace { device, scratch, io, .. }, learners, inspection, config, .. } = self;
        let (net, classes) = (&learners[learner].net, data.classes.len());
        let lanes = padded_batch(config.samples_a_pass()).max(LANES);
        let inspection = match inspection {
            Some(inspection) => inspection,
            None => inspection.insert(Inspection::new(device, data.extent, classes * lanes)?),
        };
        inspection.programs.resize_with(learners.len(), || None);
        let entry = &mut inspection.programs[learner];
        if entry.as_ref().is_none_or(|programs| programs.build != net.build()) {
            let (out, grad) = (inspection.logits, inspection.attack.grad);
            let pixels = Io { pixels: Some(inspection.attack.adversarial.buffer()), ..inspection.io };
            *entry = Some(Programs {
                build: net.build(),
                batch: net.logits_program(device, scratch, (*io, net.n), out)?,
                picture: net.logits_program(device, scratch, (pixels, LANES), out)?,
                gradient: net.gradient_of_pixels(device, scratch, (pixels, LANES), Mode::Eval, grad)?,
            });
        }
        Ok(net.n)
    }

    /// Plans an attack on the planned inspection, unless it is that of the picture before.
    fn plan_attack(&mut self, config: PgdConfig) -> Result<()> {
        let inspection = self.inspection.as_mut().ok_or_else(unplanned)?;
        if inspection.pgd.as_ref().is_none_or(|pgd| pgd.config != config) {
            inspection.pgd = Some(Pgd::new(&mut self.work.device, &inspection.io, inspection.attack, config)?);
        }
        Ok(())
    }
}

/// What [`Session::plan_inspection`] has made.
fn planned(inspection: &Option<Inspection>, learner: usize) -> Result<(&Programs, &Inspection)> {
    let inspection = inspection.as_ref().ok_or_else(unplanned)?;
    Ok((inspection.programs.get(learner).and_then(Option::as_ref).ok_or_else(unplanned)?, inspection))
}

fn unplanned() -> Error {
    Error::validation("a inspection before it was planned")
}

/// Softmax of one lane of `[classes][lanes]`.
fn probabilities(logits: &[f32], lanes: usize, lane: usize) -> Vec<f32> {
    let lane = || logits.iter().skip(lane).step_by(lanes);
    let largest = lane().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    let mut out: Vec<f32> = lane().map(|logit| libm::expf(logit - largest)).collect();
    let sum: f32 = out.iter().sum();
    out.iter_mut().for_each(|p| *p /= sum);
    out
}

/// The first of the largest.
fn answer(probabilities: &[f32]) -> Answer {
    let first = Answer { class: 0, confidence: f32::NEG_INFINITY };
    probabilities.iter().enumerate().fold(first, |best, (class, &confidence)| {
        if confidence > best.confidence { Answer { class: class as u16, confidence } } else { best }
    })
}

/// Counts in equal bins from minus to plus the largest magnitude, and that magnitude.
fn histogram(values: &[f32]) -> (Vec<u32>, f32) {
    let limit = values.iter().fold(0f32, |limit, v| limit.max(v.abs()));
    let mut counts = vec![0; HISTOGRAM_BINS];
    for value in values {
        let place = if limit > 0.0 { (value / limit + 1.0) * 0.5 } else { 0.5 };
        counts[((place * HISTOGRAM_BINS as f32) as usize).min(HISTOGRAM_BINS - 1)] += 1;
    }
    (counts, limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_becomes_probabilities_and_the_first_of_the_largest_answers() {
        // Two lanes of three classes: (0, ln 3, 0) and (5, 5, 0).
        let logits = [0.0, 5.0, 3f32.ln(), 5.0, 0.0, 0.0];
        let first = probabilities(&logits, 2, 0);
        assert!(first.iter().zip([0.2, 0.6, 0.2]).all(|(a, b)| (a - b).abs() < 1e-6), "{first:?}");
        assert_eq!(answer(&first).class, 1);
        let tie = answer(&probabilities(&logits, 2, 1));
        assert!(tie.class == 0 && (tie.confidence - 0.49832).abs() < 1e-4, "{tie:?}");
    }

    #[test]
    fn a_histogram_counts_every_weight_once_and_is_centred() {
        let (counts, limit) = histogram(&[-2.0, 2.0, 0.0, 0.01, -0.01, 1.0]);
        assert_eq!((limit, counts.iter().sum::<u32>()), (2.0, 6));
        assert_eq!((counts[0], counts[20], counts[40]), (1, 3, 1));
        assert_eq!(counts[30], 1, "1 of 2 lies at three quarters of 41 bins");
        let (counts, limit) = histogram(&[0.0; 3]);
        assert_eq!((limit, counts[20]), (0.0, 3));
        assert_eq!(histogram(&[]).0.iter().sum::<u32>(), 0);
    }
}
