//! The worker: it owns the session, obeys commands between slices, and reports.
//!
//! Everything runs in one task that alternates between the inbox and `advance`, so no state is ever shared with a handler.

pub(crate) mod fetch;
mod inspect;
mod keep;
mod library;
mod members;
mod outbox;
mod prepare;
mod probe;
pub(crate) mod store;
pub(crate) mod stream;
mod trained;

use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use gloo_timers::future::TimeoutFuture;
use sparring_core::config::ExperimentConfig;
use sparring_core::device::Device;
use sparring_core::device::info::{DeviceChoice, Kernels};
use sparring_core::events::Event;
use sparring_core::hardness::Column;
use sparring_core::train::Session;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{File, MessageEvent};

use self::inspect::Inspections;
use self::keep::Keeper;
use self::library::Library;
use self::members::{Needs, Shared};
pub(crate) use self::outbox::{Halt, Outbox};
use self::outbox::{breathe, post, post_with, scope};
use self::prepare::planning;
use self::store::Store;
use crate::locks;
use crate::protocol::{Command, Failure, Message, Stride, WayOn};

/// What comes in, with what is attached to it.
pub(crate) enum Letter {
    /// From the page, or from the trainer whose race this one shares.
    Command(Command, JsValue),
    /// From a worker that has a part of this trainer's race.
    Member { number: u32, member: usize, message: Message, attachment: JsValue },
}

/// Listens to the page.
pub fn start() {
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        post(&Message::Died(Failure::new(
            "The trainer stopped on a fault of its own",
            format!("{info}. What was measured so far stays on the page; a new race starts a new trainer."),
            &[WayOn::Retry],
        )));
    }));
    let (sender, inbox) = unbounded::<Letter>();
    let out = Outbox::default();
    let asked = out.clone();
    let letters = sender.clone();
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let parts = js_sys::Array::from(&event.data());
        match serde_json::from_str::<Command>(&parts.get(0).as_string().unwrap_or_default()) {
            // Whoever waits for its turn in the inbox answers late.
            Ok(Command::Hail) => post(&Message::Here),
            Ok(command) => {
                if command == Command::Stop {
                    asked.stop_asked();
                }
                // The receiver lives as long as the worker.
                let _ = sender.unbounded_send(Letter::Command(command, parts.get(1)));
            }
            Err(error) => post(&Message::Failed(Failure::new(
                "The page and its trainer do not fit together",
                format!("{error}. Reload the page."),
                &[],
            ))),
        }
    });
    scope().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    // Held for as long as the worker lives: whoever started it hears when it ends (`Bridge`).
    std::mem::forget(locks::hold(&scope().name(), || post(&Message::Booted)));
    let trainer = Trainer {
        out,
        letters,
        library: Library::default(),
        workers: 1,
        device: None,
        kernels: Kernels::new(),
        on_cpu: false,
        probed: false,
        session: None,
        race: None,
        shared: None,
        shares: 0,
        told: None,
        running: false,
        load: 100,
        rest_until: 0.0,
        ranking: None,
        inspections: Inspections::default(),
        keeper: None,
    };
    spawn_local(trainer.run(inbox));
}

struct Trainer {
    out: Outbox,
    /// Where letters to this trainer are put.
    letters: UnboundedSender<Letter>,
    library: Library,
    /// Workers that may share a race, at most.
    workers: usize,
    /// Open and idle, with the choice that led to it.
    device: Option<(DeviceChoice, Device)>,
    /// What was chosen by timing on this visitor's GPU, so that a race that is repeated computes alike.
    kernels: Kernels,
    /// Whether the device that was opened last is the CPU.
    on_cpu: bool,
    /// Whether the CPU was timed.
    probed: bool,
    session: Option<Session>,
    /// The whole race of which the session is a part, where it is one.
    race: Option<ExperimentConfig>,
    /// The race where it is in other workers' hands.
    shared: Option<Shared>,
    /// Races that have been shared.
    shares: u32,
    /// The choice that the page was last told about.
    told: Option<DeviceChoice>,
    running: bool,
    /// Share of the time that is worked, in percent.
    load: u32,
    /// When the rest after the last slice is over.
    rest_until: f64,
    /// The score that ranks the race's test images.
    ranking: Option<Column>,
    inspections: Inspections,
    /// Keeps the race, until it is over.
    keeper: Option<Keeper>,
}

