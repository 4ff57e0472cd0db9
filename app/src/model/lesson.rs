//! Guided lessons: their text as it ships, and what a step still asks for.
//!
//! The text is a file beside the page (`public/lessons.txt`), fetched when a lesson is opened, so that words cost no wasm and can be
//! translated alone. One line, one thing: a word that says what it is, and the rest of the line.

use crate::words::lessons as words;

/// The file, beside the page.
pub const FILE: &str = "lessons.txt";

/// Lessons by the names that links use, in their order. The file has exactly these.
pub const NAMES: [&str; 4] = ["hard-samples", "sparse", "who-wins", "under-attack"];

/// One lesson.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lesson {
    /// In links, one of [`NAMES`].
    pub name: String,
    /// Heading.
    pub title: String,
    /// One sentence for the list.
    pub about: String,
    /// In order.
    pub steps: Vec<Step>,
}

impl Lesson {
    /// The recorded run that a step stands on: its own, or that of the last step before it that has one.
    pub fn stands_on(&self, step: usize) -> Option<&str> {
        let before = self.steps.iter().take(step + 1).rev();
        before.map(|step| step.recorded.as_str()).find(|name| !name.is_empty())
    }
}

/// One step of a lesson.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Heading.
    pub title: String,
    /// Paragraphs.
    pub text: Vec<String>,
    /// An experiment to set up, as a link's query; empty for none.
    pub load: String,
    /// The recorded run of that experiment, for who does not train; empty for none.
    pub recorded: String,
    /// The place of the lab that it speaks of; empty where any will do.
    pub place: String,
    /// The control that it speaks of: a `data-testid` or an id; empty for none.
    pub point: String,
    /// To be predicted before its reveal.
    pub question: Option<Question>,
    /// Whether a race has to come to its end first.
    pub race: bool,
}

/// A question whose answer is predicted first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Question {
    /// Asked.
    pub text: String,
    /// Two to four.
    pub answers: Vec<String>,
    /// The right one, where there is one whatever the race brings.
    pub right: Option<usize>,
    /// Paragraphs that are shown afterwards.
    pub reveal: Vec<String>,
}

/// What is said once a prediction has been made and its time has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Reveal {
    /// The prediction, and whether it was right where that is known.
    pub predicted: String,
    /// Paragraphs.
    pub text: Vec<String>,
}

/// What a step waits for before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A prediction.
    Answer,
    /// The end of a race.
    Race,
}

impl Wait {
    /// What to do, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Answer => words::WAITS_ANSWER,
            Self::Race => words::WAITS_RACE,
        }
    }
}

impl Step {
    /// What is missing to go on.
    pub fn waits(&self, chosen: Option<usize>, finished: bool) -> Option<Wait> {
        match &self.question {
            Some(_) if chosen.is_none() => Some(Wait::Answer),
            _ if self.race && !finished => Some(Wait::Race),
            _ => None,
        }
    }

    /// What is said of a prediction; nothing before its time.
    pub fn reveal(&self, chosen: Option<usize>, finished: bool) -> Option<Reveal> {
        let (Some(question), Some(chosen), None) = (&self.question, chosen, self.waits(chosen, finished)) else { return None };
        let answer = |i: usize| question.answers.get(i).map_or("", String::as_str);
        let predicted = words::predicted(answer(chosen), question.right.map(|r| (r == chosen, answer(r))));
        Some(Reveal { predicted, text: question.reveal.clone() })
    }
}

/// Reads the file.
///
/// # Errors
/// The line that is not understood, in words.
pub fn parse(text: &str) -> Result<Vec<Lesson>, String> {
    let mut lessons: Vec<Lesson> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if take(&mut lessons, word, rest.trim().to_owned()).is_none() {
            return Err(format!("{FILE}, line {}: '{word}' is not understood here", number + 1));
        }
    }
    Ok(lessons)
}

