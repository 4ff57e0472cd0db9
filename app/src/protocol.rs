//! What the page and the worker say to each other: JSON text by `postMessage`, one enum each way.
//!
//! Text costs microseconds at ten messages a second and can be read in the browser's tools. A message either way may carry one
//! attachment (a dropped file, bytes), which travels as a structured clone beside its text.

use serde::{Deserialize, Serialize};
use sparring_core::attack::Norm;
use sparring_core::config::ExperimentConfig;
use sparring_core::corrupt::Corruption;
use sparring_core::device::info::{DeviceChoice, DeviceInfo};
use sparring_core::error::{Error, ErrorKind};
use sparring_core::events::Event;
use sparring_core::names::named_enum;
use sparring_core::train::session::inspection::LayerView;

/// From the page to the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Say that you are there; answered by `Here` between any two pieces of work, before all that waits.
    Hail,
    /// Find a device, so that the page can say what trains before anything does.
    Open {
        /// What to look for.
        device: DeviceChoice,
    },
    /// Share a race among so many workers at most, where there is no GPU.
    Workers {
        /// 1 for none beside the trainer itself.
        most: usize,
    },
    /// Load what the configuration needs and begin; a session already there is dropped.
    Start {
        /// The experiment.
        config: Box<ExperimentConfig>,
        /// Wait for `Resume` or `Step` instead of training at once.
        paused: bool,
    },
    /// Open the networks that ship with the page, to be looked at; answered by `Trained`. A session already there is dropped.
    OpenTrained {
        /// What they ship as.
        name: String,
        /// Their race, on this device.
        config: Box<ExperimentConfig>,
    },
    /// From a trainer to one that shares its race: take these learners. Attached are the images (packed), the scores or nothing, dense
    /// parents as pairs of subset and safetensors, and where the race goes on the part's checkpoint.
    Join {
        /// The whole race.
        race: Box<ExperimentConfig>,
        /// Indices into its learners.
        learners: Vec<usize>,
        /// As in `Start`.
        paused: bool,
    },
    /// Hold after the slice under way.
    Pause,
    /// Go on.
    Resume,
    /// Train every learner so far, then hold.
    Step {
        /// How far.
        stride: Stride,
    },
    /// From a trainer to one that shares its race: train until so many epochs are done.
    Until {
        /// In all.
        epochs: u32,
    },
    /// From a trainer to one that shares its race: hand out its part of a checkpoint; answered by `Checkpoint`.
    Checkpoint,
    /// Work so much of the time, and rest for the rest.
    Load {
        /// 1 to 100.
        percent: u32,
    },
    /// End the race early. What was reported stays on the page, and its learners can still be looked at.
    Stop,
    /// Give up what is held of the race.
    Forget,
    /// Go on with a run that is kept in this browser.
    GoOn {
        /// Its id.
        run: String,
    },
    /// Keep the attached text, a run file, under this id: a new run, or a kept one under another name. Answered by `Kept` or `NotKept`.
    Keep {
        /// The id.
        run: String,
    },
    /// Change the learning rate from here on; `None` returns to the schedule.
    SetLr {
        /// The rate.
        lr: Option<f32>,
    },
    /// Bring a sparse learner to another density before its next step.
    SetDensity {
        /// Index into the race's learners.
        learner: usize,
        /// Above 0, at most 1.
        density: f64,
    },
    /// Keep the attached official archive (binary or for Python) as the CIFAR-10 of this browser.
    DropArchive,
    /// Say what every learner answers on every test image that the experiment evaluates; answered by `Samples`. This question and
    /// those below are answered by nothing where there is no race; a race that ended is there until the next begins.
    Samples,
    /// Send pictures of the test set; answered by `Pictures`.
    Pictures {
        /// Which, by their places among those that are evaluated.
        indices: Vec<u32>,
    },
    /// Send test pictures of an experiment, a recorded one included, for which no race need be there; answered by `WatchedPictures`.
    WatchedPictures {
        /// Whose images.
        of: Box<ExperimentConfig>,
        /// Which.
        samples: Vec<u32>,
        /// Get the dataset where it is not at hand; else what is not at hand is answered by no pictures.
        fetch: bool,
    },
    /// Show one picture to every learner; answered by `Examined`. Of several waiting only the last is done.
    Examine(Examination),
    /// Examine this picture now and after every epoch; `None` ends it. Answered by `Examined` without an id.
    Watch {
        /// Index in the test set.
        picture: Option<u32>,
    },
    /// Hand out a learner of the race as a safetensors file; answered by `Weights`.
    Weights {
        /// Index into the race's learners.
        learner: usize,
        /// Its masks and the images' hardness scores in place of its weights.
        masks: bool,
    },
    /// Say what a layer of a learner looks like; answered by `Inside`.
    Inside {
        /// Index into the race's learners.
        learner: usize,
        /// Index into `LearnerInfo::layers`.
        layer: usize,
    },
}

