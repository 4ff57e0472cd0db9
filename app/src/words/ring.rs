//! The ring: controls, standing, score, chart, numbers, device.

use sparring_figures::number;

/// The slogan.
pub const SLOGAN: &str = "Who learns the hard ones better?";
/// The document's title.
pub const TITLE: &str = "Sparring: who learns the hard ones better?";
/// Link for keys.
pub const SKIP: &str = "Skip to the experiment";
/// The same.
pub const SKIP_TO_CHART: &str = "Skip to the chart";
/// Region.
pub const EXPERIMENT: &str = "The experiment";
/// Region.
pub const RING: &str = "The ring";
/// Region.
pub const SETTINGS: &str = "Settings";
/// Region.
pub const NUMBERS: &str = "Numbers";
/// Label.
pub const COLOURS: &str = "Colours";
/// Its options.
pub const THEMES: [(&str, &str); 3] = [("system", "System"), ("light", "Light"), ("dark", "Dark")];

/// Region.
pub const CONTROLS: &str = "Controls";
/// Button.
pub const TRAIN: &str = "Train";
/// Button.
pub const PAUSE: &str = "Pause";
/// Button.
pub const GO_ON: &str = "Go on";
/// Button.
pub const STEP: &str = "Step";
/// Button.
pub const STOP: &str = "Stop";
/// Button.
pub const RESET: &str = "Reset";
/// Label.
pub const STRIDE: &str = "How far a step goes";
/// Its options.
pub const STRIDES: [(&str, &str); 3] = [("batch", "one batch"), ("epoch", "one epoch"), ("update", "one mask update")];
/// Label.
pub const LOAD: &str = "Work as hard as";
/// Why.
pub const LOAD_WHY: &str = "Less leaves the device to others: after each piece of work the trainer rests.";
/// Label.
pub const SEEDS: &str = "Seeds";
/// Why.
pub const SEEDS_WHY: &str =
    "The same race again with another seed, one after the other: only then does a difference say something about the method.";

/// While a device is sought.
pub const LOOKING: &str = "Looking for a device";
/// The worker is gone.
pub const TRAINER_STOPPED: &str = "The trainer stopped";
/// What that costs.
pub const TRAINER_NEXT: &str = "What was measured so far stays on the page; a new race starts a new trainer.";
/// It went without a word.
pub const TRAINER_SILENT: &str = "The browser ended it without a word, most likely because memory ran short. What was measured so far stays on the page; a new race starts a new trainer.";
/// It was asked and says nothing.
pub const TRAINER_QUIET: &str = "The trainer does not answer. It may be at a long piece of work: then it is enough to wait, and this goes when it answers. If it does not come back, start a new one: what was measured stays on the page, and a race that was kept can go on from there.";
/// Button.
pub const NEW_TRAINER: &str = "Start a new trainer";
/// A visitor gave it up.
pub const TRAINER_GIVEN_UP: &str = "It did not answer and was ended. What was measured so far stays on the page; a new race starts a new trainer, and a race that was kept can go on from there.";
/// Heard.
pub const NOT_READY: &str = "Not ready: the network does not take these images";
/// Once it is, ...
pub const BEGINNING: &str = "The race is about to begin";
/// Read out.
pub const TRAINING: &str = "Training";
/// Heard.
pub const PAUSED: &str = "Paused";
/// Progress bar.
pub const PROGRESS: &str = "Progress";
/// Before a race.
pub const SAME_START: &str = "They start from the same weights and see the same images in the same order.";
/// Region.
pub const CHART: &str = "What the chart shows";
/// Chip.
pub const AGAINST_FLOPS: &str = "Against FLOPs";
/// Chip.
pub const LOG: &str = "Log axis";
/// Chip.
pub const WHOLE: &str = "Whole race";
/// Label.
pub const SMOOTH: &str = "Smoothing";
/// Summary.
pub const BEHIND: &str = "The numbers behind the chart";
/// Caption.
pub const BY_EPOCH: &str = "One row an epoch, once the first is done.";
/// The same where the curves are of several seeds.
pub const BY_EPOCH_OF_ONE: &str = "One row an epoch, once the first is done, of the seed whose images and networks are shown.";
/// Summary.
pub const BINS: &str = "By difficulty";
/// Caption.
pub const BINS_CAPTION: &str = "Accuracy on the test images by difficulty, the easiest on the left.";

/// Heading.
pub const HONEST: &str = "Honest numbers";
/// Before a race.
pub const HONEST_SOON: &str = "Measured on this device, beside what the FLOPs alone would allow. They appear when a race starts.";

