//! What a link says beside the experiment: over how many seeds; and of a teacher a lesson and its step, a preset, parts of the page to
//! leave out, own words.
//!
//! A mistake here never costs the experiment: what is not understood is said and left out, and the rest of the link counts. Only what is
//! nearly a name is refused: a race with other settings than were meant would look like the one that was.

use serde_json::{Map, Value};
use sparring_core::config::ExperimentConfig;

use crate::model::lesson::NAMES;
use crate::model::link;
use crate::model::presets::Preset;
use crate::model::replay::FIRST;
use crate::words::presets::PRESETS;
use crate::words::teacher as words;

/// Characters of a teacher's own text; what is longer is cut.
pub const MOST_TEXT: usize = 500;
/// Races with other seeds that follow each other at most.
pub const MOST_SEEDS: u32 = 10;

/// Parts of the page that can be left out: the name in links, and how the builder calls it. The style sheet hides them by these names.
pub const PARTS: [(&str, &str); 10] = [
    ("places", words::PLACES),
    ("settings", words::SETTINGS),
    ("hardness", words::HARDNESS),
    ("corners", words::CORNERS),
    ("advanced", words::ADVANCED),
    ("device", words::DEVICE),
    ("numbers", words::NUMBERS),
    ("share", words::SHARE),
    ("chart", words::CHART),
    ("tools", words::TOOLS),
];

/// What the page's address says besides the experiment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Teacher {
    /// The open lesson, an index into [`NAMES`].
    pub lesson: Option<usize>,
    /// Its step, from 0.
    pub step: usize,
    /// Parts that are left out, a bit each in the order of [`PARTS`].
    pub hide: u32,
    /// A teacher's own words.
    pub text: String,
    /// Races with seeds in a row beyond the first.
    pub more_seeds: u32,
}

/// A link taken apart.
#[derive(Debug, Default)]
pub struct Link {
    /// The teacher's part.
    pub teacher: Teacher,
    /// What the experiment starts from.
    pub preset: Option<&'static Preset>,
    /// The recorded run that is to be shown: the name of its file, without its ending.
    pub run: Option<String>,
    /// The experiment's own fields.
    pub rest: Vec<(String, String)>,
    /// What was not understood, a sentence each.
    pub remarks: Vec<String>,
    /// Names that have nothing to do with the page: others add them on the way, to follow who comes from where.
    pub ignored: Vec<String>,
    /// Why the link is not followed: it names something that is nearly a name.
    pub refused: Option<String>,
}

/// The names of a link beside those of the experiment's fields.
const OWN: [&str; 7] = ["lesson", "step", "preset", "run", "hide", "text", "seeds"];

/// Whether a name is one of a link's.
#[derive(Debug, PartialEq, Eq)]
enum Close<'a> {
    Is,
    /// Most likely this one was meant.
    To(&'a str),
    No,
}

fn close<'a>(name: &str, fields: &'a Map<String, Value>) -> Close<'a> {
    if fields.contains_key(name) {
        return Close::Is;
    }
    let name = name.to_lowercase().replace('-', "_");
    let known = fields.keys().map(String::as_str).chain(OWN);
    let nearest = known.map(|known| (distance(&name, known), known)).min();
    // One slip in a short name, two in a longer one; of two letters any other two are two slips away.
    match nearest {
        Some((slips, known)) if slips <= (name.chars().count() / 3).min(2) => Close::To(known),
        _ => Close::No,
    }
}

/// How many letters are to be put in, left out or changed to make one word of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let changed = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.chars().count()]
}