/// What tells the images of one experiment from those of another.
pub fn images_of(config: &ExperimentConfig) -> String {
    format!("{} {}", config.dataset, config.difficulty)
}

named_enum! {
    /// How far a step goes.
    pub enum Stride ("step") {
        /// One training step.
        Batch = "batch",
        /// To the end of the epoch.
        Epoch = "epoch",
        /// To the end of the epoch with the next topology update.
        Update = "update",
    }
}

impl Stride {
    /// Epochs that are done at its end, where so many are now; `None` for a single step.
    pub fn until(self, done: u32, config: &ExperimentConfig) -> Option<u32> {
        match self {
            Self::Batch => None,
            Self::Epoch => Some(done + 1),
            Self::Update => Some((done / config.update_frequency + 1) * config.update_frequency),
        }
    }
}

/// Where a picture comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Picture {
    /// The test set's, by index.
    Test(u32),
    /// The visitor's own, attached: channels x height x width bytes of the dataset's size.
    Own,
}

/// A picture, and what happens to it before the learners see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Examination {
    /// Comes back with the answer, so that a late one is known.
    pub id: u32,
    /// Which.
    pub picture: Picture,
    /// Kind and severity, 1 to 5.
    pub corruption: Option<(Corruption, u8)>,
    /// Made for each learner by its own gradient, on the (corrupted) picture.
    pub attack: Option<AttackSettings>,
}

/// A PGD attack in the page's few words: step size eps / 4 (eps for one step), with a random start for more than one step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttackSettings {
    /// Of the ball.
    pub norm: Norm,
    /// Its radius, in pixel units of [0, 1].
    pub eps: f32,
    /// Gradient steps.
    pub steps: u32,
}

