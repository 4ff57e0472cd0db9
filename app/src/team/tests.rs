#![allow(clippy::unwrap_used, reason = "tests")]
use std::sync::Arc;

use sparring_core::data::builtin::builtin;
use sparring_core::data::{Dataset, DatasetName};
use sparring_core::hardness::{Column, ScoreName, Scores, Subset};
use sparring_core::net::zoo::Model;
use sparring_core::train::session::inspection::LayerView;
use sparring_core::{Device, Session};

use super::*;
use crate::protocol::{Examination, Inside, Picture, Stride};

/// The future of a CPU session, which never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the CPU waits for nothing"),
    }
}

fn race(learners: &[&str]) -> ExperimentConfig {
    ExperimentConfig {
        dataset: DatasetName::BuiltIn,
        model: Model::Tiny,
        learners: learners.iter().map(|l| l.parse().unwrap()).collect(),
        subset: Subset::el2n_hard(0.5),
        epochs: 2,
        batch_size: 16,
        update_frequency: 1,
        limit_train: 40,
        limit_test: 20,
        ..ExperimentConfig::default()
    }
}

fn data() -> Arc<Dataset> {
    Arc::new(builtin(0.2, 120, 20, 1))
}

fn session(config: &ExperimentConfig) -> Session {
    let score = |i: usize| ((i * 37) % 101) as f32;
    let column = Column { score: ScoreName::El2n, train: (0..120).map(score).collect(), test: (0..20).map(score).collect() };
    let scores = Arc::new(Scores { columns: vec![column], ..Scores::default() });
    now(Session::new(config.clone(), data(), Some(scores), Device::cpu())).unwrap()
}

/// A team over sessions of its own: what the lines to the workers would carry.
struct Crew {
    team: Team,
    sessions: Vec<Session>,
    said: Vec<Event>,
    checkpoints: Vec<(usize, Checkpoint)>,
}

impl Crew {
    fn new(race: &ExperimentConfig, members: usize) -> Self {
        let team = Team::new(race, &shares(race, members), &[]);
        let sessions = team.parts().map(|part| session(&part.config)).collect();
        Self { team, sessions, said: Vec::new(), checkpoints: Vec::new() }
    }
    fn hear(&mut self, member: usize, message: Message, attachment: Vec<u8>) {
        for heard in self.team.hear(member, message, attachment).unwrap() {
            match heard {
                Heard::Said((Message::Events(events), _)) => self.said.extend(events),
                Heard::Said(_) => {}
                Heard::Checkpoint(whole) => self.checkpoints.push((self.said.len(), whole)),
            }
        }
    }
    fn advance(&mut self, member: usize) {
        let events = now(self.sessions[member].advance()).unwrap();
        self.hear(member, Message::Events(events), Vec::new());
    }
    fn save(&mut self, member: usize) {
        let bytes = now(self.sessions[member].checkpoint("")).unwrap();
        self.hear(member, Message::Checkpoint, bytes);
    }
}

/// What a member makes of a picture of two pixels.
fn examined(id: Option<u32>, epoch: u32, probabilities: &[f32]) -> Message {
    let (probabilities, extent) = (probabilities.iter().map(|p| vec![*p]).collect(), [1, 1, 2]);
    Message::Examined { id, picture: Picture::Test(0), epoch, extent, probabilities, label: None, classes: vec![], count: 1 }
}

