//! A race that is shared among workers, so that learners train at the same time where there is no GPU.
//!
//! This trainer then trains nothing itself: it starts others like it, hands each its part with all that it needs, passes on what the page
//! says, and puts together what they say ([`Team`]).

use std::sync::Arc;

use js_sys::{Array, Uint8Array};
use sparring_core::config::ExperimentConfig;
use sparring_core::data::limit::Limited;
use sparring_core::data::{Dataset, packed};
use sparring_core::device::info::DeviceChoice;
use sparring_core::error::{Error, Result};
use sparring_core::events::Event;
use sparring_core::formats::safetensors;
use sparring_core::hardness::Scores;
use sparring_core::train::Session;
use sparring_core::train::checkpoint::Checkpoint;
use sparring_core::train::checkpoint::parts::Part;
use sparring_core::train::parent::Parents;
use wasm_bindgen::{JsCast, JsValue};

use super::{Halt, Letter, Trainer, inspect, post, post_with};
use crate::bridge::Bridge;
use crate::protocol::{Command, Failure, Message, WayOn};
use crate::team::{Heard, Team, shares};

/// Bytes that copies of the images may take beside the first.
const ROOM: usize = 512 << 20;

/// A race in other workers' hands.
pub(super) struct Shared {
    team: Team,
    lines: Vec<Bridge>,
    /// For how many seconds each has not answered.
    silent: Vec<u32>,
    /// Which of this trainer's shared races it is: what is still on its way from an older one is not heard.
    number: u32,
    data: Arc<Dataset>,
    /// Which of its test images are evaluated.
    samples: Vec<u32>,
    /// Since when training has not been counted, by the clock in milliseconds; `None` while it holds.
    since: Option<f64>,
    /// When the checkpoint was asked for that has not come.
    saving: Option<f64>,
    /// Another one is wanted after it, of a pause that came meanwhile.
    again: bool,
    end: End,
    /// What the page says after it needs the race no more, until it is kept.
    forgotten: Option<Vec<(Command, JsValue)>>,
}

/// How far the end is that the page asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// It did not ask.
    Open,
    /// A checkpoint is on its way that was asked for before; then one is asked for of the end.
    Wanted,
    /// All have been told to hold; their checkpoint says that they do.
    Coming,
    /// `Stopped` was said.
    Told,
}

/// All that a race needs but its configuration.
pub(super) struct Needs<'a> {
    pub data: &'a Arc<Dataset>,
    pub scores: Option<&'a Scores>,
    pub parents: &'a Parents,
    /// Where it goes on from, and what it has said.
    pub rest: Option<(&'a Checkpoint, &'a [Event])>,
}

fn now() -> f64 {
    js_sys::Date::now()
}

fn array(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

fn bytes(attachment: &JsValue) -> Option<Vec<u8>> {
    attachment.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec)
}

/// Images and parents as members get them, the same for all.
fn parcel(needs: &Needs<'_>) -> Result<[JsValue; 3]> {
    let mut images = Vec::new();
    packed::write(needs.data, None, packed::Origin::default(), &mut images)
        .map_err(|e| Error::format("the race's images", "images that can be handed on", e))?;
    let scores = needs.scores.map(Scores::to_bytes).transpose()?.map_or(JsValue::UNDEFINED, |bytes| array(&bytes));
    let parents = Array::new();
    for (subset, state) in needs.parents {
        parents.push(&Array::of2(&subset.into(), &array(&safetensors::write(state)?)));
    }
    Ok([array(&images), scores, parents.into()])
}

impl Trainer {
    /// Hands the race to as many workers as help; says whether it did. Alone it is trained where there is nothing to share, and where the
    /// browser refuses workers.
    pub(super) fn share(&mut self, race: &ExperimentConfig, needs: &Needs<'_>, paused: bool) -> Result<bool> {
        let copy = needs.data.image_bytes() * (needs.data.train.len() + needs.data.test.len());
        let most = self.workers.min(1 + ROOM / copy.max(1));
        let shares = if self.on_cpu { shares(race, most) } else { Vec::new() };
        if shares.len() < 2 {
            return Ok(false);
        }
        let (saved, said) = needs.rest.unzip();
        let team = Team::new(race, &shares, said.unwrap_or_default());
        self.shares += 1;
        let number = self.shares;
        let line = |member: usize| {
            let letters = self.letters.clone();
            Bridge::open(move |message, attachment| {
                // The receiver lives as long as this worker.
                let _ = letters.unbounded_send(Letter::Member { number, member, message, attachment });
            })
        };
        let Ok(lines) = (0..shares.len()).map(line).collect::<std::result::Result<Vec<_>, _>>() else { return Ok(false) };
        let [images, scores, parents] = parcel(needs)?;
        for ((line, learners), part) in lines.iter().zip(shares).zip(team.parts()) {
            let saved = saved.map(|saved| saved.part(part)?.to_bytes()).transpose()?.map_or(JsValue::UNDEFINED, |bytes| array(&bytes));
            line.send(&Command::Load { percent: self.load });
            line.send_with(
                &Command::Join { race: Box::new(race.clone()), learners, paused },
                Array::of4(&images, &scores, &parents, &saved).into(),
            );
        }
        let (data, samples) = (needs.data.clone(), Limited::test(needs.data, race.limit_test)?.samples);
        let silent = vec![0; lines.len()];
        let end = End::Open;
        self.shared =
            Some(Shared { team, lines, silent, number, data, samples, since: None, saving: None, again: false, end, forgotten: None });
        Ok(true)
    }

