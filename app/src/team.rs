//! Several trainers that train one race, heard as one.
//!
//! Where there is no GPU, a race is shared among workers, each with a part of the learners. What they say comes in any order; a team puts
//! it together to what one trainer would have said. It knows no browser: whoever has the lines hands messages in and passes on what comes out.

use std::collections::{BTreeMap, BTreeSet};

use sparring_core::argsort::{argsort, descending, in_order};
use sparring_core::config::ExperimentConfig;
use sparring_core::device::info::DeviceInfo;
use sparring_core::error::Result;
use sparring_core::events::{Event, LearnerInfo, LearnerSummary, Metric, Summary, Watched};
use sparring_core::record::verdict::verdict;
use sparring_core::train::checkpoint::Checkpoint;
use sparring_core::train::checkpoint::parts::Part;

use crate::model::estimate;
use crate::protocol::{Command, Message, Picture};

/// A message and what is attached to it.
pub type Said = (Message, Vec<u8>);

/// What a team says.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Something for the page.
    Said(Said),
    /// The whole race at rest, as it was asked for by [`Command::Checkpoint`]; all events before it belong to it, and none after it.
    Checkpoint(Checkpoint),
}

/// What a member said when it began.
struct Opening {
    learners: Vec<LearnerInfo>,
    device: DeviceInfo,
    bytes: u64,
    judged_by: Option<Metric>,
    watched: Vec<Watched>,
}

/// A trainer with a part of the race.
struct Member {
    part: Part,
    opening: Option<Opening>,
    /// Whether it holds, or is through; `None` until it has said so.
    holds: Option<bool>,
    /// Its last words.
    summary: Option<Vec<LearnerSummary>>,
    /// Learning rates that it has said to be changed.
    rates: usize,
    /// Its part of a checkpoint that waits for the others', ...
    saved: Option<Checkpoint>,
    /// ... and what it has said since.
    since: Vec<Event>,
    /// Its answers, until all have answered.
    answers: BTreeMap<Question, Said>,
    /// What it last made of the watched picture.
    watched: Option<Said>,
}

/// What all members answer together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    Samples,
    /// About a picture, after so many epochs.
    Watched(Picture, u32),
    /// By the examination's id.
    Examined(u32),
}

/// Trainers that share a race.
pub struct Team {
    race: ExperimentConfig,
    members: Vec<Member>,
    /// What was said before all had begun; `None` since.
    early: Option<Vec<Event>>,
    judged_by: Option<Metric>,
    warnings: BTreeSet<String>,
    /// Changed learning rates that were passed on.
    rates: usize,
    /// Whether the page was told that it trains, or that it holds.
    told: Option<bool>,
    /// Whether the end was told.
    ended: bool,
    /// Whether all have said what they make of the picture that is watched now.
    seen: bool,
    /// By learner of the race; `None` of those that failed.
    epochs: Vec<Option<u32>>,
}

/// The learners of a race in so many shares of about the same work, each in increasing order; fewer where there are fewer learners.
pub fn shares(race: &ExperimentConfig, members: usize) -> Vec<Vec<usize>> {
    let work = estimate::work(race);
    let by_work = argsort(work.iter().map(|work| descending(*work))).into_iter().map(|learner| learner as usize);
    let mut shares: Vec<(f64, Vec<usize>)> = vec![(0.0, Vec::new()); members.clamp(1, race.learners.len().max(1))];
    for learner in by_work {
        if let Some((load, share)) = shares.iter_mut().min_by(|a, b| a.0.total_cmp(&b.0)) {
            *load += work[learner];
            share.push(learner);
        }
    }
    let mut shares: Vec<Vec<usize>> = shares.into_iter().map(|(_, share)| share).collect();
    shares.iter_mut().for_each(|share| share.sort_unstable());
    // Each learner is in one of them.
    in_order(&shares, |share| share.first().map_or(0, |learner| *learner as u64 + 1))
}

/// Between a device's name and how many workers of it share a race.
const SHARED: &str = " in each of ";

/// Whether what a race said that it ran on is this device, or workers of it.
pub fn ran_on(device: &DeviceInfo, ran: &DeviceInfo) -> bool {
    let (name, _) = ran.name.split_once(SHARED).unwrap_or((&ran.name, ""));
    device.is(&DeviceInfo { name: name.to_owned(), ..ran.clone() })
}

/// The part of a race's work that takes longest when so many share it.
pub fn longest(race: &ExperimentConfig, members: usize) -> f64 {
    let work = estimate::work(race);
    let of = |share: Vec<usize>| share.into_iter().map(|learner| work[learner]).sum::<f64>();
    let all: f64 = work.iter().sum();
    if all > 0.0 { shares(race, members).into_iter().map(of).fold(0.0, f64::max) / all } else { 1.0 }
}

