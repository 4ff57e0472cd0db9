//! Questions about what the learners make of pictures, and what they look like inside, answered between slices.
//!
//! What takes long is done piece by piece, so that a pause or a stop is heard in between; training holds meanwhile, so that all
//! answers are of the same moment. A question without a race is answered by nothing: the page knows that nothing trained.

use js_sys::Uint8Array;
use sparring_core::attack::PgdConfig;
use sparring_core::config::ExperimentConfig;
use sparring_core::corrupt::{self, Corruption, Severity};
use sparring_core::data::{Dataset, Split};
use sparring_core::error::{Error, ErrorKind, Result};
use sparring_core::events::{Event, LayerDensity, LearnerInfo};
use sparring_core::formats::{self, safetensors};
use sparring_core::formats::{StateDict, Tensor};
use sparring_core::train::Session;
use sparring_core::train::session::inspection::{Answer, Examined};
use wasm_bindgen::{JsCast, JsValue};

use super::{Halt, Trainer, breathe, post, post_with};
use crate::protocol::{AttackSettings, Command, Examination, Inside, MOST_POSITIONS, Message, Picture, images_of};

fn gone(learner: usize) -> Error {
    Error::config(format!("learner {learner} is no longer held"))
}

/// What is still to be answered.
#[derive(Default)]
pub(super) struct Inspections {
    /// The latest question, with its attachment: an older one that still waits is not answered.
    examine: Option<(Examination, JsValue)>,
    /// Answers to all test images so far, by learner.
    answers: Option<Vec<Vec<Answer>>>,
    watched: Option<u32>,
    /// Whether the watched picture is due.
    watch_due: bool,
    /// Epochs done when it was last seen.
    watched_at: u32,
}

impl Inspections {
    /// Whether there is something to do.
    pub(super) fn waiting(&self) -> bool {
        self.examine.is_some() || self.answers.is_some() || self.watch_due
    }
    /// Hears that so many epochs are done.
    pub(super) fn epochs(&mut self, done: u32) {
        self.watch_due |= self.watched.is_some() && done != self.watched_at;
    }
}

impl Trainer {
    /// Sends pictures of an experiment's test set, whatever races.
    pub(super) async fn watched_pictures(
        &mut self,
        of: &ExperimentConfig,
        samples: Vec<u32>,
        fetch: bool,
    ) -> std::result::Result<(), Halt> {
        let data = match fetch {
            true => Some(self.library.test_images(of, &samples, &self.out).await?),
            false => self.library.test_at_hand(of, &samples),
        };
        let (c, h, w) = data.as_ref().map_or((0, 0, 0), |data| data.extent);
        let picture = |i: u32| data.as_ref().and_then(|data| data.test.get(i, data.image_bytes()));
        let samples: Vec<u32> = samples.into_iter().filter(|i| picture(*i).is_some()).collect();
        let bytes: Vec<u8> = samples.iter().filter_map(|i| picture(*i)).flat_map(|(bytes, _)| bytes).copied().collect();
        let classes = data.as_ref().map(|data| data.classes.clone()).unwrap_or_default();
        post_with(&Message::WatchedPictures { of: images_of(of), samples, extent: [c, h, w], classes }, &bytes);
        Ok(())
    }

