//! Recorded, kept and imported runs.

/// What a shown run is, and why its numbers are not this machine's.
pub fn recorded_on(device: &str, date: &str) -> String {
    format!("Recorded on {device}, {date}: not your machine.")
}
/// The same of a kept one.
pub fn kept_from(device: &str, date: &str) -> String {
    format!("Kept in this browser, trained on {device}, {date}.")
}
/// The same of one that was brought.
pub fn brought_from(device: &str, date: &str) -> String {
    format!("From a file: trained on {device}, {date}. Not your machine, as far as this page knows.")
}
/// How long it took, and how long it plays.
pub fn pace(trained: &str, played: &str) -> String {
    format!("{trained} of training in {played}")
}
/// Label of the group.
pub const REPLAY: &str = "Replay";
/// The button that plays, ...
pub const PLAY: &str = "Play";
/// ... holds, ...
pub const HOLD: &str = "Hold";
/// ... and plays again.
pub const AGAIN: &str = "Play again";
/// Label of the place.
pub const PLACE: &str = "Place in the run";
/// Label of the speeds.
pub const SPEED: &str = "Speed";
/// The button that leaves the replay for a race.
pub const TRAIN_GPU: &str = "Train this on my GPU";
/// The same, where the CPU trains.
pub const TRAIN_CPU: &str = "Train this on my CPU";
/// The same, where the form says another experiment, which it takes the place of.
pub const TRAIN_RECORDED: &str = "Train the recorded one";
/// The same, before a device is known.
pub const TRAIN: &str = "Train this here";
/// Where a recorded run did not come or cannot be read.
pub fn no_recording(why: &str) -> String {
    format!("The recorded run of this scenario cannot be shown: {why}. Training works without it.")
}
/// Where a link names a recorded run that does not come.
pub fn no_such_recording(name: &str, why: &str) -> String {
    format!("The link's run '{name}' does not come ({why}); this is the one of a first visit. The place Runs has all of them.")
}
/// Networks that ship are open.
pub fn trained(name: &str, device: &str, day: &str) -> String {
    format!("These networks come with the page: {name}, trained on {device}, {day}. Train makes your own.")
}
/// Where the networks of the run that is shown ship, and their pictures do not.
pub const NETWORKS_SHIP: &str = "Or look at those of the recorded run: they ship with this page. CIFAR-10's own pictures come from this \
                                 server, or from the copy that you gave this page; only the first ones are fetched.";