    /// Takes a part of another trainer's race.
    pub(super) async fn join(
        &mut self,
        race: ExperimentConfig,
        learners: &[usize],
        paused: bool,
        parcel: JsValue,
    ) -> std::result::Result<(), Halt> {
        let Part { config, .. } = Part::new(&race, learners);
        let parcel = Array::from(&parcel);
        let whole = "the race's images";
        let images = bytes(&parcel.get(0)).ok_or_else(|| Error::format(whole, "bytes", "none"))?;
        let data = Arc::new(packed::read_part(whole, Arc::new(images))?.1);
        let scores = bytes(&parcel.get(1)).map(|bytes| Scores::from_bytes("the race's scores", &bytes)).transpose()?.map(Arc::new);
        self.rank(&config, scores.as_deref());
        let mut parents = Parents::new();
        for parent in Array::from(&parcel.get(2)).iter().map(|pair| Array::from(&pair)) {
            if let (Some(subset), Some(bytes)) = (parent.get(0).as_string(), bytes(&parent.get(1))) {
                parents.insert(subset, Arc::new(safetensors::read(&bytes, "the race's dense parent")?));
            }
        }
        let device = self.take_device(DeviceChoice::Cpu).await?;
        self.session = Some(match bytes(&parcel.get(3)) {
            Some(saved) => Session::resume(config, data, scores, device, &Checkpoint::read(&saved)?).await?,
            None => Session::with_parents(config, data, scores, &parents, device).await?,
        });
        self.race = Some(race);
        self.running = !paused;
        post(if paused { &Message::Paused } else { &Message::Resumed });
        Ok(())
    }

    /// Passes on what the page says to a race that is shared.
    pub(super) async fn pass_on(&mut self, command: Command, attachment: &JsValue) {
        let Some(shared) = &mut self.shared else { return };
        match command {
            Command::Stop if !shared.team.begun() => {
                self.drop_session();
                post(&Message::Stopped);
            }
            Command::Stop if shared.team.finished() => post(&Message::Stopped),
            Command::Stop => {
                // Behind whatever is on its way: who answers with a checkpoint after this holds.
                shared.say(Command::Pause, attachment);
                if shared.saving.is_some() {
                    shared.end = End::Wanted;
                } else {
                    shared.end = End::Coming;
                    shared.save();
                }
            }
            Command::Pictures { indices } => inspect::post_pictures(&shared.data, &shared.samples, indices),
            Command::Load { percent } => {
                self.load = percent.clamp(1, 100);
                shared.say(command, attachment);
            }
            command => shared.say(command, attachment),
        }
    }

    /// Hears a member of the race that is shared.
    pub(super) async fn hear(
        &mut self,
        number: u32,
        member: usize,
        message: Message,
        attachment: &JsValue,
    ) -> std::result::Result<(), Halt> {
        let Some(shared) = self.shared.as_mut().filter(|shared| shared.number == number) else { return Ok(()) };
        match message {
            // The race is as silent as who has been silent longest.
            Message::Silent { seconds } => {
                shared.silent[member] = seconds;
                post(&Message::MembersSilent { seconds: shared.silent.iter().copied().max().unwrap_or(0) });
                return Ok(());
            }
            // Nobody waits for a race that was forgotten.
            Message::Failed(_) | Message::Died(_) if shared.forgotten.is_some() => return self.let_go().await,
            Message::Failed(failure) => return Err(failure.into()),
            Message::Died(failure) => return Err(lost(&failure).into()),
            _ => {}
        }
        for heard in shared.team.hear(member, message, bytes(attachment).unwrap_or_default())? {
            match heard {
                Heard::Said((Message::Events(events), _)) => {
                    let milliseconds = self.shared.as_mut().map_or(0.0, Shared::count);
                    self.tell(events, milliseconds);
                }
                Heard::Said((message @ (Message::Resumed | Message::Paused), _)) => self.turn(&message).await,
                Heard::Said((message, attached)) => post_with(&message, &attached),
                Heard::Checkpoint(whole) => self.keep_shared(&whole).await,
            }
        }
        self.keep_race(true).await;
        if self.shared.as_ref().is_some_and(|shared| shared.forgotten.is_some() && !shared.busy()) {
            return self.let_go().await;
        }
        Ok(())
    }