    /// Hears a question of the page's places. Short ones are answered at once.
    pub(super) async fn answer(&mut self, question: Command, attachment: JsValue) -> std::result::Result<(), Halt> {
        let Some(session) = &mut self.session else { return Ok(()) };
        match question {
            Command::Samples => {
                self.inspections.answers.get_or_insert_default();
            }
            Command::Pictures { indices } => post_pictures(session.dataset(), session.test_samples(), indices),
            Command::Examine(examination) => self.inspections.examine = Some((examination, attachment)),
            Command::Watch { picture } => {
                self.inspections.watched = picture;
                self.inspections.watch_due = picture.is_some();
            }
            Command::Weights { learner, masks } => {
                let file = if masks { self.masks(learner).await? } else { self.weights(learner).await? };
                let (name, bytes) = file;
                post_with(&Message::Weights { file: name }, &bytes);
            }
            Command::Inside { learner, layer } => {
                if let Some(mut view) = known(session.inside(learner, layer).await)? {
                    let count = view.active.len();
                    // JSON has no infinity, which weights of a learner that diverged may be.
                    view.limit = if view.limit.is_finite() { view.limit } else { f32::MAX };
                    for positions in [&mut view.active, &mut view.grown, &mut view.pruned] {
                        if positions.len() > MOST_POSITIONS {
                            positions.clear();
                        }
                    }
                    post(&Message::Inside(Inside { learner, layer, count, view }));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A learner's weights, dense with zeros where there are none, in the form that the native program reads.
    async fn weights(&self, learner: usize) -> Result<(String, Vec<u8>)> {
        let (Some(session), Some((config, info))) = (&self.session, self.held(learner)) else { return Err(gone(learner)) };
        let mut state = session.state(learner).await?;
        let epochs = session.epochs_done().to_string();
        let own = [
            (formats::FORMAT, formats::CHECKPOINT_FORMAT.to_owned()),
            (formats::NORMALIZATION, config.dataset.normalization().to_string()),
            ("dataset", config.dataset.to_string()),
            ("learner", info.learner),
            ("subset", info.subset),
            ("epochs", epochs),
            ("config", config.canonical_json()?),
            ("config_hash", config.hash()?),
        ];
        for (key, value) in own.into_iter().chain(config.architecture().metadata()) {
            state.metadata.insert(key.to_owned(), value);
        }
        Ok((format!("{}.safetensors", info.name), safetensors::write(&state)?))
    }

    /// A learner's masks, 1 where a weight exists (also one that is 0, as those just grown are), and the scores of the images.
    async fn masks(&self, learner: usize) -> Result<(String, Vec<u8>)> {
        let (Some(session), Some((config, info))) = (&self.session, self.held(learner)) else { return Err(gone(learner)) };
        let mut state = StateDict::default();
        for (layer, LayerDensity { name, total, .. }) in info.layers.iter().enumerate() {
            let view = session.inside(learner, layer).await?;
            let mut data = vec![0.0; *total];
            view.active.iter().for_each(|position| data[*position as usize] = 1.0);
            state.tensors.insert(format!("mask.{name}"), Tensor { shape: vec![view.rows, view.columns], data });
        }
        if let Some(column) = &self.ranking {
            for (what, scores) in [("train", &column.train), ("test", &column.test)] {
                state.tensors.insert(format!("{}.{what}", column.score), Tensor { shape: vec![scores.len()], data: scores.clone() });
            }
        }
        state.metadata.insert("learner".into(), info.learner);
        state.metadata.insert("config_hash".into(), config.hash()?);
        Ok((format!("{}-masks-and-scores.safetensors", info.name), safetensors::write(&state)?))
    }

    /// The experiment that is held, all of it where this trainer shares it, and one of its learners.
    fn held(&self, learner: usize) -> Option<(&ExperimentConfig, LearnerInfo)> {
        let session = self.session.as_ref()?;
        let Event::Started { learners, .. } = session.introduction() else { return None };
        let race = self.race.as_ref().unwrap_or_else(|| session.config());
        let (subset, _) = *race.corners().get(learner / race.learners.len().max(1))?;
        Some((race, LearnerInfo { subset: subset.to_string(), ..learners.into_iter().nth(learner)? }))
    }

    /// Does a piece of what waits, the shortest first.
    pub(super) async fn inspect(&mut self) -> std::result::Result<(), Halt> {
        let Some(session) = &mut self.session else {
            self.inspections = Inspections::default();
            return Ok(());
        };
        let inspections = &mut self.inspections;
        let seed = session.config().seed;
        if let Some((examination, attachment)) = inspections.examine.take() {
            known(examine(session, &examination, &attachment, Some(examination.id), seed).await)?;
        } else if std::mem::take(&mut inspections.watch_due) {
            inspections.watched_at = session.epochs_done();
            if let Some(index) = inspections.watched {
                let plain = Examination { id: 0, picture: Picture::Test(index), corruption: None, attack: None };
                known(examine(session, &plain, &JsValue::UNDEFINED, None, seed).await)?;
            }
        } else if let Some(answers) = &mut inspections.answers {
            let done = answers.iter().take_while(|answers| answers.len() == session.test_count()).count();
            if done < session.learner_count() {
                answers.resize_with(session.learner_count(), Vec::new);
                session.answers(done, &mut answers[done]).await?;
            } else {
                self.post_samples();
                self.inspections.answers = None;
            }
        }
        breathe().await;
        Ok(())
    }

    /// Sends the answers to all test images, and what is known of these.
    fn post_samples(&self) {
        let (Some(session), Some(answers)) = (&self.session, &self.inspections.answers) else { return };
        let (data, samples, count) = (session.dataset(), session.test_samples(), session.test_count());
        let column = self.ranking.as_ref().filter(|c| c.test.len() == data.test.len());
        let mut bytes: Vec<u8> = samples.iter().map(|i| data.test.labels[*i as usize] as u8).collect();
        match column {
            Some(column) => bytes.extend(samples.iter().flat_map(|i| column.test[*i as usize].to_le_bytes())),
            None => bytes.resize(5 * count, 0),
        }
        for answers in answers {
            bytes.extend(answers.iter().map(|a| a.class as u8));
            bytes.extend(answers.iter().map(|a| byte(a.confidence)));
        }
        let (c, h, w) = data.extent;
        let message = Message::Samples {
            count,
            score: column.map_or_else(String::new, |c| c.score.name().to_owned()),
            classes: data.classes.clone(),
            extent: [c, h, w],
            epoch: session.epochs_done(),
        };
        post_with(&message, &bytes);
    }
}

/// Sends images by their place among those that are evaluated, `samples` of the test set: of those that there are.
pub(super) fn post_pictures(data: &Dataset, samples: &[u32], places: Vec<u32>) {
    let size = data.image_bytes();
    let (mut indices, mut bytes) = (Vec::new(), Vec::new());
    for place in places {
        if let Some((picture, _)) = samples.get(place as usize).and_then(|sample| data.test.get(*sample, size)) {
            indices.push(place);
            bytes.extend_from_slice(picture);
        }
    }
    post_with(&Message::Pictures { indices }, &bytes);
}

/// The answer to a question that the race can answer. One that it cannot (another race's learner, a picture of another size) came
/// too late, and is answered by nothing.
fn known<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::Config(_) | ErrorKind::Shape { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Of 0..=1.
fn byte(value: f32) -> u8 {
    (value * 255.0 + 0.5) as u8
}

/// Shows a picture to every learner and posts what they make of it.
async fn examine(session: &mut Session, question: &Examination, attachment: &JsValue, id: Option<u32>, seed: u64) -> Result<()> {
    let data = session.dataset();
    let (extent, size) = (data.extent, data.image_bytes());
    let (c, h, w) = extent;
    let (classes, count, epoch) = (data.classes.clone(), session.test_count(), session.epochs_done());
    let answer = |label, probabilities| Message::Examined {
        id,
        picture: question.picture,
        epoch,
        extent: [c, h, w],
        probabilities,
        label,
        classes,
        count,
    };
    let known = match question.picture {
        Picture::Test(place) => session.test_samples().get(place as usize).and_then(|&index| {
            let (bytes, label) = data.test.get(index, size)?;
            Some((bytes.to_vec(), Some(label), u64::from(index)))
        }),
        Picture::Own => {
            attachment.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec).filter(|b| b.len() == size).map(|bytes| (bytes, None, 0))
        }
    };
    let Some((picture, label, index)) = known else {
        post_with(&answer(None, Vec::new()), &[]);
        return Ok(());
    };
    let mut seen = picture.clone();
    if let Some((kind, severity)) = question.corruption {
        corrupt(&mut seen, extent, kind, Severity::new(severity)?, seed, index)?;
    }
    let mut attachment = [picture.as_slice(), &seen].concat();
    let mut probabilities = Vec::new();
    for learner in 0..session.learner_count() {
        let Examined { probabilities: all, pixels } = session.examine(learner, &seen, label, question.attack.map(pgd)).await?;
        // Of a learner that diverged there are none.
        probabilities.push(all.into_iter().map(|p| if p.is_finite() { p } else { 0.0 }).collect());
        if question.attack.is_some() {
            attachment.extend(pixels.into_iter().map(byte));
        }
    }
    post_with(&answer(label, probabilities), &attachment);
    Ok(())
}

/// The same numbers as in the corrupted test set of that seed.
fn corrupt(bytes: &mut [u8], extent: (usize, usize, usize), kind: Corruption, severity: Severity, seed: u64, index: u64) -> Result<()> {
    corrupt::corrupt_bytes(bytes, extent, kind, severity, &mut corrupt::stream(seed, Split::Test, index, kind, severity))
}

fn pgd(AttackSettings { norm, eps, steps }: AttackSettings) -> PgdConfig {
    if steps == 1 {
        return PgdConfig::fgsm(norm, eps);
    }
    PgdConfig { norm, eps, step: eps / 4.0, iterations: steps, random_start: steps > 1, targeted: false }
}
