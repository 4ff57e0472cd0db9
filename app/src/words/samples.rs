//! The samples.

use sparring_figures::number;

use super::offers::SCORES;

/// Heading.
pub const TITLE: &str = "The samples";
/// Where nobody trained yet.
pub const NOBODY: &str =
    "Here you see which test images are hard, and who gets them right. Nobody has looked at them yet: train for an epoch.";
/// While the race is being prepared.
pub const SOON: &str = "The networks are being made.";
/// The button that trains.
pub const TRAIN: &str = "Train now";
/// Label.
pub const WHO: &str = "Show";
/// Label.
pub const CLASS: &str = "Class";
/// Option.
pub const ANY_CLASS: &str = "any class";
/// Label.
pub const BIN: &str = "Difficulty";
/// Options, easiest first.
pub const BINS: [(&str, &str); 6] =
    [("any", "any"), ("4", "hardest fifth"), ("3", "harder"), ("2", "middle"), ("1", "easier"), ("0", "easiest fifth")];
/// Label.
pub const ORDER: &str = "First";
/// Options.
pub const ORDERS: [(&str, &str); 3] = [("hardest", "the hardest"), ("easiest", "the easiest"), ("index", "as in the dataset")];
/// Button.
pub const MORE: &str = "Show more";
/// The learners' marks.
pub const MARKS: &str =
    "A filled mark is a right answer, an open one a wrong one, in the learner's colour. Choose an image to look closer.";
/// Summary.
pub const NUMBERS: &str = "The numbers behind it";
/// Link.
pub const TO_BENCH: &str = "Corrupt and attack it on the test bench";
/// Without a score.
pub const NO_SCORE: &str = "There is no hardness score for these images, so they stand in the dataset's order.";
/// While answers are on their way.
pub const ASKING: &str = "Asking every learner about every test image.";
/// Columns of the image's table.
pub const COLUMNS: [&str; 3] = ["Learner", "Takes it for", "True class"];
/// Own pictures.
pub const OWN: &str = "A picture of your own goes to the test bench: choose it there.";

/// The options of who is right, by names of the two learners.
pub fn who(sparse: &str, dense: &str) -> [(&'static str, String); 5] {
    [
        ("all", "all images".into()),
        ("sparse", format!("{sparse} right, {dense} wrong")),
        ("dense", format!("{dense} right, {sparse} wrong")),
        ("nobody", "nobody right".into()),
        ("everybody", "everybody right".into()),
    ]
}
/// How many there are.
pub fn found(count: usize, of: usize, epoch: u32) -> String {
    let images = if count == 1 { "image" } else { "images" };
    format!("{} of {} test {images}, after epoch {epoch}.", number::count(count as u64), number::count(of as u64))
}
/// An image's heading.
pub fn image(index: u32, class: &str) -> String {
    format!("Test image {index}: {class}")
}
/// Why it is hard.
pub fn hardness(score: &str, value: f32, harder_than: f64) -> String {
    // What it is called, without what it means.
    let called = SCORES.iter().find(|(name, _)| *name == score).map_or(score, |(_, label)| label.split(':').next().unwrap_or(label));
    format!("{called} {value:.3}: harder than {} of the test images.", number::percent(harder_than, 1))
}
/// The chart of the probabilities.
pub fn probability(class: &str) -> String {
    format!("How probable each learner finds \"{class}\", epoch by epoch.")
}