/// Heading.
pub const DEVICE: &str = "This device";
/// Label.
pub const TRAIN_WITH: &str = "Train with";
/// Its options.
pub const DEVICES: [(&str, &str); 3] = [("auto", "a GPU if there is one"), ("gpu", "a GPU, even an emulated one"), ("cpu", "the CPU")];
/// Button.
pub const QUICK: &str = "Choose the quick look";
/// Heading.
pub const TAKE: &str = "Take it with you";
/// Button.
pub const COPY_LINK: &str = "Copy link";
/// Button.
pub const COPY_COMMAND: &str = "Copy as command";
/// Before the same of a form that says something else.
pub const TAKE_FORM: &str = "The form says another one:";

/// Why the chart is empty: nobody trains, ...
pub const EMPTY_BEFORE: &str = "Press Train and the curves grow here.";
/// ... no step was reported yet, ...
pub const EMPTY_STEPS: &str = "The first steps are under way.";
/// ... no epoch has ended, ...
pub const EMPTY_EPOCH: &str = "This is measured at the end of each epoch; Train and Loss move before.";
/// ... there is nobody to take the gap from, ...
pub const EMPTY_GAP: &str = "There is no dense learner to compare with.";
/// ... or it is not measured.
pub const EMPTY_NEVER: &str = "This race does not measure this.";
/// Under the beginning of the chart: what is counted along it.
pub const EPOCH_0: &str = "epoch 0";
/// What decides, behind a learner's name.
pub const DECIDED_ATTACKED: &str = ", attacked test set";
/// The same.
pub const DECIDED_CORRUPTED: &str = ", corrupted test set";
/// Where there is no number yet.
pub const NO_SCORE: &str = "\u{2013}";
/// Behind a name.
pub const DECIDED_HARD: &str = ", hard half of the test set";
/// The same.
pub const DECIDED_TEST: &str = ", test set";
/// The same, where the number is of the seed before, ...
pub const SEED_BEFORE: &str = ", first seed";
/// ... and where it is a mean.
pub fn mean_of(seeds: usize, low: f64, high: f64) -> String {
    format!(", mean of {seeds} seeds ({} to {})", number::percent(low, 1), number::percent(high, 1))
}
/// Where learners know hard images better than easy ones.
pub const EASY_IS_HARDER: &str =
    "They were trained on hard images alone and know the easy half less well: what they never saw is not easy to them.";
/// The random controls' results.
pub fn controls_line(results: &str) -> String {
    format!("On a random subset of the same size instead: {results}.")
}
/// What a link leads to: a recorded run, or an experiment, whose results stay where they were trained.
pub fn link_to(address: &str) -> &'static str {
    if !address.contains('?') || address.contains("?run=") { "Link to this run" } else { "Link to these settings, without results," }
}
/// A passing remark.
pub fn copied(what: &str) -> String {
    format!("{what} copied.")
}
/// How many workers a race is shared among without a GPU.
pub fn workers(most: usize) -> String {
    format!("one a learner, {most} at most")
}
/// The hash of the shown race.
pub fn hash(hash: &str) -> String {
    format!("This race: configuration {hash}")
}
/// A learner that failed, and why.
pub fn stopped(learner: &str, why: &str) -> String {
    format!("{learner} stopped: {why}")
}
/// What a person changed while the race was under way.
pub fn changed(learner: Option<&str>, setting: &str, value: Option<f64>, epoch: f64) -> String {
    let what = if setting == "lr" { "learning rate" } else { setting };
    let who = learner.map_or(String::new(), |l| format!("{l}: "));
    let now = value.map_or("as scheduled again".into(), |v| (v as f32).to_string());
    format!("{who}{what} {now}, from epoch {epoch:.1} on. Changed by hand.")
}
/// A fact of the device.
pub const ADAPTER: &str = "Adapter";
/// A fact of the device.
pub const COMPUTES_WITH: &str = "Computes with";
/// A fact of the device.
pub const WORKERS: &str = "Workers";
/// A fact of the device.
pub const DRIVER: &str = "Driver";
/// A fact of the device.
pub const MEMORY: &str = "Memory in use";
/// A network as its layers.
pub fn layers(learner: &str) -> String {
    format!("{learner}, layer by layer: as wide as it has weights, filled as far as they exist")
}
/// The images between the corners.
pub const WATCHED: &str = "Hard test images, by who is right";
/// Before anybody has answered.
pub const HARD_IMAGES: &str = "Hard test images";
/// Images that one of the two is right about.
pub fn alone(learner: &str) -> String {
    format!("{learner} alone is right")
}
/// Images that both are right about.
pub const BOTH: &str = "Both are right";
/// Images that none of the two is right about.
pub const NEITHER: &str = "Neither is right";
/// Where pictures of CIFAR-10 are not here.
pub const PICTURES_ELSEWHERE: &str = "The pictures are CIFAR-10's own.";
/// Button.
pub const PICTURES_FETCH: &str = "Fetch them";
