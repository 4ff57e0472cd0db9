//! Keeping the race in this browser while it trains: at the end of epochs, at a pause and at its end.
//!
//! A tab may be closed at any moment and a disk may be full; a race must survive the first and go on in spite of the second.

use sparring_core::config::ExperimentConfig;
use sparring_core::device::info::DeviceInfo;
use sparring_core::error::Result;
use sparring_core::events::Event;
use sparring_core::record::run_file::{RUN_FILE_VERSION, RunFile, thin};
use sparring_core::train::Session;
use sparring_core::train::checkpoint::Checkpoint;
use sparring_core::train::parent::Parents;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::WorkerGlobalScope;

use super::members::Needs;
use super::store::Store;
use super::{Halt, Trainer, post};
use crate::locks::{self, Held};
use crate::model::browser;
use crate::model::kept::{self, Shelf};
use crate::protocol::{Failure, Message, WayOn};

/// Events that are held before they are thinned.
const MANY_EVENTS: usize = 6000;
/// Saving may take at most this part of the time.
const PART: f64 = 20.0;

/// The race under way as it will be kept.
pub(super) struct Keeper {
    run: String,
    /// The id of what it goes on with, until it is kept under its own: so two tabs that go on with one run never mix their files.
    replaces: Option<String>,
    file: RunFile,
    number: u32,
    /// Epochs that are kept.
    epochs: u32,
    /// When the next save may come, by the clock in milliseconds.
    not_before: f64,
    /// What the page was told about trouble.
    told: Option<String>,
    /// The names of its runs, so that no other tab offers to go on with them.
    held: Vec<Held>,
}

fn system() -> String {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let navigator = scope.navigator();
    browser::system(&navigator.user_agent().unwrap_or_default(), &navigator.platform().unwrap_or_default())
}

fn now() -> f64 {
    js_sys::Date::now()
}

fn held(run: &str) -> Held {
    locks::hold(&locks::of_run(run), || {})
}

impl Keeper {
    /// Of a new race.
    pub(super) fn new(config: &ExperimentConfig, device: DeviceInfo) -> Self {
        let config_hash = config.hash().unwrap_or_default();
        let file = RunFile {
            sparring_run: RUN_FILE_VERSION,
            name: crate::model::names::name(config),
            config: config.clone(),
            config_hash: config_hash.clone(),
            device,
            version: env!("CARGO_PKG_VERSION").into(),
            commit: String::new(),
            system: system(),
            date: String::new(),
            seconds: 0.0,
            events: Vec::new(),
        };
        let run = kept::id(now(), &config_hash);
        let held = vec![held(&run)];
        Self { run, replaces: None, file, number: 1, epochs: 0, not_before: 0.0, told: None, held }
    }

    /// Hears what is reported, and how long it took.
    pub(super) fn hear(&mut self, events: &[Event], milliseconds: f64) {
        self.file.seconds += milliseconds / 1000.0;
        for event in events {
            if let Event::Started { device, .. } = event {
                self.file.device.kernels = device.kernels.clone();
            }
        }
        self.file.events.extend_from_slice(events);
        if self.file.events.len() > MANY_EVENTS {
            self.file.events = thin(std::mem::take(&mut self.file.events));
        }
    }

    /// Whether the race has come so far that it should be kept.
    pub(super) fn due(&self, epochs: u32, finished: bool) -> bool {
        finished || epochs > self.epochs && now() >= self.not_before
    }

    /// Whether nothing has been said that could be kept.
    pub(super) fn is_empty(&self) -> bool {
        self.file.events.is_empty()
    }

    /// Another name, if it is this run's.
    pub(super) fn rename(&mut self, run: &str, name: &str) {
        if self.run == run || self.replaces.as_deref() == Some(run) {
            name.clone_into(&mut self.file.name);
        }
    }

    /// Keeps the race as it stands after so many epochs, with its checkpoint unless it is over: one that is over is not gone on with. Making
    /// that began at `began`. Trouble is told, once, and the race goes on.
    pub(super) async fn save(&mut self, epochs: u32, began: f64, checkpoint: Result<Option<Vec<u8>>>) {
        let written = match checkpoint {
            Ok(checkpoint) => self.write(checkpoint).await,
            Err(error) => Err(error.to_string()),
        };
        match written {
            Ok(()) => {
                self.epochs = epochs;
                self.told = None;
                post(&Message::Kept { run: self.run.clone() });
            }
            Err(why) => {
                if self.told.as_ref() != Some(&why) {
                    let message = format!("this race is not kept in the browser: {why}. It goes on; export it before you close the page");
                    post(&Message::Events(vec![Event::Warning { message }]));
                    self.told = Some(why);
                }
            }
        }
        self.not_before = now() + PART * (now() - began);
    }

    async fn write(&mut self, checkpoint: Option<Vec<u8>>) -> std::result::Result<(), String> {
        self.file.date = String::from(js_sys::Date::new_0().to_iso_string());
        let kept = RunFile { events: thin(self.file.events.clone()), ..self.file.clone() };
        let text = kept.to_json().map_err(|e| e.to_string())?;
        let store = Store::open().await;
        let shelves = kept::shelves(&store.names().await);
        let shelf = shelves.iter().find(|s| s.run == self.run).cloned();
        let shelf = shelf.unwrap_or_else(|| Shelf { run: self.run.clone(), ..Shelf::default() });
        self.number = self.number.max(shelf.next());
        let (run, number) = (self.run.as_str(), self.number);
        if let Some(bytes) = &checkpoint {
            store.keep(&kept::checkpoint_file(run, number), bytes).await?;
        }
        if let Err(why) = store.keep(&kept::run_file(run, number), text.as_bytes()).await {
            store.remove(&kept::checkpoint_file(run, number)).await;
            return Err(why);
        }
        self.number += 1;
        let replaced = self.replaces.take();
        let replaced = shelves.iter().filter(|s| Some(&s.run) == replaced.as_ref()).flat_map(Shelf::files);
        for old in shelf.outdated(number, false).into_iter().chain(replaced) {
            store.remove(&old).await;
        }
        Ok(())
    }
}