/// Takes the teacher's part out of a link's (percent-decoded) names and values.
pub fn take(pairs: Vec<(String, String)>) -> Link {
    let mut link = Link::default();
    let teacher = &mut link.teacher;
    let mut step = None;
    let fields = ExperimentConfig::default().fields().unwrap_or_default();
    for (name, value) in pairs {
        match name.as_str() {
            "lesson" => {
                teacher.lesson = NAMES.iter().position(|n| *n == value);
                if teacher.lesson.is_none() {
                    link.remarks.push(words::unknown(words::LESSON, &value, &NAMES));
                }
            }
            "step" => match value.parse::<usize>() {
                Ok(number) if number > 0 => step = Some(number),
                _ => link.remarks.push(words::no_step(&value)),
            },
            "preset" => {
                link.preset = Preset::named(&value);
                if link.preset.is_none() {
                    let names: Vec<_> = PRESETS.iter().map(|p| p.name).collect();
                    link.remarks.push(words::unknown(words::PRESET, &value, &names));
                }
            }
            "run" => {
                let name = !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
                if name { link.run = Some(value) } else { link.remarks.push(words::no_run(&value)) }
            }
            "hide" => {
                for part in value.split(',').map(str::trim).filter(|p| !p.is_empty()) {
                    match PARTS.iter().position(|(name, _)| *name == part) {
                        Some(bit) => teacher.hide |= 1 << bit,
                        None => link.remarks.push(words::unknown(words::PART, part, &PARTS.map(|(name, _)| name))),
                    }
                }
            }
            "text" => {
                teacher.text = value.chars().take(MOST_TEXT).collect();
                if teacher.text.len() < value.len() {
                    link.remarks.push(words::cut(MOST_TEXT));
                }
            }
            "seeds" => match value.parse::<u32>().ok().filter(|n| (1..=MOST_SEEDS).contains(n)) {
                Some(seeds) => teacher.more_seeds = seeds - 1,
                None => link.remarks.push(words::no_seeds(&value, MOST_SEEDS)),
            },
            _ => match close(&name, &fields) {
                Close::Is => link.rest.push((name, value)),
                Close::To(known) => link.refused = Some(words::meant(&name, known)),
                Close::No => link.ignored.push(name),
            },
        }
    }
    match step {
        Some(step) if teacher.lesson.is_some() => teacher.step = step - 1,
        Some(_) if link.remarks.is_empty() => link.remarks.push(words::STEP_ALONE.to_owned()),
        _ => {}
    }
    link
}

impl Link {
    /// The recorded run that is to be shown: the one that is named, or that of a first visit where neither an experiment is named nor anything
    /// of a teacher's.
    pub fn shows(&self) -> Option<&str> {
        let nothing = self.rest.is_empty() && self.refused.is_none() && self.preset.is_none() && self.teacher == Teacher::default();
        self.run.as_deref().or(nothing.then_some(FIRST))
    }
}

impl Teacher {
    /// The parts that are left out, by name, as the style sheet reads them.
    pub fn hidden(&self) -> String {
        let names = PARTS.iter().enumerate().filter(|(bit, _)| self.hide >> bit & 1 == 1);
        names.map(|(_, (name, _))| *name).collect::<Vec<_>>().join(" ")
    }