    /// Gives up a race that was forgotten, and obeys what the page has said since.
    async fn let_go(&mut self) -> std::result::Result<(), Halt> {
        let since = self.shared.as_mut().and_then(|shared| shared.forgotten.take());
        self.drop_session();
        for (command, attachment) in since.unwrap_or_default() {
            Box::pin(self.obey(command, attachment)).await?;
        }
        Ok(())
    }

    /// Keeps back what the page says while the race before is being kept; gives back what is to be obeyed now.
    pub(super) fn after_keeping(&mut self, command: Command, attachment: JsValue) -> Option<(Command, JsValue)> {
        match self.shared.as_mut().and_then(|shared| shared.forgotten.as_mut()) {
            Some(since) => {
                since.push((command, attachment));
                None
            }
            None => Some((command, attachment)),
        }
    }

    /// Gives up what is held of the race, a shared one once it is kept.
    pub(super) fn forget(&mut self) {
        match &mut self.shared {
            Some(shared) if shared.busy() => shared.forgotten = Some(Vec::new()),
            _ => self.drop_session(),
        }
    }

    /// All members train, or hold.
    async fn turn(&mut self, message: &Message) {
        let Some(shared) = &mut self.shared else { return };
        let milliseconds = shared.count();
        let trains = *message == Message::Resumed;
        shared.since = trains.then(now);
        let ended = shared.end != End::Open;
        if let Some(keeper) = &mut self.keeper {
            keeper.hear(&[], milliseconds);
        }
        if !ended {
            post(message);
            if !trains {
                self.keep_race(false).await;
            }
        }
    }

    /// Asks for a checkpoint of the shared race where it should be kept, or keeps it where it is over.
    pub(super) async fn keep_members(&mut self, only_if_due: bool) {
        let (Some(shared), Some(keeper)) = (&mut self.shared, &mut self.keeper) else { return };
        let (epochs, finished) = (shared.team.epochs_done(), shared.team.finished());
        if only_if_due && !keeper.due(epochs, finished) || keeper.is_empty() {
            return;
        }
        if shared.saving.is_some() && !finished {
            shared.again |= !only_if_due;
            return;
        }
        if finished {
            keeper.save(epochs, now(), Ok(None)).await;
            self.keeper = None;
        } else {
            shared.save();
        }
    }

    /// Keeps the shared race, whose checkpoint has come, unless it is over and was kept without one.
    async fn keep_shared(&mut self, whole: &Checkpoint) {
        let Some(shared) = &mut self.shared else { return };
        let began = shared.saving.take().unwrap_or_else(now);
        if let Some(keeper) = &mut self.keeper {
            keeper.save(whole.record.epochs_done(), began, whole.to_bytes().map(Some)).await;
        }
        match shared.end {
            End::Wanted => {
                shared.end = End::Coming;
                shared.save();
            }
            End::Coming => {
                shared.end = End::Told;
                post(&Message::Stopped);
                self.let_others();
            }
            End::Open if std::mem::take(&mut shared.again) && self.keeper.is_some() => shared.save(),
            End::Open | End::Told => {}
        }
    }
}

impl Shared {
    /// Whether it is being ended or kept.
    fn busy(&self) -> bool {
        self.end_is_due() || self.saving.is_some()
    }

    /// Whether `Stopped` was promised and not said.
    pub(super) fn end_is_due(&self) -> bool {
        matches!(self.end, End::Wanted | End::Coming)
    }

    /// Asks for a checkpoint.
    fn save(&mut self) {
        self.saving = Some(now());
        self.say(Command::Checkpoint, &JsValue::UNDEFINED);
    }

    fn say(&mut self, command: Command, attachment: &JsValue) {
        for (member, command) in self.team.pass_on(command) {
            if let Some(line) = self.lines.get(member) {
                line.send_with(&command, attachment.clone());
            }
        }
    }

    /// Milliseconds of training since they were last counted.
    fn count(&mut self) -> f64 {
        self.since.as_mut().map_or(0.0, |since| now() - std::mem::replace(since, now()))
    }
}

/// A worker that shared the race is gone.
fn lost(failure: &Failure) -> Failure {
    Failure::new(
        "A worker that trained a part of the race stopped",
        format!(
            "{} The race ended with it. What was measured so far stays on the page, and under Runs the race can go on from where it was last \
             kept.",
            failure.message
        ),
        &[WayOn::Retry],
    )
}