/// What must not depend on who trains: all but times and how slices fall.
fn numbers(events: &[Event]) -> Vec<String> {
    let mut lines: Vec<String> = events
        .iter()
        .filter_map(|event| match event.clone() {
            Event::EpochEnd { learner, epoch, lr, scores, flops, .. } => Some(format!("{learner} {epoch} {lr} {scores:?} {flops}")),
            Event::Started { learners, epochs, config_hash, judged_by, .. } => {
                Some(format!("{learners:?} {epochs} {config_hash} {judged_by:?}"))
            }
            Event::Finished { summary: Summary { mut learners, verdict } } => {
                learners.iter_mut().for_each(|l| l.ms_per_step = 0.0);
                Some(format!("{learners:?} {verdict}"))
            }
            Event::Progress { .. } => None,
            other => Some(format!("{other:?}")),
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn a_team_says_what_one_trainer_says() {
    let race = race(&["dense", "set@0.2", "static@0.3"]);
    let mut alone = session(&race);
    let mut said = Vec::new();
    while !alone.finished() {
        said.extend(now(alone.advance()).unwrap());
    }
    for order in [[0, 1, 2], [2, 2, 1], [1, 0, 0]] {
        let mut crew = Crew::new(&race, 3);
        assert_eq!(crew.team.parts().count(), 3);
        for turn in 0.. {
            if crew.sessions.iter().all(Session::finished) {
                break;
            }
            // Some of them are far ahead, and all have their turn in the end.
            crew.advance(if turn < 20 { order[turn % 3] } else { turn % 3 });
        }
        assert_eq!(numbers(&crew.said), numbers(&said));
        assert!(matches!(crew.said.first(), Some(Event::Started { .. })) && matches!(crew.said.last(), Some(Event::Finished { .. })));
        assert!(crew.team.finished() && crew.team.epochs_done() == 2);
        let Some(Event::Started { device, .. }) = crew.said.first() else { panic!() };
        assert!(device.name.ends_with("in each of 3 workers"), "{}", device.name);
        let worker = Device::cpu().info();
        assert!(ran_on(&worker, device) && ran_on(&worker, &worker), "{worker:?}, {device:?}");
        assert!(!ran_on(&DeviceInfo { driver: "another".into(), ..worker }, device));
    }
}

#[test]
fn what_belongs_to_a_checkpoint_comes_before_it_and_the_rest_after() {
    let race = race(&["dense", "set@0.2"]);
    let mut crew = Crew::new(&race, 2);
    let ends = |events: &[Event], learner: usize| {
        events.iter().filter(|e| matches!(e, Event::EpochEnd { learner: l, .. } if *l == learner)).count() as u32
    };
    while ends(&crew.said, 1) < 1 || ends(&crew.said, 0) < 1 {
        crew.advance(0);
        crew.advance(1);
    }
    crew.save(1);
    let before = crew.said.len();
    while !crew.sessions[1].finished() {
        crew.advance(1);
    }
    assert_eq!(crew.said.len(), before, "what the one that is saved says waits");
    assert!(!crew.team.finished());
    crew.advance(0);
    crew.save(0);
    let (at, whole) = crew.checkpoints.pop().unwrap();
    let saved = |learner: usize| whole.record.learners[learner].epoch;
    assert_eq!((ends(&crew.said[..at], 0), ends(&crew.said[..at], 1)), (saved(0), saved(1)));
    assert!(ends(&crew.said, 1) == 2 && saved(1) < 2 && crew.said.len() > at);

    // A race goes on from it without another introduction.
    let mut more = Team::new(&race, &shares(&race, 2), &crew.said[..at]);
    assert!(more.begun() && more.epochs_done() == whole.record.epochs_done());
    let late = Event::Progress { learner: 0, epoch: 1, step: 1, steps: 2, loss: 1.0, accuracy: 0.5, ms_per_step: 1.0 };
    assert_eq!(more.hear(1, Message::Events(vec![late]), Vec::new()).unwrap().len(), 1);
}

#[test]
fn a_team_trains_while_one_does_and_holds_when_all_do() {
    let race = race(&["dense", "set@0.2"]);
    let mut team = Team::new(&race, &shares(&race, 2), &[]);
    let mut hear = |member: usize, message: Message| match team.hear(member, message, Vec::new()).unwrap().pop() {
        Some(Heard::Said((message, _))) => Some(message),
        _ => None,
    };
    assert_eq!(hear(1, Message::Paused), None, "the other one still prepares");
    assert_eq!(hear(0, Message::Paused), Some(Message::Paused));
    assert_eq!(hear(1, Message::Resumed), Some(Message::Resumed));
    assert_eq!(hear(0, Message::Resumed), None);
    assert_eq!(hear(1, Message::Paused), None);
    // The one that trains comes to its end: nobody trains any more, though one has epochs to go.
    let end = Event::Finished { summary: Summary { learners: Vec::new(), verdict: String::new() } };
    assert_eq!(hear(0, Message::Events(vec![end])), Some(Message::Paused));
    assert_eq!(hear(0, Message::Loading(crate::protocol::Loading::unknown("Planning"))), None);
    assert_eq!(hear(7, Message::Paused), None);
}

#[test]
fn a_failed_learner_is_not_waited_for() {
    let race = ExperimentConfig { control: false, ..race(&["dense", "set@0.2"]) };
    let mut team = Team::new(&race, &shares(&race, 2), &[]);
    let end = |epoch| Event::EpochEnd { learner: 0, epoch, lr: 0.1, scores: Box::default(), flops: 0.0, seconds: 0.0, answers: Vec::new() };
    team.early = None;
    team.hear(0, Message::Events(vec![end(1)]), Vec::new()).unwrap();
    assert_eq!(team.epochs_done(), 0);
    let failed = Event::LearnerFailed { learner: 0, reason: "diverged".into() };
    let heard = team.hear(1, Message::Events(vec![failed]), Vec::new()).unwrap();
    let Heard::Said((Message::Events(events), _)) = &heard[0] else { panic!() };
    assert!(matches!(events[0], Event::LearnerFailed { learner: 1, .. }));
    assert_eq!(team.epochs_done(), 1);
}

#[test]
fn who_failed_holds_nobody_up_who_watches() {
    let race = ExperimentConfig { control: false, ..race(&["dense", "set@0.2"]) };
    let mut team = Team::new(&race, &[vec![0], vec![1]], &[]);
    team.early = None;
    let seen = |epoch, probabilities: &[f32]| examined(None, epoch, probabilities);
    team.hear(0, seen(1, &[0.1]), vec![5, 5, 6, 6]).unwrap();
    team.hear(1, seen(1, &[0.2]), vec![5, 5, 6, 6]).unwrap();
    assert_eq!(team.hear(1, seen(2, &[0.3]), vec![5, 5, 6, 6]).unwrap(), []);
    team.hear(0, Message::Events(vec![Event::LearnerFailed { learner: 0, reason: "diverged".into() }]), Vec::new()).unwrap();
    // It says that it has done no epoch, and is not counted.
    team.hear(0, seen(0, &[0.0]), vec![5, 5, 6, 6]).unwrap();
    let whole = team.hear(1, seen(3, &[0.4]), vec![5, 5, 6, 6]).unwrap();
    assert_eq!(whole, [Heard::Said((seen(3, &[0.0, 0.4]), vec![5, 5, 6, 6]))]);
}

#[test]
fn the_end_is_told_once_also_where_a_checkpoint_was_on_its_way() {
    let race = ExperimentConfig { control: false, ..race(&["dense", "set@0.2"]) };
    let mut crew = Crew::new(&race, 2);
    while crew.team.epochs_done() == 0 {
        crew.advance(0);
        crew.advance(1);
    }
    crew.save(0);
    while !crew.sessions.iter().all(Session::finished) {
        crew.advance(0);
        crew.advance(1);
    }
    crew.save(1);
    let ends = crew.said.iter().filter(|event| matches!(event, Event::Finished { .. })).count();
    assert!(ends == 1 && crew.team.finished() && crew.checkpoints.len() == 1);
}

#[test]
fn a_changed_learning_rate_is_said_once_however_far_members_are() {
    let race = race(&["dense", "set@0.2"]);
    let mut team = Team::new(&race, &shares(&race, 2), &[]);
    team.early = None;
    let rate = |value| Event::Changed { learner: None, step: 3, setting: "lr".into(), value };
    let mut heard = |member, values: &[Option<f64>]| {
        let events = values.iter().map(|v| rate(*v)).collect();
        match team.hear(member, Message::Events(events), Vec::new()).unwrap().pop() {
            Some(Heard::Said((Message::Events(events), _))) => events.len(),
            _ => 0,
        }
    };
    assert_eq!(heard(0, &[Some(0.1), None]), 2);
    assert_eq!(heard(1, &[Some(0.1), None, Some(0.1)]), 1);
    assert_eq!(heard(0, &[Some(0.1)]), 0);
}

#[test]
fn commands_reach_whoever_has_the_learner_by_its_own_number() {
    let race = race(&["dense", "set@0.2", "static@0.3"]);
    let mut team = Team::new(&race, &[vec![0], vec![1, 2]], &[]);
    let density = |learner| Command::SetDensity { learner, density: 0.5 };
    // The second member has 1, 2 and their controls 4, 5.
    assert_eq!(team.pass_on(density(4)), [(1, density(2))]);
    assert_eq!(team.pass_on(density(3)), [(0, density(1))]);
    assert_eq!(team.pass_on(density(6)), []);
    assert_eq!(team.pass_on(Command::Weights { learner: 2, masks: true }), [(1, Command::Weights { learner: 1, masks: true })]);
    let step = |stride| Command::Step { stride };
    assert_eq!(team.pass_on(step(Stride::Batch)), [(0, step(Stride::Batch)), (1, step(Stride::Batch))]);
    assert_eq!(team.pass_on(step(Stride::Epoch))[1], (1, Command::Until { epochs: 1 }));
    let view = LayerView { rows: 1, columns: 1, active: vec![], grown: vec![], pruned: vec![], histogram: vec![], limit: 0.0 };
    let inside = |learner| Message::Inside(Inside { learner, layer: 0, count: 1, view: view.clone() });
    assert_eq!(team.hear(1, inside(2), Vec::new()).unwrap(), [Heard::Said((inside(4), Vec::new()))]);
}

#[test]
fn answers_are_put_together_in_the_races_order() {
    let race = ExperimentConfig { control: false, ..race(&["dense", "set@0.2", "static@0.3"]) };
    let mut team = Team::new(&race, &[vec![1], vec![0, 2]], &[]);
    let samples = |epoch| Message::Samples { count: 1, score: "el2n".into(), classes: vec!["a".into()], extent: [1, 1, 2], epoch };
    assert_eq!(team.hear(0, samples(3), vec![9, 0, 0, 0, 0, 1, 11]).unwrap(), []);
    let whole = team.hear(1, samples(2), vec![9, 0, 0, 0, 0, 0, 10, 2, 12]).unwrap();
    assert_eq!(whole, [Heard::Said((samples(2), vec![9, 0, 0, 0, 0, 0, 10, 1, 11, 2, 12]))]);

    // A new question makes the answers to the old one void.
    let ask = |id| Command::Examine(Examination { id, picture: Picture::Own, corruption: None, attack: None });
    team.pass_on(ask(1));
    assert_eq!(team.hear(0, examined(Some(1), 1, &[0.1]), vec![5, 5, 6, 6]).unwrap(), []);
    team.pass_on(ask(2));
    assert_eq!(team.hear(1, examined(Some(2), 1, &[0.0, 0.2]), vec![5, 5, 6, 6, 70, 70, 72, 72]).unwrap(), []);
    let whole = team.hear(0, examined(Some(2), 1, &[0.1]), vec![5, 5, 6, 6, 71, 71]).unwrap();
    assert_eq!(whole, [Heard::Said((examined(Some(2), 1, &[0.0, 0.1, 0.2]), vec![5, 5, 6, 6, 70, 70, 71, 71, 72, 72]))]);

    // A watched picture: answers of one epoch belong together; without an attack, and without such a picture.
    assert_eq!(team.hear(0, examined(None, 1, &[0.1]), vec![5, 5, 6, 6]).unwrap(), []);
    assert_eq!(team.hear(0, examined(None, 2, &[0.3]), vec![5, 5, 6, 6]).unwrap(), []);
    let whole = team.hear(1, examined(None, 1, &[0.0, 0.2]), vec![5, 5, 6, 6]).unwrap();
    assert_eq!(whole, [Heard::Said((examined(None, 1, &[0.0, 0.1, 0.2]), vec![5, 5, 6, 6]))]);
    let whole = team.hear(1, examined(None, 2, &[0.5, 0.2]), vec![5, 5, 6, 6]).unwrap();
    assert_eq!(whole, [Heard::Said((examined(None, 2, &[0.5, 0.3, 0.2]), vec![5, 5, 6, 6]))]);
    assert_eq!(team.hear(0, examined(None, 4, &[0.9]), vec![5, 5, 6, 6]).unwrap(), []);
    assert_eq!(team.hear(1, examined(None, 3, &[0.5, 0.2]), vec![5, 5, 6, 6]).unwrap(), [], "who is ahead says nothing of this epoch");
    team.pass_on(Command::Watch { picture: Some(9) });
    assert_eq!(team.hear(0, examined(None, 2, &[]), vec![]).unwrap(), []);
    assert_eq!(team.hear(1, examined(None, 2, &[]), vec![]).unwrap(), [Heard::Said((examined(None, 2, &[]), vec![]))]);
}

#[test]
fn shares_have_about_the_same_work() {
    let of = |learners: &[&str], members| shares(&race(learners), members);
    assert_eq!(of(&["dense"], 4), [[0]]);
    assert_eq!(of(&["set@0.2", "dense"], 8), [[0], [1]]);
    assert_eq!(of(&["set@0.1+uniform", "dense", "static@0.1+uniform", "rigl@0.1+uniform"], 2), [vec![0, 2, 3], vec![1]]);
    assert_eq!(of(&["dense", "set@0.2"], 0), [[0, 1]]);
    let race = race(&["set@0.25+uniform", "dense", "static@0.5+uniform"]);
    assert!((longest(&race, 1) - 1.0).abs() < 1e-9);
    assert!((longest(&race, 2) - 1.0 / 1.75).abs() < 1e-9, "{}", longest(&race, 2));
}
