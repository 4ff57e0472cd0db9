//! The findings.

use sparring_core::hardness::Subset;
use sparring_core::platform::parse_f64;
use sparring_figures::number;

use super::settings;

/// Heading.
pub const TITLE: &str = "Findings";
/// Under it.
pub const ABOUT: &str = "Studies of many runs, each with what it says. A point is a mean over seeds with its 95% interval. Train one more seed of any point on this machine: it joins the figure, as a ring.";
/// While they are fetched.
pub const FETCHING: &str = "Fetching the studies.";
/// Where they are not to be had.
pub fn missing(why: &str) -> String {
    format!(
        "The studies that ship with the page could not be fetched: {why}. A study file (sparring runs export STUDY) can be dropped here."
    )
}
/// The drawing in a sentence.
pub fn figure(measure: &str) -> String {
    format!("{measure} by condition, each learner's mean with its interval; the table below has the numbers")
}
/// A dot of the drawing.
pub fn seed(whose: &str, seed: u64, value: &str, own: bool) -> String {
    let yours = if own { ", trained here" } else { "" };
    format!("{whose}, seed {seed}{yours}: {value}")
}
/// A condition's value.
pub fn value(setting: &str, value: &str) -> String {
    match (setting, parse_f64(value), value.parse::<Subset>()) {
        ("p_data", Some(share), _) => format!("{} of the data", number::share(share)),
        ("subset", _, Ok(subset)) => settings::subset(subset),
        _ => format!("{setting} {value}"),
    }
}
/// Caption of the points.
pub const POINTS: &str = "points of the figure";
/// The region that has them.
pub fn points_of(study: &str) -> String {
    format!("{POINTS}: {study}")
}
/// Its columns.
pub const COLUMNS: [&str; 5] = ["Learner", "Condition", "Mean", "Seeds", "On this machine"];
/// How many seeds a mean is of.
pub fn seeds(all: usize, own: usize) -> String {
    if own == 0 { all.to_string() } else { format!("{all}, {own} of them trained here") }
}
/// Trains one more.
pub const ONE_MORE: &str = "Train one more seed";
/// The same for whoever does not see the row.
pub fn one_more(learner: &str, condition: &str) -> String {
    format!("Train one more seed: {learner}, {condition}")
}
/// A file was taken in.
pub fn brought(name: &str) -> String {
    format!("The study '{name}' is shown.")
}
