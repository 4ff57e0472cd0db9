//! Lessons: what stands around their text, which is a file of its own (`public/lessons.txt`).

/// Heading of the place.
pub const TITLE: &str = "Lessons";
/// Under it.
pub const ABOUT: &str = "Four short lessons beside the live controls. Each takes about five minutes and needs no download: its races train on this device, or are watched as they were recorded. Before every answer you are asked what you expect.";
/// While the text is on its way.
pub const FETCHING: &str = "Fetching the lessons.";
/// Button that sets an experiment up.
pub const LOAD: &str = "Set up this race";
/// Button that plays the recorded run of that experiment.
pub const WATCH: &str = "Watch it recorded";
/// Button.
pub const START: &str = "Begin";
/// Button.
pub const BACK: &str = "Back";
/// Button.
pub const NEXT: &str = "Next";
/// Button.
pub const SKIP: &str = "Skip this step";
/// Button.
pub const SHOW: &str = "Show me where";
/// Button of the last step.
pub const DONE: &str = "Finish the lesson";
/// Button.
pub const CLOSE: &str = "Close";
/// Button after a failure.
pub const AGAIN: &str = "Try again";
/// Label of the panel.
pub const PANEL: &str = "Lesson";

/// E.g. "Step 2 of 6: Under attack".
pub fn step(number: usize, of: usize, lesson: &str) -> String {
    format!("Step {number} of {of}: {lesson}")
}
/// A step waits for a prediction.
pub const WAITS_ANSWER: &str = "Say what you expect, then go on.";
/// A step waits for the end of a race.
pub const WAITS_RACE: &str = "This goes on when the race has come to its end, trained here or watched.";
/// What was predicted, and, where one answer is right whatever happens, which.
pub fn predicted(answer: &str, right: Option<(bool, &str)>) -> String {
    match right {
        None => format!("You expected: {answer}"),
        Some((true, _)) => format!("You said: {answer} That is right."),
        Some((false, right)) => format!("You said: {answer} It is: {right}"),
    }
}
/// The file did not come.
pub fn missing(why: &str) -> String {
    format!("The text of the lessons could not be fetched: {why}. It comes from this page's own server and is kept after the first visit.")
}
