//! Files that are dropped on the page.

/// A file that is not taken.
pub fn refused(name: &str, why: &str) -> String {
    format!("{name} was not opened: {why}")
}
/// What the page takes.
pub const OTHER: &str =
    "the page takes run files (.json, or summary.json and metrics.jsonl together) and the official archives of CIFAR-10 (.tar.gz or .tar).";
/// An archive while something trains.
pub const BUSY: &str = "images are taken in between races. Stop the race, or wait for its end, and drop it again.";
/// A picture.
pub const PICTURE: &str = "a picture of your own is chosen on the test bench, once a race has trained.";
/// MNIST's form.
pub const IDX: &str = "MNIST's form (IDX), of which only the native program reads a folder: sparring race --dataset mnist --folder DIR";
/// A file of it.
pub fn idx() -> String {
    format!("it is of {IDX}.")
}
/// Closes what was said.
pub const CLOSE: &str = "Close";