/// From the worker to the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The worker's code runs and commands will be heard.
    Booted,
    /// The worker is there, and was hailed.
    Here,
    /// The worker has not answered for so long; 0 once it does. Its line says this (`Bridge`).
    Silent {
        /// Counted one by one.
        seconds: u32,
    },
    /// The same of those who share the trainer's race: the longest of them.
    MembersSilent {
        /// Counted one by one.
        seconds: u32,
    },
    /// A device is open.
    Ready {
        /// What it is.
        device: DeviceInfo,
        /// Why it is not the GPU, where the CPU had to step in.
        note: Option<String>,
    },
    /// How long some training took on the CPU that was opened.
    Timed {
        /// Its FLOPs.
        flops: f64,
        /// Bytes that it moved.
        moved: f64,
        /// Its time.
        seconds: f64,
    },
    /// Something is being fetched, read or planned.
    Loading(Loading),
    /// What the session said in one slice.
    Events(Vec<Event>),
    /// Networks that were trained before are open.
    Trained,
    /// Training goes on.
    Resumed,
    /// Training holds.
    Paused,
    /// The race was ended, or its preparation was given up.
    Stopped,
    /// The dropped archive is checked, and kept if the browser keeps it.
    ArchiveKept {
        /// Training images in it.
        train: usize,
        /// Test images in it.
        test: usize,
        /// Why it lasts only until the page is closed, where it does.
        refused: Option<String>,
    },
    /// The attached bytes are the trainer's part of a checkpoint.
    Checkpoint,
    /// A run was kept in this browser, or kept anew.
    Kept {
        /// Its id.
        run: String,
    },
    /// A run file could not be kept.
    NotKept {
        /// Plain words.
        why: String,
    },
    /// Every learner's answers, as columns in the attached bytes: labels (u8 each), scores (f32, little endian), then for each learner
    /// of the race its answers (u8) and how sure it was (u8, 255 is certain).
    Samples {
        /// Test images, from the first on.
        count: usize,
        /// Name of the hardness score; empty where there is none, and the scores are 0.
        score: String,
        /// Names of the classes.
        classes: Vec<String>,
        /// Channels, height, width of a picture.
        extent: [usize; 3],
        /// Epochs done by the learner that is behind.
        epoch: u32,
    },
    /// The attached bytes are these test images, channels x height x width each.
    Pictures {
        /// Which, by their places among those that are evaluated.
        indices: Vec<u32>,
    },
    /// The attached bytes are these test images, channels x height x width each; none where the dataset is not at hand.
    WatchedPictures {
        /// Whose images: [`images_of`] the experiment.
        of: String,
        /// Which.
        samples: Vec<u32>,
        /// Channels, height, width.
        extent: [usize; 3],
        /// Names of the classes.
        classes: Vec<String>,
    },
    /// What every learner makes of a picture. Attached, channels x height x width bytes each: the picture, the picture after its
    /// corruption, then, where it was attacked, what each learner saw.
    Examined {
        /// Of the examination; `None` for the watched picture after an epoch.
        id: Option<u32>,
        /// Which picture: another one may be asked about by the time of the answer.
        picture: Picture,
        /// Epochs done by the learner that is behind.
        epoch: u32,
        /// Channels, height, width.
        extent: [usize; 3],
        /// Each learner's probabilities. Empty, and nothing attached, where the race has no such picture.
        probabilities: Vec<Vec<f32>>,
        /// The true class; nobody knows the one of a visitor's own picture.
        label: Option<u16>,
        /// Names of the classes.
        classes: Vec<String>,
        /// Test images that the experiment evaluates.
        count: usize,
    },
    /// The attached bytes are a learner's file.
    Weights {
        /// Its name.
        file: String,
    },
    /// A layer of a learner.
    Inside(Inside),
    /// It cannot go on like this; the worker lives.
    Failed(Failure),
    /// The worker's last words.
    Died(Failure),
}

/// Positions that are sent at most, some 2 MB of text: a tenth of a ResNet18's largest layer fits.
pub const MOST_POSITIONS: usize = 250_000;

/// A layer of a learner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inside {
    /// Index into the race's learners.
    pub learner: usize,
    /// Index into `LearnerInfo::layers`.
    pub layer: usize,
    /// Number of active weights.
    pub count: usize,
    /// What it looks like; each list of positions is empty where it would have more than [`MOST_POSITIONS`].
    pub view: LayerView,
}

/// One honest progress bar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loading {
    /// E.g. "Fetching CIFAR-10".
    pub what: String,
    /// How much of it; `None` where nobody knows.
    pub amount: Option<Amount>,
}

/// So much of so much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// Bytes done, and all.
    Bytes(u64, u64),
    /// Training steps done, and all.
    Steps(u64, u64),
}

impl Amount {
    /// As a fraction.
    pub fn fraction(self) -> f64 {
        let (Self::Bytes(done, total) | Self::Steps(done, total)) = self;
        (done as f64 / total.max(1) as f64).min(1.0)
    }
}

impl Loading {
    /// Something whose length nobody knows.
    pub fn unknown(what: &str) -> Self {
        Self { what: what.to_owned(), amount: None }
    }
}

