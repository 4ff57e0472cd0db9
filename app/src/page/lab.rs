//! The lab's state: the form's experiment, the race as reported, the phase, and the line to the worker.

mod address;
mod errand;
mod hear;
mod silence;
mod speed;

use std::sync::Arc;

use leptos::prelude::*;
use sparring_core::config::{ExperimentConfig, LearnerConfig};
use sparring_core::data::DatasetName;
use sparring_core::device::info::{DeviceChoice, DeviceInfo};
use sparring_core::record::StudyFile;
use wasm_bindgen::JsValue;

pub use self::address::{address, asked_run, bare_address, page_address, run_address};
use self::errand::Errand;
pub use self::silence::Silent;
use super::entries::{self, Entry, Looks};
use super::memory::{recall, remember};
use super::place::Place;
use crate::bridge::Bridge;
use crate::model::bout::Pictures;
use crate::model::chart::View;
use crate::model::estimate::Work;
use crate::model::examine::Setup;
use crate::model::presets::Preset;
use crate::model::race::{Curve, Race};
use crate::model::replay::{FIRST, Player, Recording, Source};
use crate::model::teacher::Teacher;
use crate::model::verdict;
use crate::model::{link, names};
use crate::protocol::{Command, Failure, Loading, Message, Picture, SMALL_BATCH, Stride, WayOn};

/// Where the lab is between opening and the final bell.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// The worker is starting or looks for a device.
    Starting,
    /// Nothing trains; Train would.
    Ready,
    /// Data, scores or the plan are being prepared.
    Loading(Loading),
    /// Slices run.
    Training,
    /// Slices hold.
    Paused,
    /// Ended early.
    Stopped,
    /// The final bell.
    Finished,
    /// It cannot go on.
    Failed(Failure),
}

impl Phase {
    /// Whether a session exists or is being made.
    pub fn busy(&self) -> bool {
        matches!(self, Self::Loading(_) | Self::Training | Self::Paused)
    }
    /// One word for tests, style and the status line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Loading(_) => "loading",
            Self::Training => "training",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
            Self::Failed(_) => "failed",
        }
    }
}

/// What trains, and why it is not the GPU where it is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The device.
    pub info: DeviceInfo,
    /// The fallback's reason.
    pub note: Option<String>,
}

/// Where this browser remembers whether the form is open.
const FORM: &str = "sparring-form";

/// Hears answers and their attachments.
type Listener = Box<dyn Fn(&Message, &JsValue)>;

/// A configuration's fields by name.
type Fields = serde_json::Map<String, serde_json::Value>;