/// Takes one line in; `None` where it makes no sense at this point.
fn take(lessons: &mut Vec<Lesson>, word: &str, rest: String) -> Option<()> {
    if word == "lesson" {
        lessons.push(Lesson { name: rest, ..Lesson::default() });
        return Some(());
    }
    let lesson = lessons.last_mut()?;
    match word {
        "title" => lesson.title = rest,
        "about" => lesson.about = rest,
        "step" => lesson.steps.push(Step { title: rest, ..Step::default() }),
        _ => {
            let step = lesson.steps.last_mut()?;
            match word {
                "text" => step.text.push(rest),
                "load" => step.load = rest,
                "recorded" => step.recorded = rest,
                "place" => step.place = rest,
                "point" => step.point = rest,
                "race" => step.race = true,
                "ask" => step.question = Some(Question { text: rest, ..Question::default() }),
                _ => {
                    let question = step.question.as_mut()?;
                    match word {
                        "answer" => question.answers.push(rest),
                        "right" => {
                            question.right = Some(question.answers.len());
                            question.answers.push(rest);
                        }
                        "reveal" => question.reveal.push(rest),
                        _ => return None,
                    }
                }
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::path::Path;

    use sparring_core::config::ExperimentConfig;

    use super::*;
    use crate::model::link;
    use crate::model::replay::Recording;

    const SMALL: &str = "\
# A comment.
lesson a
title One & all
about What it is about.
step First
text Two < three.
load dataset=builtin&model=tiny
place ring
point train-button
race
ask How many?
answer None
right Two
reveal Two it is.
step Second
text The end.
";

    fn shipped() -> Vec<Lesson> {
        parse(&std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../public").join(FILE)).unwrap()).unwrap()
    }

    #[test]
    fn every_line_finds_its_place() {
        let lessons = parse(SMALL).unwrap();
        let [lesson] = lessons.as_slice() else { panic!("{lessons:?}") };
        assert_eq!((lesson.name.as_str(), lesson.title.as_str(), lesson.steps.len()), ("a", "One & all", 2));
        let step = &lesson.steps[0];
        assert_eq!((step.place.as_str(), step.point.as_str(), step.race), ("ring", "train-button", true));
        assert_eq!(step.question.as_ref().unwrap().right, Some(1));
        assert_eq!(lesson.steps[1], Step { title: "Second".into(), text: vec!["The end.".into()], ..Step::default() });
    }

    #[test]
    fn a_line_that_makes_no_sense_is_named() {
        for (text, line, word) in [("title X", 1, "title"), ("lesson a\ntext X", 2, "text"), ("lesson a\nstep b\n\nanswer c", 4, "answer")]
        {
            let error = parse(text).unwrap_err();
            assert!(error.contains(&format!("line {line}")) && error.contains(&format!("'{word}'")), "{error}");
        }
    }

    #[test]
    fn a_question_waits_for_its_prediction_then_for_the_race() {
        let lessons = parse(SMALL).unwrap();
        let [first, second] = lessons[0].steps.as_slice() else { panic!() };
        assert_eq!(first.waits(None, true), Some(Wait::Answer));
        assert_eq!(first.waits(Some(0), false), Some(Wait::Race));
        assert_eq!(first.waits(Some(0), true), None);
        assert_eq!(second.waits(None, false), None);
    }

    #[test]
    fn a_prediction_is_judged_in_its_time_and_not_before() {
        let first = &parse(SMALL).unwrap()[0].steps[0];
        assert_eq!((first.reveal(None, true), first.reveal(Some(0), false)), (None, None));
        let said = |chosen| first.reveal(Some(chosen), true).unwrap();
        assert_eq!(said(1), Reveal { predicted: "You said: Two That is right.".into(), text: vec!["Two it is.".into()] });
        assert_eq!(said(0), Reveal { predicted: "You said: None It is: Two".into(), text: vec!["Two it is.".into()] });
    }

    #[test]
    fn the_text_of_a_lesson_is_taken_as_it_stands() {
        let lessons = parse(SMALL).unwrap();
        let first = &lessons[0].steps[0];
        assert_eq!((lessons[0].title.as_str(), first.text.as_slice()), ("One & all", ["Two < three.".to_owned()].as_slice()));
        assert_eq!(first.question.as_ref().unwrap().answers, ["None", "Two"]);
    }

    #[test]
    fn the_shipped_lessons_are_whole() {
        let lessons = shipped();
        assert_eq!(lessons.iter().map(|l| l.name.as_str()).collect::<Vec<_>>(), NAMES);
        for lesson in &lessons {
            assert!(!lesson.title.is_empty() && !lesson.about.is_empty(), "{}", lesson.name);
            assert!((4..=9).contains(&lesson.steps.len()), "{} has {} steps", lesson.name, lesson.steps.len());
            let questions: Vec<_> = lesson.steps.iter().filter_map(|s| s.question.as_ref()).collect();
            assert!(questions.len() >= 2, "{} asks too little", lesson.name);
            for q in questions {
                assert!((2..=4).contains(&q.answers.len()) && !q.reveal.is_empty(), "{}: {}", lesson.name, q.text);
            }
            for step in &lesson.steps {
                assert!(!step.title.is_empty() && !step.text.is_empty(), "{}", lesson.name);
            }
            // Read slowly, 150 words a minute, and a minute of training: about five minutes.
            let texts =
                lesson.steps.iter().flat_map(|s| s.text.iter().chain(s.question.iter().flat_map(|q| q.reveal.iter().chain(&q.answers))));
            let words: usize = texts.map(|t| t.split_whitespace().count()).sum();
            assert!((250..=750).contains(&words), "{} has {words} words", lesson.name);
        }
    }

    #[test]
    fn every_experiment_of_a_lesson_can_be_run_without_a_download() {
        for step in shipped().iter().flat_map(|l| &l.steps).filter(|s| !s.load.is_empty()) {
            let config = link::parse(link::pairs(&step.load)).unwrap_or_else(|e| panic!("{}: {e}", step.load));
            assert!(config.dataset.name().starts_with("builtin"), "{}", step.load);
        }
    }

    #[test]
    fn every_race_of_a_lesson_ships_as_it_was_recorded_with_its_networks() {
        let public = Path::new(env!("CARGO_MANIFEST_DIR")).join("../public");
        let mut races = 0;
        for Step { title, load, recorded: name, .. } in shipped().iter().flat_map(|l| &l.steps).filter(|s| !s.load.is_empty()) {
            races += 1;
            let bytes = std::fs::read(public.join(format!("runs/{name}.json"))).unwrap_or_else(|e| panic!("{title}, {name}: {e}"));
            let run = Recording::read(&bytes).unwrap().shipped_as(name);
            let config = link::parse(link::pairs(load)).unwrap();
            assert_eq!(ExperimentConfig { device: config.device, ..run.config.clone() }, config, "{name}");
            assert_eq!((run.extent(), run.networks()), ((config.epochs, true), Some(name.as_str())), "{name}");
            for learner in 0..config.corners().len() * config.learners.len() {
                assert!(public.join(format!("trained/{name}-{learner}.safetensors")).exists(), "{name} has no network {learner}");
            }
        }
        assert_eq!(races, 5);
    }

    #[test]
    fn a_step_stands_on_the_last_recorded_run_before_it() {
        let lessons = parse("lesson a\nstep b\nstep c\nrecorded one\nstep d\nstep e\nrecorded two").unwrap();
        assert_eq!([0, 1, 2, 3].map(|step| lessons[0].stands_on(step)), [None, Some("one"), Some("one"), Some("two")]);
    }

    #[test]
    fn every_place_and_control_that_a_lesson_names_is_in_the_page() {
        let mut page = String::new();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else {
                    page.push_str(&std::fs::read_to_string(entry).unwrap());
                }
            }
        }
        for step in shipped().iter().flat_map(|l| &l.steps) {
            for name in [&step.point, &step.place].into_iter().filter(|n| !n.is_empty()) {
                let found = page.contains(&format!("\"{name}\""));
                assert!(found, "'{name}' of the step '{}' is nowhere in the page", step.title);
            }
        }
    }
}
