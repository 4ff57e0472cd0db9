//! Means and differences over seeds as reports show them: in words, as drawings, in the colours of their learners.
//!
//! A series and a study say the same things of different numbers of runs, and say them alike.

use std::fmt::Write;
use std::path::Path;

use sparring_core::config::Method;
use sparring_core::record::comparison::Estimate;
use sparring_core::record::study::p_value;
use sparring_figures::html::{self, escape};
use sparring_figures::{Tone, forest, number, svg};

/// The look of such a report, beside that of every report.
pub const STYLE: &str = include_str!("estimates.css");

/// Classes of the colours by learner, in the order of the learners.
pub struct Styles(Vec<(String, String)>);

impl Styles {
    /// Of learners by their names and whether they are controls, however often each comes.
    pub fn new<'a>(learners: impl Iterator<Item = (&'a str, bool)>) -> Self {
        let mut all: Vec<(&str, bool)> = Vec::new();
        for learner in learners {
            if !all.iter().any(|known| known.0 == learner.0) {
                all.push(learner);
            }
        }
        // A control's name is that of its learner, and on what it was trained.
        let families = all.iter().map(|(name, _)| name.split(" on ").next().unwrap_or(name));
        let tones = Tone::by_family(families.map(|family| (family, family == Method::Dense.name())));
        Self(all.iter().zip(tones).map(|((name, control), tone)| ((*name).to_owned(), tone.classes(*control))).collect())
    }
    /// The classes of a learner.
    pub fn of(&self, learner: &str) -> &str {
        self.0.iter().find(|(name, _)| name == learner).map_or("", |(_, classes)| classes)
    }
    /// Names and classes.
    pub fn iter(&self) -> impl Iterator<Item = &(String, String)> {
        self.0.iter()
    }
    /// Whose colour is whose.
    pub fn key(&self) -> String {
        let entries = self.0.iter().map(|(name, classes)| html::key_entry(&svg::estimate_sample(classes), name, None));
        format!("<ul class=\"legend\">\n{}\n</ul>\n", entries.collect::<Vec<_>>().join("\n"))
    }
}

/// An estimate for people.
pub fn plus_minus(e: &Estimate) -> String {
    let mean = number::percent(e.mean, 1);
    e.half_width.map_or_else(|| mean.clone(), |half| format!("{} ± {}", number::fixed(100.0 * e.mean, 1), number::percent(half, 1)))
}

/// An estimated difference for people, in points.
pub fn points(e: &Estimate) -> String {
    let (half, signed) = (e.half_width.unwrap_or(e.test_set_noise), |v| number::points(v, 1));
    format!("{} ({} to {})", signed(e.mean), signed(e.mean - half), signed(e.mean + half))
}

/// A p value for people; one seed has none.
pub fn p(p: Option<f64>) -> String {
    p.map_or_else(|| "-".into(), p_value)
}

/// A drawing under its title and its unit, where there is one.
pub fn figure(out: &mut String, title: &str, unit: &str, drawing: Option<String>) {
    if let Some(drawing) = drawing {
        let (title, unit) = (escape(title), escape(unit));
        let _ = writeln!(out, "<figure>\n<figcaption>{title}</figcaption>\n<p class=\"small\">{unit}</p>\n{drawing}\n</figure>");
    }
}

/// An estimate as it is drawn, in per cent. The interval of an accuracy goes no further than accuracies go.
pub fn drawn(e: &Estimate, values: &[(u64, f64)], whose: &str, share: bool) -> forest::Estimate {
    let half = e.half_width.unwrap_or(e.test_set_noise);
    let within = |v: f64| if share { (100.0 * v).clamp(0.0, 100.0) } else { 100.0 * v };
    let (mean, low, high) = (100.0 * e.mean, within(e.mean - half), within(e.mean + half));
    let two = |v: f64| number::fixed(v, 2);
    forest::Estimate {
        mean,
        low,
        high,
        values: values.iter().map(|(seed, value)| (100.0 * value, format!("{whose}seed {seed}: {}", two(100.0 * value)))).collect(),
        own: Vec::new(),
        says: format!("{whose}{} ({} to {})", two(mean), two(low), two(high)),
    }
}

/// With its first letter large.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The way from a folder to a file, as a link; `None` where there is none.
pub fn relative(folder: &Path, file: &Path) -> Option<String> {
    let whole = |path: &Path| std::path::absolute(path).ok();
    let (folder, file) = (whole(folder)?, whole(file)?);
    let (from, to): (Vec<_>, Vec<_>) = (folder.components().collect(), file.components().collect());
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        return None;
    }
    let up = std::iter::repeat_n("..".to_owned(), from.len() - shared);
    let down = to[shared..].iter().map(|c| percent_encoded(&c.as_os_str().to_string_lossy()));
    Some(up.chain(down).collect::<Vec<_>>().join("/"))
}

fn percent_encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~@+".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