/// What went wrong, in words for the person at the page, and the ways on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// One short sentence.
    pub title: String,
    /// What was expected, what was found, what to do.
    pub message: String,
    /// Buttons, the most useful first.
    pub ways: Vec<WayOn>,
}

/// What a person can do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayOn {
    /// The same again.
    Retry,
    /// The built-in set in place of the one that cannot be had.
    UseBuiltIn,
    /// The CPU in place of the GPU.
    UseCpu,
    /// Fewer samples a step.
    UseSmallBatch,
    /// The small preset.
    UseQuickLook,
    /// Back to the settings.
    ChangeSettings,
}

impl WayOn {
    /// What its button says.
    pub fn label(self) -> &'static str {
        match self {
            Self::Retry => "Try again",
            Self::UseBuiltIn => "Use the built-in set",
            Self::UseCpu => "Train on the CPU",
            Self::UseSmallBatch => "Use batch 32",
            Self::UseQuickLook => "Take the quick look",
            Self::ChangeSettings => "Back to the settings",
        }
    }
}

/// What [`WayOn::UseSmallBatch`] takes.
pub const SMALL_BATCH: usize = 32;

impl Failure {
    /// A failure with its ways on.
    pub fn new(title: &str, message: impl Into<String>, ways: &[WayOn]) -> Self {
        Self { title: title.to_owned(), message: message.into(), ways: ways.to_vec() }
    }
}

impl Failure {
    /// In one line, for what is said in passing.
    pub fn words(&self) -> String {
        format!("{}: {}", self.title, self.message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        use WayOn::{ChangeSettings, Retry, UseBuiltIn, UseCpu, UseQuickLook, UseSmallBatch};
        let (title, ways): (_, &[WayOn]) = match error.kind() {
            ErrorKind::Config(_) | ErrorKind::UnknownName { .. } => ("These settings cannot be run", &[ChangeSettings, UseQuickLook]),
            ErrorKind::Limit { .. } | ErrorKind::OutOfMemory(_) => {
                ("This does not fit the device", &[UseSmallBatch, UseQuickLook, UseCpu, ChangeSettings])
            }
            ErrorKind::NoAdapter(_) => ("No GPU can be used here", &[UseCpu]),
            ErrorKind::DeviceLost(_) => ("The GPU was lost", &[Retry, UseCpu]),
            ErrorKind::Format { .. } | ErrorKind::Io { .. } => ("The data is not what it should be", &[Retry, UseBuiltIn]),
            ErrorKind::Checkpoint(_) => ("This run cannot go on", &[ChangeSettings]),
            ErrorKind::Diverged(_) => ("Training diverged", &[ChangeSettings, Retry]),
            ErrorKind::Shape { .. } | ErrorKind::Validation(_) => ("The trainer hit a fault of its own", &[Retry, UseCpu]),
        };
        Self::new(title, error.to_string(), ways)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn messages_survive_their_text_form() {
        let start = Command::Start { config: Box::default(), paused: true };
        let messages = [
            Message::Booted,
            Message::Loading(Loading { what: "Fetching".into(), amount: Some(Amount::Bytes(3, 4)) }),
            Message::Events(vec![Event::Warning { message: "w".into() }]),
            Message::Failed(Error::device_lost("driver reset").into()),
        ];
        assert_eq!(serde_json::from_str::<Command>(&serde_json::to_string(&start).unwrap()).unwrap(), start);
        for message in messages {
            assert_eq!(serde_json::from_str::<Message>(&serde_json::to_string(&message).unwrap()).unwrap(), message);
        }
    }

    #[test]
    fn every_failure_offers_a_way_on() {
        let failure = Failure::from(Error::limit("VGG16", "2 GiB", "1 GiB", "use a smaller batch"));
        assert_eq!(failure.ways[..2], [WayOn::UseSmallBatch, WayOn::UseQuickLook]);
        assert!(failure.message.contains("2 GiB"));
    }
}