/// The button that opens them.
pub const OPEN_NETWORKS: &str = "Open the recorded networks";
/// Where runs with several seeds are compared.
pub const FIRST_SEED: &str = "Of a run with several seeds the first one is compared; the ring has them all.";
/// The offer to play a recorded run.
pub const WATCH: &str = "Watch a recorded run";
/// Under the numbers of a shown run.
pub fn measured_on(device: &str) -> String {
    format!("Measured on {device}, when this run was trained.")
}
/// Heading.
pub const TITLE: &str = "Runs";
/// Caption of the list.
pub const CAPTION: &str = "recorded runs, runs kept in this browser, and runs brought as files";
/// Its columns.
pub const COLUMNS: [&str; 2] = ["Compare", "Run"];
/// A run in a line.
pub fn about(kind: &str, epochs: u32, of: u32, device: &str, date: &str) -> String {
    format!("{kind}, {epochs} of {of} epochs on {device}, {date}")
}
/// Where a run comes from, in a word.
pub const RECORDED: &str = "Recorded";
/// The same.
pub const KEPT: &str = "Kept here";
/// The same.
pub const IMPORTED: &str = "From a file";
/// A kept run whose files cannot be opened.
pub const CANNOT_OPEN: &str = "the browser cannot open its file";
/// A run that cannot be read.
pub fn unreadable(why: &str) -> String {
    format!("This run cannot be read: {why}. Other runs are not affected; it can only be deleted.")
}
/// Label of a row's checkbox.
pub fn compare_this(name: &str) -> String {
    format!("Compare {name}")
}
/// Plays it in the ring.
pub const OPEN: &str = "Open";
/// Trains on.
pub const GO_ON: &str = "Go on";
/// Another name.
pub const RENAME: &str = "Rename";
/// As a run file.
pub const SAVE: &str = "Save file";
/// As text.
pub const CARD: &str = "Run card";
/// What was copied.
pub const LINK_COPIED: &str = "Link";
/// A link that shows it.
pub const LINK: &str = "Copy link";
/// Away with it.
pub const DELETE: &str = "Delete";
/// Before it is deleted.
pub fn really_delete(name: &str) -> String {
    format!("Delete '{name}' from this browser? It cannot be brought back.")
}
/// After it.
pub fn deleted(name: &str) -> String {
    format!("'{name}' is deleted.")
}
/// Asked for at a rename.
pub const NEW_NAME: &str = "What shall this run be called?";
/// The button for run files.
pub const JSON: &str = "All runs as JSON";
/// The button for CSV.
pub const CSV: &str = "All evaluations as CSV";
/// The chooser of files.
pub const BRING: &str = "Open a run file, or summary.json and metrics.jsonl of a run's folder";
/// What the files of a folder are called.
pub const FOLDER: &str = "The run's folder";
/// A file of a folder alone.
pub const MORE_FILES: &str = "a run's folder is opened by its summary.json and its metrics.jsonl, both together";
/// A file was taken in.
pub fn imported(name: &str) -> String {
    format!("'{name}' is in the list.")
}
/// A file was not.
pub fn not_imported(file: &str, why: &str) -> String {
    format!("{file} was not opened: {why}.")
}
/// The worker could not keep a file.
pub fn not_kept(why: &str) -> String {
    format!("This run could not be kept: {why}.")
}
/// The browser would not hand out a file.
pub fn not_saved(why: &str) -> String {
    format!("The browser did not save the file: {why}.")
}
/// What is kept.
pub fn storage(used: &str, quota: &str) -> String {
    format!("This page keeps {used} in this browser, images included; the browser allows it {quota}.")
}
/// The comparison's name.
pub const COMPARISON: &str = "Chosen runs side by side";
/// The name of the chips over its drawing.
pub const OVERLAY: &str = "What is drawn";
/// The drawing in a sentence.
pub fn overlaid(about: &str, runs: usize) -> String {
    format!("{about} against epochs, {runs} runs in one drawing, each under its letter; the table below has the numbers.")
}
/// Column.
pub const RESULT: &str = "Result";
/// Caption of the comparison.
pub const RESULTS: &str = "last evaluation of each learner";
/// Column.
pub const SETTING: &str = "Setting";
/// Caption of the settings.
pub const DIFFERING: &str = "settings in which these runs differ";
/// What was kept of an unfinished run, ...
pub fn unfinished(name: &str, epochs: u32) -> String {
    match epochs {
        0 => format!("'{name}' was begun in this browser and is not finished."),
        1 => format!("'{name}' is kept in this browser after 1 epoch and is not finished."),
        _ => format!("'{name}' is kept in this browser after {epochs} epochs and is not finished."),
    }
}
/// ... and the way on.
pub fn resume(epochs: u32) -> String {
    if epochs == 0 { "Resume it".into() } else { format!("Resume from epoch {epochs}") }
}
/// Caption of the files of learners.
pub const HELD: &str = "the networks of the race in the ring, as safetensors";
/// Column.
pub const LEARNER: &str = "Learner";
/// Column.
pub const FILES: &str = "Files";
/// A learner's weights.
pub const WEIGHTS: &str = "Weights";
/// Its masks and the images' scores.
pub const MASKS: &str = "Masks and scores";
/// The chart in the ring, as a drawing.
pub const CHART_SVG: &str = "Chart as SVG";
/// The same, as pixels.
pub const CHART_PNG: &str = "Chart as PNG";