/// A kept run at rest.
struct Rest {
    file: RunFile,
    checkpoint: Checkpoint,
}

/// The newest state of a run that can be read, and why newer ones cannot.
async fn at_rest(run: &str) -> std::result::Result<Rest, String> {
    let store = Store::open().await;
    let shelf = kept::shelves(&store.names().await).into_iter().find(|s| s.run == run);
    let shelf = shelf.ok_or("it is no longer in this browser")?;
    let mut trouble = Vec::new();
    for number in shelf.runs.iter().copied() {
        let Some(bytes) = store.read(&kept::run_file(run, number)).await else {
            trouble.push("its events cannot be opened".into());
            continue;
        };
        let file = match RunFile::read(&bytes) {
            Ok(file) => file,
            Err(e) => {
                trouble.push(e.to_string());
                continue;
            }
        };
        let Some(saved) = shelf.checkpoint(number) else {
            trouble.push("it has no checkpoint".into());
            continue;
        };
        match store.read(&kept::checkpoint_file(run, saved)).await.map(|bytes| Checkpoint::read(&bytes)) {
            Some(Ok(checkpoint)) => return Ok(Rest { file, checkpoint }),
            Some(Err(e)) => trouble.push(e.to_string()),
            None => trouble.push("its checkpoint cannot be opened".into()),
        }
    }
    Err(trouble.join("; "))
}

impl Trainer {
    /// The race has ended early and is kept: whoever likes goes on with it.
    pub(super) fn let_others(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            keeper.held.clear();
        }
    }

    /// Goes on with a kept run.
    pub(super) async fn go_on(&mut self, run: String) -> std::result::Result<(), Halt> {
        self.drop_session();
        self.out.loading("Reading the kept run", None).await;
        let rest = at_rest(&run).await;
        let Rest { file, checkpoint } = rest.map_err(|why| {
            Failure::new(
                "This run cannot go on",
                format!("{why}. What it reported can still be seen under Runs."),
                &[WayOn::ChangeSettings],
            )
        })?;
        let config = file.config.clone();
        let (data, scores) = self.prepare(&config).await?;
        let device = self.take_device(config.device).await?;
        let info = device.info();
        self.out.loading(&super::planning(&config, &info, !checkpoint.record.device.is(&info)), None).await;
        let mut events = file.events.clone();
        if !checkpoint.record.device.is(&info) {
            let message =
                format!("the run began on {}: on another device numbers repeat within rounding only", checkpoint.record.device.name);
            events.push(Event::Warning { message });
        }
        let own = kept::id(now(), &file.config_hash);
        let file = RunFile { events: events.clone(), ..file };
        let needs =
            Needs { data: &data, scores: scores.as_deref(), parents: &Parents::new(), rest: Some((&checkpoint, events.as_slice())) };
        let shared = self.share(&config, &needs, false)?;
        if !shared {
            self.session = Some(Session::resume(config, data, scores, device, &checkpoint).await?);
            self.running = true;
        }
        let epochs = checkpoint.record.epochs_done();
        let held = vec![held(&own), held(&run)];
        self.keeper = Some(Keeper { run: own, replaces: Some(run), file, number: 1, epochs, not_before: 0.0, told: None, held });
        post(&Message::Events(events));
        if !shared {
            post(&Message::Resumed);
        }
        Ok(())
    }

    /// Keeps the race as it stands, where there is one that should be.
    pub(super) async fn keep_race(&mut self, only_if_due: bool) {
        self.keep_members(only_if_due).await;
        if let (Some(session), Some(keeper)) = (&self.session, &mut self.keeper)
            && !keeper.is_empty()
            && (!only_if_due || keeper.due(session.epochs_done(), session.finished()))
        {
            let began = now();
            let checkpoint = if session.finished() { Ok(None) } else { session.checkpoint("").await.map(Some) };
            keeper.save(session.epochs_done(), began, checkpoint).await;
            if session.finished() {
                self.keeper = None;
            }
        }
    }

    /// Keeps a run file that the page brings: a new run, or a kept one under another name.
    pub(super) async fn keep_file(&mut self, run: String, attachment: &JsValue) -> std::result::Result<(), Halt> {
        let text = attachment.as_string().unwrap_or_default();
        let kept = async {
            let file = RunFile::read(text.as_bytes()).map_err(|e| e.to_string())?;
            if let Some(keeper) = &mut self.keeper {
                keeper.rename(&run, &file.name);
            }
            let store = Store::open().await;
            let shelf = kept::shelves(&store.names().await).into_iter().find(|s| s.run == run);
            let shelf = shelf.unwrap_or_else(|| Shelf { run: run.clone(), ..Shelf::default() });
            let number = shelf.next();
            store.keep(&kept::run_file(&run, number), text.as_bytes()).await?;
            for old in shelf.outdated(number, true) {
                store.remove(&old).await;
            }
            Ok::<_, String>(())
        };
        let message = match kept.await {
            Ok(()) => Message::Kept { run },
            Err(why) => Message::NotKept { why },
        };
        post(&message);
        Ok(())
    }
}