impl Trainer {
    async fn run(mut self, mut inbox: UnboundedReceiver<Letter>) {
        loop {
            let letter = if self.running || self.inspections.waiting() {
                inbox.try_recv().ok()
            } else {
                match inbox.recv().await {
                    Ok(letter) => Some(letter),
                    Err(_) => return,
                }
            };
            let done = match letter {
                Some(Letter::Command(command, attachment)) => self.obey(command, attachment).await,
                Some(Letter::Member { number, member, message, attachment }) => self.hear(number, member, message, &attachment).await,
                None if self.inspections.waiting() => self.inspect().await,
                None if js_sys::Date::now() < self.rest_until => {
                    self.rest().await;
                    Ok(())
                }
                None => self.slice().await,
            };
            match done {
                Ok(()) | Err(Halt::Cancelled) => {}
                Err(Halt::Failed(failure)) => {
                    self.drop_session();
                    self.told = None;
                    post(&Message::Failed(*failure));
                }
            }
        }
    }

    async fn obey(&mut self, command: Command, attachment: JsValue) -> Result<(), Halt> {
        let Some((command, attachment)) = self.after_keeping(command, attachment) else { return Ok(()) };
        match command {
            Command::Open { device } => {
                self.open(device).await?;
                self.probe().await;
                Store::open().await.sweep().await;
                Ok(())
            }
            Command::Workers { most } => {
                self.workers = most;
                Ok(())
            }
            Command::Start { config, paused } => self.begin(*config, paused).await,
            Command::Join { race, learners, paused } => self.join(*race, &learners, paused, attachment).await,
            Command::OpenTrained { name, config } => self.open_trained(&name, *config).await,
            Command::GoOn { run } => self.go_on(run).await,
            Command::Keep { run } => self.keep_file(run, &attachment).await,
            Command::DropArchive => {
                // What is held is not lost over a file.
                if let Err(Halt::Failed(failure)) = self.keep(attachment.dyn_into().ok()).await {
                    post(&Message::Failed(*failure));
                }
                Ok(())
            }
            Command::WatchedPictures { of, samples, fetch } => self.watched_pictures(&of, samples, fetch).await,
            Command::Forget => {
                self.forget();
                Ok(())
            }
            command if self.shared.is_some() => {
                if command == Command::Stop {
                    self.out.stop_heard();
                }
                self.pass_on(command, &attachment).await;
                Ok(())
            }
            Command::Pause => {
                if std::mem::take(&mut self.running) {
                    post(&Message::Paused);
                    self.keep_race(false).await;
                }
                Ok(())
            }
            Command::Resume => {
                if let Some(session) = self.session.as_mut().filter(|s| !s.finished()) {
                    session.hold_at(None);
                    self.running = true;
                    post(&Message::Resumed);
                }
                Ok(())
            }
            Command::Step { stride } => self.step(stride).await,
            Command::Until { epochs } => {
                self.until(epochs);
                Ok(())
            }
            Command::Checkpoint => {
                if let Some(session) = &self.session {
                    post_with(&Message::Checkpoint, &session.checkpoint("").await?);
                }
                Ok(())
            }
            Command::Load { percent } => {
                self.load = percent.clamp(1, 100);
                Ok(())
            }
            Command::Stop => {
                self.out.stop_heard();
                self.running = false;
                post(&Message::Stopped);
                self.keep_race(false).await;
                self.let_others();
                Ok(())
            }
            Command::SetLr { lr } => {
                if let Some(session) = &mut self.session {
                    session.set_lr(lr);
                }
                Ok(())
            }
            Command::SetDensity { learner, density } => {
                // Of a learner that the race does not have it came too late: no reason to end the race.
                let _ = self.session.as_mut().map(|session| session.set_density(learner, density));
                Ok(())
            }
            question => self.answer(question, attachment).await,
        }
    }

    /// Finds a device and tells the page, unless it knows already.
    async fn open(&mut self, choice: DeviceChoice) -> Result<(), Halt> {
        if self.told != Some(choice) {
            self.told = None;
            let (mut device, note) = Device::open(choice).await?;
            device.know(self.kernels.clone());
            if matches!(device, Device::Gpu(_)) {
                fetch::shaders().await?;
            }
            post(&Message::Ready { device: device.info(), note });
            self.on_cpu = matches!(device, Device::Cpu(_));
            self.device = Some((choice, device));
            self.told = Some(choice);
        }
        Ok(())
    }