    /// As part of a link's query, percent-encoded; empty where there is nothing to say.
    pub fn query(&self) -> String {
        let mut pairs = Vec::new();
        if self.more_seeds > 0 {
            pairs.push(format!("seeds={}", self.more_seeds + 1));
        }
        if let Some(name) = self.lesson.and_then(|l| NAMES.get(l)) {
            pairs.push(format!("lesson={name}"));
            if self.step > 0 {
                pairs.push(format!("step={}", self.step + 1));
            }
        }
        if self.hide != 0 {
            pairs.push(format!("hide={}", self.hidden().replace(' ', ",")));
        }
        if !self.text.is_empty() {
            pairs.push(format!("text={}", link::encoded(&self.text)));
        }
        pairs.join("&")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Link {
        take(pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect())
    }

    #[test]
    fn a_link_without_a_teacher_is_left_as_it_is() {
        let link = of(&[("version", "1"), ("epochs", "2")]);
        assert_eq!(link.teacher, Teacher::default());
        assert_eq!(link.teacher.query(), "");
        assert_eq!(link.rest.len(), 2);
        assert!(link.remarks.is_empty() && link.preset.is_none());
    }

    #[test]
    fn a_teachers_link_comes_back() {
        let link = of(&[
            ("lesson", "sparse"),
            ("step", "3"),
            ("hide", "settings, device,numbers"),
            ("text", "Look at a & b: 50 %"),
            ("epochs", "2"),
        ]);
        assert_eq!(link.teacher.lesson, Some(1));
        assert_eq!(link.teacher.step, 2);
        assert_eq!(link.teacher.hidden(), "settings device numbers");
        assert_eq!(link.rest, [("epochs".to_owned(), "2".to_owned())]);
        assert!(link.remarks.is_empty(), "{:?}", link.remarks);
        let query = link.teacher.query();
        assert_eq!(query, "lesson=sparse&step=3&hide=settings,device,numbers&text=Look%20at%20a%20%26%20b:%2050%20%25");
    }

    #[test]
    fn what_others_add_is_ignored_and_said_and_a_slip_is_refused_with_what_was_meant() {
        for name in ["utm_source", "utm_medium", "fbclid", "gclid", "msclkid", "ref", "si", "igshid", "x", "", "\u{e4}\u{f6}"] {
            let link = of(&[(name, "a"), ("epochs", "2")]);
            assert_eq!((link.rest.len(), link.remarks.len(), &link.refused, link.ignored), (1, 0, &None, vec![name.to_owned()]));
        }
        for (name, known) in [
            ("epoch", "epochs"),
            ("Epochs", "epochs"),
            ("batchsize", "batch_size"),
            ("limit-train", "limit_train"),
            ("sseeds", "seeds"),
            ("lesons", "lesson"),
            ("test", "text"),
        ] {
            let refused = of(&[(name, "2")]).refused.unwrap_or_default();
            assert!(refused.contains(&format!("'{name}'")) && refused.contains(&format!("'{known}'")), "{name}: {refused}");
        }
        assert_eq!((distance("kitten", "sitting"), distance("", "abc"), distance("abc", "")), (3, 3, 3));
    }

    #[test]
    fn a_recorded_run_is_named_by_its_file() {
        let link = of(&[("run", "corruption")]);
        assert_eq!((link.shows(), link.remarks.len(), link.rest.len()), (Some("corruption"), 0, 0));
        assert_eq!(of(&[("run", "nature"), ("epochs", "3")]).shows(), Some("nature"));
        // A first visit's is shown where nothing is named, whatever others add on the way.
        for nothing in [&[][..], &[("utm_source", "x")]] {
            assert_eq!(of(nothing).shows(), Some(FIRST));
        }
        for named in [("epochs", "3"), ("preset", "quick-look"), ("lesson", "sparse"), ("epoch", "3")] {
            assert_eq!(of(&[named]).shows(), None, "{named:?}");
        }
        for name in ["", "../secret", "http://elsewhere", "a b"] {
            let link = of(&[("run", name), ("epochs", "3")]);
            assert_eq!((&link.run, link.remarks.len(), link.rest.len()), (&None, 1, 1), "{name}");
            assert!(link.remarks[0].contains("expected letters, digits and hyphens"));
        }
    }

    #[test]
    fn a_preset_is_what_the_rest_changes() {
        assert_eq!(of(&[("preset", "quick-look")]).preset.map(|p| p.name), Some("quick-look"));
    }

    #[test]
    fn what_is_not_understood_is_said_and_costs_nothing_else() {
        let link = of(&[("lesson", "dancing"), ("step", "2"), ("hide", "settings,walls"), ("preset", "best"), ("text", "Hello")]);
        assert_eq!(link.teacher.lesson, None);
        assert_eq!(link.teacher.hidden(), "settings");
        assert_eq!(link.teacher.text, "Hello");
        for (word, other) in [("dancing", "under-attack"), ("walls", "numbers"), ("best", "quick-look")] {
            assert!(link.remarks.iter().any(|r| r.contains(word) && r.contains(other)), "{word}: {:?}", link.remarks);
        }
        for step in ["0", "-1", "two", ""] {
            assert_eq!(of(&[("lesson", "sparse"), ("step", step)]).remarks.len(), 1, "{step}");
        }
        assert_eq!(of(&[("step", "2")]).remarks.len(), 1);
    }

    #[test]
    fn seeds_come_back_and_impossible_ones_are_one() {
        let link = of(&[("seeds", "3"), ("epochs", "2")]);
        assert_eq!((link.teacher.more_seeds, link.teacher.query().as_str(), link.rest.len()), (2, "seeds=3", 1));
        for seeds in ["0", "11", "three", ""] {
            let link = of(&[("seeds", seeds)]);
            assert_eq!((link.teacher.more_seeds, link.remarks.len()), (0, 1), "{seeds}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_said() {
        let link = of(&[("text", &"ä".repeat(MOST_TEXT + 1))]);
        assert_eq!(link.teacher.text.chars().count(), MOST_TEXT);
        assert_eq!(link.remarks.len(), 1);
        assert!(of(&[("text", &"ä".repeat(MOST_TEXT))]).remarks.is_empty());
    }

    #[test]
    fn the_style_sheet_hides_every_part() {
        let style = include_str!("../../style/lessons.css");
        for (name, label) in PARTS {
            assert!(style.contains(&format!("[data-hide~=\"{name}\"] ")), "{name} is not hidden");
            assert!(!label.is_empty());
        }
    }
}