impl Team {
    /// A team that begins a race, or goes on with one that has said these events.
    pub fn new(race: &ExperimentConfig, shares: &[Vec<usize>], said: &[Event]) -> Self {
        let member = |learners: &Vec<usize>| Member {
            part: Part::new(race, learners),
            opening: None,
            holds: None,
            summary: None,
            rates: 0,
            saved: None,
            since: Vec::new(),
            answers: BTreeMap::new(),
            watched: None,
        };
        let mut team = Self {
            race: race.clone(),
            members: shares.iter().map(member).collect(),
            early: said.is_empty().then(Vec::new),
            judged_by: None,
            warnings: BTreeSet::new(),
            rates: 0,
            told: None,
            ended: false,
            seen: false,
            epochs: vec![Some(0); race.corners().len() * race.learners.len()],
        };
        said.iter().for_each(|event| team.note(event));
        team
    }

    /// Each member's part of the race.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.members.iter().map(|m| &m.part)
    }
    /// Whether all members have begun to train, so that there is something to keep and to look at.
    pub fn begun(&self) -> bool {
        self.early.is_none()
    }
    /// Whether no member trains, nor is about to.
    pub fn holds(&self) -> bool {
        self.members.iter().all(|m| m.holds == Some(true))
    }
    /// Whether all learners are through.
    pub fn finished(&self) -> bool {
        self.members.iter().all(|m| m.summary.is_some())
    }
    /// Epochs done by the learner that is behind; learners that failed do not count.
    pub fn epochs_done(&self) -> u32 {
        self.epochs.iter().flatten().copied().min().unwrap_or_default()
    }

    /// What the members are to hear where the page says this: each with its own words.
    pub fn pass_on(&mut self, command: Command) -> Vec<(usize, Command)> {
        let (name, learner): (Box<dyn Fn(usize) -> Command>, usize) = match command {
            Command::SetDensity { learner, density } => (Box::new(move |learner| Command::SetDensity { learner, density }), learner),
            Command::Weights { learner, masks } => (Box::new(move |learner| Command::Weights { learner, masks }), learner),
            Command::Inside { learner, layer } => (Box::new(move |learner| Command::Inside { learner, layer }), learner),
            for_all => {
                let for_all = match for_all {
                    Command::Step { stride } => match stride.until(self.epochs_done(), &self.race) {
                        Some(epochs) => Command::Until { epochs },
                        None => Command::Step { stride },
                    },
                    other => other,
                };
                self.forget(&for_all);
                return (0..self.members.len()).map(|member| (member, for_all.clone())).collect();
            }
        };
        let holder = |(member, m): (usize, &Member)| Some((member, m.part.places.iter().position(|place| *place == learner)?));
        // Of a learner that the race does not have it came too late.
        self.members.iter().enumerate().find_map(holder).map(|(member, own)| (member, name(own))).into_iter().collect()
    }

    /// Lets go of answers that a new question makes old.
    fn forget(&mut self, question: &Command) {
        let old = |asked: &Question| match question {
            Command::Samples => *asked == Question::Samples,
            Command::Watch { .. } => matches!(asked, Question::Watched(..)),
            Command::Examine(_) => matches!(asked, Question::Examined(_)),
            _ => false,
        };
        let watch = matches!(question, Command::Watch { .. });
        self.seen &= !watch;
        for member in &mut self.members {
            member.answers.retain(|asked, _| !old(asked));
            if watch {
                member.watched = None;
            }
        }
    }

    /// Hears a member.
    ///
    /// # Errors
    /// `Checkpoint` where the parts of one do not fit together.
    pub fn hear(&mut self, member: usize, message: Message, attachment: Vec<u8>) -> Result<Vec<Heard>> {
        let said = |message| vec![Heard::Said((message, Vec::new()))];
        let Some(speaker) = self.members.get_mut(member) else { return Ok(Vec::new()) };
        let mut out = match message {
            Message::Resumed | Message::Paused => {
                speaker.holds = Some(message == Message::Paused);
                Vec::new()
            }
            Message::Events(events) if speaker.saved.is_some() => {
                speaker.since.extend(events);
                Vec::new()
            }
            Message::Events(events) => self.events(member, events).map(said).unwrap_or_default(),
            Message::Checkpoint => {
                speaker.saved = Some(Checkpoint::read(&attachment)?);
                self.checkpoint()?
            }
            Message::Samples { .. } => self.answer(member, Question::Samples, (message, attachment)),
            Message::Examined { id, picture, epoch, .. } => {
                self.answer(member, id.map_or(Question::Watched(picture, epoch), Question::Examined), (message, attachment))
            }
            Message::Inside(mut inside) => {
                inside.learner = speaker.part.places.get(inside.learner).copied().unwrap_or(usize::MAX);
                said(Message::Inside(inside))
            }
            Message::Weights { .. } => vec![Heard::Said((message, attachment))],
            // Its own opening and loading are no news.
            _ => Vec::new(),
        };
        out.extend(self.state().map(|message| Heard::Said((message, Vec::new()))));
        Ok(out)
    }

    /// Says that it trains or holds, where that is news.
    fn state(&mut self) -> Option<Message> {
        let trains = self.members.iter().any(|m| m.holds == Some(false));
        if self.finished() || !(trains || self.holds()) || self.told.replace(trains) == Some(trains) {
            return None;
        }
        Some(if trains { Message::Resumed } else { Message::Paused })
    }

    /// The events of the race that a member's are.
    fn events(&mut self, member: usize, events: Vec<Event>) -> Option<Message> {
        let mut out: Vec<Event> = events.into_iter().filter_map(|event| self.renamed(member, event)).collect();
        if let Some(mut early) = self.early.take() {
            early.append(&mut out);
            match self.introduction() {
                Some(started) => {
                    out.push(started);
                    out.append(&mut early);
                }
                None => self.early = Some(early),
            }
        }
        if self.finished() && !std::mem::replace(&mut self.ended, true) {
            out.extend(self.last_words());
        }
        out.iter().for_each(|event| self.note(event));
        (!out.is_empty()).then_some(Message::Events(out))
    }

    /// A member's event with the race's numbers; nothing where it is for all of them to say, or was said.
    fn renamed(&mut self, member: usize, mut event: Event) -> Option<Event> {
        let speaker = &mut self.members[member];
        match &mut event {
            Event::Started { learners, device, device_bytes, judged_by, watched, .. } => {
                let (learners, device, watched) = (std::mem::take(learners), device.clone(), std::mem::take(watched));
                speaker.opening = Some(Opening { learners, device, bytes: *device_bytes, judged_by: *judged_by, watched });
                return None;
            }
            Event::Finished { summary } => {
                speaker.summary = Some(std::mem::take(&mut summary.learners));
                speaker.holds = Some(true);
                return None;
            }
            Event::Warning { message } => {
                if !self.warnings.insert(message.clone()) {
                    return None;
                }
            }
            Event::Changed { learner: None, .. } => {
                speaker.rates += 1;
                if speaker.rates <= self.rates {
                    return None;
                }
                self.rates = speaker.rates;
            }
            Event::Progress { learner, .. }
            | Event::EpochEnd { learner, .. }
            | Event::TopologyChanged { learner, .. }
            | Event::Topology { learner, .. }
            | Event::LearnerFailed { learner, .. }
            | Event::Changed { learner: Some(learner), .. } => *learner = speaker.part.places.get(*learner).copied()?,
            Event::SamplesScored { .. } => {}
        }
        Some(event)
    }

    /// Remembers what an event of the race says of how far it is.
    fn note(&mut self, event: &Event) {
        match event {
            Event::Started { judged_by, .. } => self.judged_by = *judged_by,
            Event::EpochEnd { learner, epoch, .. } => {
                if let Some(Some(done)) = self.epochs.get_mut(*learner) {
                    *done = *epoch;
                }
            }
            Event::LearnerFailed { learner, .. } => {
                if let Some(done) = self.epochs.get_mut(*learner) {
                    *done = None;
                }
            }
            _ => {}
        }
    }

    /// A value of each learner, in the race's order.
    fn in_order<'a, T: 'a>(&'a self, of: impl Fn(&'a Member) -> Option<&'a Vec<T>>) -> Option<Vec<&'a T>> {
        let mut all = BTreeMap::new();
        for member in &self.members {
            all.extend(member.part.places.iter().copied().zip(of(member)?));
        }
        Some(all.into_values().collect())
    }

    /// `Started`, once all members have said it.
    fn introduction(&self) -> Option<Event> {
        let opening = |m: &'_ Member| -> Option<u64> { m.opening.as_ref().map(|o| o.bytes) };
        let first = self.members.first()?.opening.as_ref()?;
        Some(Event::Started {
            learners: self.in_order(|m| m.opening.as_ref().map(|o| &o.learners))?.into_iter().cloned().collect(),
            device: DeviceInfo { name: format!("{}{SHARED}{} workers", first.device.name, self.members.len()), ..first.device.clone() },
            epochs: self.race.epochs,
            config_hash: self.race.hash().unwrap_or_default(),
            device_bytes: self.members.iter().filter_map(opening).sum(),
            judged_by: first.judged_by,
            watched: first.watched.clone(),
        })
    }

    /// `Finished`, once all members have said it.
    fn last_words(&self) -> Option<Event> {
        let learners: Vec<LearnerSummary> = self.in_order(|m| m.summary.as_ref())?.into_iter().cloned().collect();
        let metric = self.judged_by.unwrap_or_else(|| Metric::deciding(&self.race, None, false));
        let verdict = verdict(&self.race, metric, &learners);
        Some(Event::Finished { summary: Summary { learners, verdict } })
    }

    /// The whole checkpoint once all parts are there, and what was said meanwhile.
    fn checkpoint(&mut self) -> Result<Vec<Heard>> {
        if self.members.iter().any(|m| m.saved.is_none()) {
            return Ok(Vec::new());
        }
        let parts: Vec<(Part, Checkpoint)> = self.members.iter_mut().filter_map(|m| Some((m.part.clone(), m.saved.take()?))).collect();
        let mut out = vec![Heard::Checkpoint(Checkpoint::whole(&self.race, &parts)?)];
        for member in 0..self.members.len() {
            let since = std::mem::take(&mut self.members[member].since);
            if !since.is_empty() {
                out.extend(self.events(member, since).map(|message| Heard::Said((message, Vec::new()))));
            }
        }
        Ok(out)
    }

    /// Hears an answer; the last one makes it whole. What is made of a watched picture after the same number of epochs belongs together.
    fn answer(&mut self, member: usize, question: Question, said: Said) -> Vec<Heard> {
        let speaker = &mut self.members[member];
        if let Question::Watched(..) = question {
            speaker.watched = Some(said.clone());
        }
        speaker.answers.insert(question, said);
        let Some(whole) = self.joined(question) else { return Vec::new() };
        self.seen |= matches!(question, Question::Watched(..));
        self.members.iter_mut().for_each(|m| _ = m.answers.remove(&question));
        vec![Heard::Said(whole)]
    }

    /// Whether all of a member's learners failed: it comes no further.
    fn has_failed(&self, member: &Member) -> bool {
        member.part.places.iter().all(|place| self.epochs.get(*place).is_some_and(Option::is_none))
    }

    /// A member's part of an answer. Of a watched picture its last words will do where it has failed, and at first: members may be at
    /// different epochs.
    fn part_of<'a>(&self, member: &'a Member, question: Question) -> Option<&'a Said> {
        // Another picture may have been watched before: what still comes of it is no answer.
        let last = |said: &&Said| match (question, &said.0) {
            (Question::Watched(of, _), Message::Examined { picture, .. }) => of == *picture && (!self.seen || self.has_failed(member)),
            _ => false,
        };
        member.answers.get(&question).or(member.watched.as_ref().filter(last))
    }

    fn joined(&self, question: Question) -> Option<Said> {
        let answers: Vec<&Said> = self.members.iter().map(|m| self.part_of(m, question)).collect::<Option<_>>()?;
        let (mut message, first) = answers.first().map(|(message, bytes)| (message.clone(), bytes))?;
        // All attachments begin with what is the same for every learner, then have a column for each.
        let (head, own): (usize, Vec<usize>) = match &message {
            Message::Samples { count, .. } => (5 * count, vec![2 * count; answers.len()]),
            Message::Examined { extent, .. } => {
                let size = extent.iter().product::<usize>();
                // Nothing is attached where there is no such picture, nor for learners where it was not attacked.
                let head = (2 * size).min(first.len());
                let column = |(m, said): (&Member, &&Said)| (said.1.len() - head.min(said.1.len())) / m.part.places.len().max(1);
                (head, self.members.iter().zip(&answers).map(column).collect())
            }
            _ => return None,
        };
        let mut columns = BTreeMap::new();
        let mut likely = BTreeMap::new();
        // Learners that failed do not count.
        let mut behind = None::<u32>;
        for ((member, (message, bytes)), width) in self.members.iter().zip(&answers).zip(own) {
            let columns_of = bytes.get(head..)?.chunks_exact(width.max(1));
            columns.extend(member.part.places.iter().copied().zip(columns_of));
            if let Message::Examined { probabilities, .. } = message {
                likely.extend(member.part.places.iter().copied().zip(probabilities.iter().cloned()));
            }
            if let Message::Examined { epoch, .. } | Message::Samples { epoch, .. } = message
                && !self.has_failed(member)
            {
                behind = Some(behind.map_or(*epoch, |behind| behind.min(*epoch)));
            }
        }
        if let Message::Examined { probabilities, .. } = &mut message {
            *probabilities = likely.into_values().collect();
        }
        if let Message::Examined { epoch, .. } | Message::Samples { epoch, .. } = &mut message {
            *epoch = behind.unwrap_or(*epoch);
        }
        let mut bytes = first.get(..head)?.to_vec();
        columns.into_values().for_each(|column| bytes.extend_from_slice(column));
        Some((message, bytes))
    }
}

#[cfg(test)]
mod tests;