    async fn begin(&mut self, config: ExperimentConfig, paused: bool) -> Result<(), Halt> {
        self.drop_session();
        let (data, scores) = self.prepare(&config).await?;
        let parents = self.parents(&config, &data, scores.as_ref()).await?;
        let device = self.take_device(config.device).await?;
        self.out.loading(&planning(&config, &device.info(), true), None).await;
        self.keeper = Some(Keeper::new(&config, device.info()));
        let needs = Needs { data: &data, scores: scores.as_deref(), parents: &parents, rest: None };
        if self.share(&config, &needs, paused)? {
            return Ok(());
        }
        let session = Session::with_parents(config, data, scores, &parents, device).await?;
        self.kernels.extend(session.device().measured());
        self.session = Some(session);
        self.running = !paused;
        post(if paused { &Message::Paused } else { &Message::Resumed });
        Ok(())
    }

    /// The open device, or a new one of that choice.
    async fn take_device(&mut self, choice: DeviceChoice) -> Result<Device, Halt> {
        match self.device.take() {
            Some((open, device)) if open == choice => Ok(device),
            _ => {
                let mut device = Device::open(choice).await?.0;
                device.know(self.kernels.clone());
                Ok(device)
            }
        }
    }

    /// Rests a little, so that a pause is heard in between.
    async fn rest(&self) {
        TimeoutFuture::new((self.rest_until - js_sys::Date::now()).clamp(0.0, 50.0) as u32).await;
    }

    /// One slice of every learner, and a breath.
    async fn slice(&mut self) -> Result<(), Halt> {
        let Some(session) = &mut self.session else {
            self.running = false;
            return Ok(());
        };
        let since = js_sys::Date::now();
        let events = session.advance().await?;
        let held = session.holds();
        self.report(events, js_sys::Date::now() - since);
        let worked = js_sys::Date::now() - since;
        self.keep_race(true).await;
        self.rest_until = js_sys::Date::now() + worked * f64::from(100 - self.load) / f64::from(self.load);
        breathe().await;
        if held && std::mem::take(&mut self.running) {
            post(&Message::Paused);
            self.keep_race(false).await;
        }
        Ok(())
    }

    /// Trains until so many epochs are done; holds where they are.
    fn until(&mut self, epochs: u32) {
        if let Some(session) = &mut self.session {
            session.hold_at(Some(epochs));
            let ran = std::mem::replace(&mut self.running, !session.finished() && !session.holds());
            if self.running {
                post(&Message::Resumed);
            } else if ran && !session.finished() {
                post(&Message::Paused);
            }
        }
    }

    async fn step(&mut self, stride: Stride) -> Result<(), Halt> {
        let Some(session) = &mut self.session else { return Ok(()) };
        if let Some(epochs) = stride.until(session.epochs_done(), session.config()) {
            self.until(epochs);
            return Ok(());
        }
        session.hold_at(None);
        self.running = false;
        let began = js_sys::Date::now();
        let events = session.step_once().await?;
        post(&Message::Paused);
        self.report(events, js_sys::Date::now() - began);
        self.keep_race(true).await;
        Ok(())
    }

    fn report(&mut self, events: Vec<Event>, milliseconds: f64) {
        self.tell(events, milliseconds);
        if let Some(session) = &self.session {
            self.inspections.epochs(session.epochs_done());
            // A race that ended stays, to be looked at, until the next begins.
            self.running &= !session.finished();
        }
    }

    /// Says what happened, and how long it took, to the page and to what is kept.
    fn tell(&mut self, mut events: Vec<Event>, milliseconds: f64) {
        if let Some(keeper) = &mut self.keeper {
            keeper.hear(&events, milliseconds);
        }
        if !events.is_empty() {
            events.extend(self.library.refused().map(|message| Event::Warning { message }));
            post(&Message::Events(events));
        }
    }

    /// Ends the session. Its device goes with it: a new one is open in a moment, and nothing of the old race stays allocated.
    fn drop_session(&mut self) {
        self.running = false;
        self.session = None;
        self.race = None;
        self.keeper = None;
        if let Some(shared) = self.shared.take() {
            // Nobody waits any more for those who shared it.
            post(&Message::MembersSilent { seconds: 0 });
            if shared.end_is_due() {
                post(&Message::Stopped);
            }
        }
        self.inspections = Inspections::default();
    }

    async fn keep(&mut self, file: Option<File>) -> Result<(), Halt> {
        let Some(file) = file else {
            return Err(Failure::new("No file came through", "Choose the archive again.", &[WayOn::ChangeSettings]).into());
        };
        let (train, test) = self.library.keep_archive(&file, &self.out).await?;
        post(&Message::ArchiveKept { train, test, refused: self.library.refused() });
        Ok(())
    }
}