/// Everything views share: one place in memory for as long as the page is there, so that a closure that knows it holds one pointer.
#[derive(Clone, Copy)]
pub struct Lab(&'static State);

/// The lab of the page that a component stands in.
pub fn use_lab() -> Lab {
    expect_context()
}

impl std::ops::Deref for Lab {
    type Target = State;
    fn deref(&self) -> &State {
        self.0
    }
}

/// The signals of the page.
pub struct State {
    /// The form's experiment; the next Train takes it.
    pub config: RwSignal<ExperimentConfig>,
    /// Its fields by name, as the form shows them.
    pub fields: Memo<Fields>,
    /// The experiment of the race that is shown.
    pub started: RwSignal<Option<ExperimentConfig>>,
    /// What was reported.
    pub race: RwSignal<Race>,
    /// Where we are.
    pub phase: RwSignal<Phase>,
    /// The device, once open.
    pub device: RwSignal<Option<Opened>>,
    /// Training that was timed on the CPU before any race, and its seconds.
    pub timed: RwSignal<Option<(Work, f64)>>,
    /// Who has not answered for so long that it is to be said.
    pub silent: RwSignal<Silent>,
    /// A passing remark for the status line, e.g. "Link copied".
    pub remark: RwSignal<Option<String>>,
    /// The chart's series where a person chose one.
    pub series: RwSignal<Option<Curve>>,
    /// How the chart is looked at; its series is the one above, or the race's own.
    pub view: RwSignal<View>,
    /// Finished races of the same experiment with other seeds.
    pub past: RwSignal<Vec<Race>>,
    /// How far a step goes, by the protocol's names.
    pub stride: RwSignal<String>,
    /// How hard the trainer works, in percent.
    pub load: RwSignal<u32>,
    /// Whether the form with all settings is open beside the ring.
    pub form: RwSignal<bool>,
    /// Pictures of the images that the race watches.
    pub shots: RwSignal<Pictures>,
    /// Runs that can be shown: recorded, kept, brought.
    pub runs: RwSignal<Vec<Entry>>,
    /// How they are looked for.
    pub looks: StoredValue<Looks>,
    /// Studies that are shown: those that ship, and those that were brought.
    pub studies: RwSignal<Vec<Arc<StudyFile>>>,
    /// Those that ship were asked for.
    pub studies_asked: StoredValue<bool>,
    /// What is to be said of them.
    pub studies_say: RwSignal<String>,
    /// The run that is shown again, where one is.
    pub player: RwSignal<Player>,
    /// Where the visitor is.
    pub place: RwSignal<Place>,
    /// The picture on the test bench.
    pub bench: RwSignal<Picture>,
    /// The visitor's own picture, channels x height x width bytes of the dataset's size; empty where there is none.
    pub own: RwSignal<Vec<u8>>,
    /// The lesson, and what else a teacher's link says.
    pub teacher: RwSignal<Teacher>,
    /// The recorded run whose networks the open lesson looks at.
    pub lesson_networks: RwSignal<Option<String>>,
    /// What of the link was not understood.
    pub remarks: RwSignal<Vec<String>>,
    /// Workers that may share a race where there is no GPU: the machine's threads.
    pub workers: usize,
    /// The link named no experiment of its own.
    pub bare: bool,
    /// How the test bench is set.
    pub setup: RwSignal<Setup>,
    /// Questions that were asked about pictures: a place that is visited again asks under other numbers than before.
    questions: StoredValue<u32>,
    /// The place that is shown hears what it asked for.
    heard: StoredValue<Listener, LocalStorage>,
    bridge: StoredValue<Bridge, LocalStorage>,
    /// The experiment whose race is shown: that of the run that is shown again, else that which was started.
    pub shown: Memo<Option<ExperimentConfig>>,
    /// Whether that is the form's experiment.
    pub form_is_shown: Memo<bool>,
    /// What the trainer is asked for beside a race.
    errand: StoredValue<Option<Errand>>,
    /// Whether no trained networks are to be opened: they did not come, or nobody wants them.
    pub without_trained: StoredValue<bool>,
    /// The experiment of an address that names none, but the recorded run whose it is: that of a first visit, or another one by its name.
    of_run: StoredValue<Option<(String, ExperimentConfig)>>,
    /// After a reset: what still arrives of the old race is not shown.
    resetting: StoredValue<bool>,
}

impl Lab {
    /// The lab of the page's address, with its worker on the way.
    pub fn open() -> Self {
        let given = address::given();
        let first = Preset::named(Preset::FIRST).filter(|_| given.shows() == Some(FIRST));
        let base = given.preset.or(first).map_or_else(ExperimentConfig::default, |p| p.config(DeviceChoice::Auto));
        let bare =
            given.run.is_none() && given.preset.is_none() && given.rest.iter().all(|(name, _)| name == "version" || name == "device");
        let parsed = link::over(base, given.rest);
        let config = RwSignal::new(ExperimentConfig::default());
        let (started, race, past) = (RwSignal::new(None), RwSignal::new(Race::default()), RwSignal::new(Vec::<Race>::new()));
        let player = RwSignal::new(Player::default());
        let shown = Memo::new(move |_| {
            let recorded = player.with(|player: &Player| player.run().map(|run| run.config.clone()));
            // Of a race that has not begun nothing is shown. A series is one experiment, whichever seed it is at.
            let begun = race.with(|race: &Race| !race.tracks.is_empty());
            let seeds = past.with(|past| past.len() as u64);
            let own =
                || started.get().map(|config: ExperimentConfig| ExperimentConfig { seed: config.seed.saturating_sub(seeds), ..config });
            recorded.or_else(|| own().filter(|_| begun))
        });
        let lab = Self(Box::leak(Box::new(State {
            config,
            // Plain data: writing it cannot fail.
            fields: Memo::new(move |_| config.with(|c| c.fields().unwrap_or_default())),
            started,
            race,
            shown,
            form_is_shown: Memo::new(move |_| {
                let same = |shown: &ExperimentConfig| config.with(|form| names::differences(shown, form).is_empty());
                shown.with(|shown| shown.as_ref().is_some_and(same))
            }),
            errand: StoredValue::new(None),
            without_trained: StoredValue::new(false),
            phase: RwSignal::new(Phase::Starting),
            device: RwSignal::new(None),
            timed: RwSignal::new(None),
            silent: RwSignal::new(Silent::default()),
            remark: RwSignal::new((!given.ignored.is_empty()).then(|| crate::words::teacher::ignored(&given.ignored))),
            series: RwSignal::new(None),
            view: RwSignal::new(View::at(Curve::Train)),
            past,
            stride: RwSignal::new(Stride::Batch.name().into()),
            load: RwSignal::new(100),
            form: RwSignal::new(recall(FORM).unwrap_or(false)),
            shots: RwSignal::new(Pictures::default()),
            runs: RwSignal::new(Vec::new()),
            studies: RwSignal::new(Vec::new()),
            studies_asked: StoredValue::new(false),
            studies_say: RwSignal::new(String::new()),
            player,
            place: RwSignal::new(Place::of_address()),
            bench: RwSignal::new(Picture::Test(0)),
            own: RwSignal::new(Vec::new()),
            teacher: RwSignal::new(given.teacher),
            lesson_networks: RwSignal::new(None),
            remarks: RwSignal::new(given.remarks),
            workers: window().navigator().hardware_concurrency() as usize,
            bare,
            setup: RwSignal::new(Setup::default()),
            questions: StoredValue::new(0),
            looks: StoredValue::new(Looks::default()),
            heard: StoredValue::new_local(Box::new(|_, _| {})),
            bridge: StoredValue::new_local(Bridge::default()),
            of_run: StoredValue::new(first.map(|preset| (FIRST.to_owned(), preset.config(DeviceChoice::Auto)))),
            resetting: StoredValue::new(false),
        })));
        let refused = match (parsed, given.refused) {
            (Ok(config), None) => {
                lab.config.set(config);
                None
            }
            (_, Some(why)) => Some(why),
            (Err(error), None) => Some(error.to_string()),
        };
        // What the page offers beside the words is what can be trained everywhere.
        if let (Some(_), Some(preset)) = (&refused, Preset::named(Preset::FIRST)) {
            lab.config.set(preset.config(DeviceChoice::Auto));
        }
        let wrong_link = refused.map(|why| Failure::new("This link cannot be read", why, &[WayOn::ChangeSettings]));
        lab.connect(wrong_link);
        Effect::new(move || remember(FORM, &lab.form.get()));
        // The address follows the form and the lesson, so that a reload or a copied address brings the same experiment back.
        Effect::watch(move || (lab.config.track(), lab.teacher.track()), move |_, _, _| lab.remember(), false);
        lab
    }

    /// A fresh worker; a failure that is already known is shown once it is up.
    fn connect(self, known: Option<Failure>) {
        self.phase.set(known.map_or(Phase::Starting, Phase::Failed));
        self.resetting.set_value(false);
        self.silent.set(Silent::default());
        self.device.set(None);
        let choice = self.config.get_untracked().device;
        let opened = Bridge::open(move |message, attachment| self.hear(message, &attachment));
        match opened {
            Ok(bridge) => {
                bridge.send(&Command::Open { device: choice });
                bridge.send(&Command::Workers { most: self.workers });
                bridge.send(&Command::Load { percent: self.load.get_untracked() });
                self.bridge.set_value(bridge);
            }
            Err(text) => self.phase.set(Phase::Failed(Failure::new("The trainer cannot start", text, &[WayOn::Retry]))),
        }
    }

    fn send(self, command: &Command) {
        self.bridge.with_value(|b| b.send(command));
    }
    /// Asks the worker; what it answers goes to the listener of the place that is shown.
    pub fn ask(self, command: &Command, attachment: JsValue) {
        self.bridge.with_value(|b| b.send_with(command, attachment));
    }
    /// The number of one more question about a picture.
    pub fn next_question(self) -> u32 {
        self.questions.update_value(|questions| *questions = questions.wrapping_add(1));
        self.questions.get_value()
    }
    /// From here on, answers go to `hear` (with their attachments), until another place listens.
    pub fn listen(self, hear: impl Fn(&Message, &JsValue) + 'static) {
        self.heard.set_value(Box::new(hear));
    }

    /// Puts an experiment into the form, for this device.
    pub fn take(self, config: ExperimentConfig) {
        self.config.update(|form| *form = ExperimentConfig { device: form.device, ..config });
    }
    /// To another place; the way back works.
    pub fn visit(self, place: Place) {
        if self.place.get_untracked() != place {
            // A browser may refuse to change the address; the place is shown all the same.
            let _ = window().location().set_hash(place.name());
            self.arrive(place);
            window().scroll_to_with_x_and_y(0.0, 0.0);
        }
    }
    /// Shows a place, if it is another one. What was said in passing belongs to the place that is left.
    pub fn arrive(self, place: Place) {
        if self.place.get_untracked() != place {
            self.remark.set(None);
            self.place.set(place);
        }
    }

    /// Begins a race with the form's experiment, unless that cannot be; whether it began.
    fn begin(self, paused: bool) -> bool {
        let config = self.config.get_untracked();
        if let Err(error) = config.validate() {
            self.phase.set(Phase::Failed(error.into()));
            return false;
        }
        self.past.set(Vec::new());
        self.start(config, paused);
        true
    }
    /// After a race of a series: the same with the next seed.
    fn next_seed(self) {
        let done = self.past.with_untracked(Vec::len) as u32 + 1;
        if let Some(config) = self.started.get_untracked().filter(|_| done < untrack(|| self.seeds())) {
            self.past.update(|past| past.push(self.race.get_untracked()));
            self.start(ExperimentConfig { seed: config.seed + 1, ..config }, false);
        }
    }
    /// How many races with seeds in a row there are to be.
    pub fn seeds(self) -> u32 {
        self.teacher.with(|t| t.more_seeds + 1)
    }
    /// With how many seeds in a row the experiment on screen was raced, or is to be.
    pub fn shown_seeds(self) -> u32 {
        let recorded = self.player.with(|player| player.recording().map(|recording| recording.runs().count() as u32));
        recorded.unwrap_or_else(|| self.seeds().max(self.past.with(Vec::len) as u32 + 1))
    }
    /// The races that the numbers on screen are of, and the one that is shown; between two seeds that is the one before.
    pub fn with_counted<T>(self, of: impl FnOnce(&[&Race], &Race) -> T) -> T {
        self.past.with(|past| {
            self.race.with(|race| {
                let counted = verdict::furthest(past, race);
                let shown = past.last().filter(|_| race.tracks.is_empty()).unwrap_or(race);
                of(&counted, shown)
            })
        })
    }
    /// Which seed it is, where there are several.
    pub fn seed_words(self) -> String {
        let (done, all) = (self.past.with(Vec::len) as u32, self.seeds());
        if done > 0 || all > 1 { format!("Seed {} of {}: ", done + 1, all.max(done + 1)) } else { String::new() }
    }
    fn start(self, config: ExperimentConfig, paused: bool) {
        self.enter(config.clone(), &Command::Start { config: Box::new(config), paused });
    }

    /// A run of the list that can be read, and where it comes from.
    pub fn find(self, run: &str) -> Option<(Source, Recording)> {
        self.runs.with_untracked(|runs| entries::find(runs, run))
    }
    /// Goes on with a run that is kept in this browser.
    pub fn go_on(self, run: &str) {
        let Some((_, file)) = self.find(run) else { return };
        let config = file.config.clone();
        self.past.set(Vec::new());
        self.config.set(config.clone());
        self.enter(config, &Command::GoOn { run: run.to_owned() });
    }

    /// Nothing is on screen any more, and nothing waited for.
    fn clear(self) {
        self.errand.set_value(None);
        self.player.set(Player::default());
        self.race.set(Race::default());
        self.remark.set(None);
    }

    /// Starts a fresh trainer where the last has died: whoever wants something of it then has one to ask.
    pub fn revive(self) {
        if self.bridge.with_value(Bridge::is_dead) {
            self.connect(None);
        }
    }

    /// Clears the ring for a race of this experiment, and tells the trainer.
    fn enter(self, config: ExperimentConfig, command: &Command) {
        self.revive();
        self.clear();
        self.view.update(|l| l.zoom = (0.0, 1.0));
        self.started.set(Some(config));
        self.phase.set(Phase::Loading(Loading::unknown("Getting ready")));
        self.send(command);
    }

    /// Train, or go on.
    pub fn train(self) {
        match self.phase.get_untracked() {
            Phase::Paused => self.send(&Command::Resume),
            Phase::Loading(_) | Phase::Training => {}
            _ => {
                self.begin(false);
            }
        }
    }
    /// Hold.
    pub fn pause(self) {
        self.send(&Command::Pause);
    }
    /// One step of every learner, as far as was chosen.
    pub fn step(self) {
        if self.phase.with_untracked(Phase::busy) || self.begin(true) {
            let stride = self.stride.with_untracked(|s| s.parse().unwrap_or(Stride::Batch));
            self.send(&Command::Step { stride });
        }
    }
    /// How hard the trainer works, in percent.
    pub fn set_load(self, percent: u32) {
        self.load.set(percent);
        self.send(&Command::Load { percent });
    }
    /// End the race; its numbers stay.
    pub fn stop(self) {
        self.send(&Command::Stop);
    }
    /// Forget the race.
    pub fn reset(self) {
        if self.bridge.with_value(|b| b.is_dead()) {
            self.connect(None);
        } else {
            self.resetting.set_value(true);
            self.send(&Command::Stop);
            self.send(&Command::Forget);
            self.phase.set(if self.device.with_untracked(Option::is_some) { Phase::Ready } else { Phase::Starting });
        }
        self.clear();
        // Whoever wants nothing on screen wants no networks of others either.
        self.without_trained.set_value(true);
        self.past.set(Vec::new());
        self.started.set(None);
    }
    /// Changes the learning rate of the race that runs.
    pub fn set_lr(self, lr: Option<f32>) {
        self.send(&Command::SetLr { lr });
        self.remark.set(Some(lr.map_or_else(
            || "The learning rate follows its schedule again.".into(),
            |lr| format!("Learning rate {lr} from the next slice on."),
        )));
    }
    /// Changes the density of a corner of the race that runs, and of its random control.
    pub fn set_density(self, corner: usize, density: f64) {
        let of = |r: &Race| {
            let learner = r.corners().nth(corner).map(|l| l.info.learner.clone());
            (0..r.tracks.len()).filter(|i| Some(&r.tracks[*i].info.learner) == learner.as_ref()).collect::<Vec<_>>()
        };
        for learner in self.race.with_untracked(of) {
            self.send(&Command::SetDensity { learner, density });
        }
    }
    /// Brings the official archive.
    pub fn drop_archive(self, file: &web_sys::File) {
        self.revive();
        self.errand.set_value(Some(Errand::Archive { before: self.phase.get_untracked() }));
        self.phase.set(Phase::Loading(Loading::unknown("Reading the archive")));
        self.bridge.with_value(|b| b.send_with(&Command::DropArchive, file.into()));
    }
    /// Another device for the next race.
    pub fn choose_device(self, name: &str) {
        let before = self.config.with_untracked(|c| c.device);
        if self.edit("device", name).is_err() {
            return;
        }
        let device = self.config.with_untracked(|c| c.device);
        if device != before && !self.phase.with_untracked(Phase::busy) {
            self.revive();
            self.device.set(None);
            // Networks that are held stay with the device that they were trained on.
            self.phase.update(|phase| {
                if !matches!(phase, Phase::Finished | Phase::Stopped) {
                    *phase = Phase::Starting;
                }
            });
            self.send(&Command::Open { device });
        }
    }
    /// Changes a field of the form by its name.
    ///
    /// # Errors
    /// Why the text is no such value.
    pub fn edit(self, name: &str, text: &str) -> Result<(), String> {
        let changed = self.config.with_untracked(|c| link::with(c, name, text)).map_err(|e| e.to_string())?;
        self.config.set(changed);
        Ok(())
    }
    /// A preset, on the chosen device.
    pub fn choose_preset(self, preset: &Preset) {
        self.config.update(|c| *c = preset.config(c.device));
    }
    /// Follows a failure's button.
    pub fn follow(self, way: WayOn) {
        match way {
            WayOn::ChangeSettings => return self.reset(),
            WayOn::Retry => {}
            WayOn::UseBuiltIn => self.config.update(use_built_in),
            WayOn::UseCpu => self.config.update(|c| c.device = DeviceChoice::Cpu),
            WayOn::UseSmallBatch => self.config.update(|c| c.batch_size = SMALL_BATCH),
            WayOn::UseQuickLook => self.choose_quick_look(),
        }
        self.begin(false);
    }
    /// The learners of the form.
    pub fn learners(self) -> Vec<LearnerConfig> {
        self.config.with(|c| c.learners.clone())
    }
}

/// The same experiment on the built-in set.
fn use_built_in(config: &mut ExperimentConfig) {
    config.dataset = DatasetName::BuiltIn;
}
