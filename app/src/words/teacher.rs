//! Teacher links: what is said of them, and their builder.

/// Kind of name.
pub const LESSON: &str = "lesson";
/// Kind of name.
pub const PRESET: &str = "preset";
/// Kind of name.
pub const PART: &str = "part of the page to hide";
/// A step without its lesson.
pub const STEP_ALONE: &str = "This link names a step but no lesson, so it opens none.";

/// Part of the page.
pub const PLACES: &str = "The menu of places";
/// Part of the page.
pub const SETTINGS: &str = "All settings";
/// Part of the page.
pub const HARDNESS: &str = "What makes the samples hard";
/// Part of the page.
pub const CORNERS: &str = "Network and learners";
/// Part of the page.
pub const ADVANCED: &str = "Advanced settings";
/// Part of the page.
pub const DEVICE: &str = "This device";
/// Part of the page.
pub const NUMBERS: &str = "Honest numbers";
/// Part of the page.
pub const SHARE: &str = "Links and commands to take away";
/// Part of the page.
pub const CHART: &str = "The chart";
/// Part of the page.
pub const TOOLS: &str = "Keys and colours";

/// Heading of the builder.
pub const BUILDER: &str = "A link for your class";
/// Under it.
pub const ABOUT: &str = "It opens the experiment that is set now, or that of the lesson, with the lesson, the parts and the words that you choose here. Nothing is stored anywhere: all of it is in the link.";
/// Label.
pub const WHICH: &str = "Lesson";
/// Choice.
pub const NO_LESSON: &str = "No lesson";
/// Legend.
pub const HIDE: &str = "Leave out";
/// Label.
pub const OWN: &str = "Your own words at the top (at most 500 characters)";
/// Button.
pub const COPY: &str = "Copy the link";
/// What shows the link as a code.
pub const AS_CODE: &str = "As a code for the wall";
/// The code, for those who do not see it.
pub const CODE: &str = "The link as a QR code";
/// Where no code holds it.
pub const NO_CODE: &str = "The link is too long for a code; fewer words of your own make it shorter.";
/// What was copied.
pub const LINK: &str = "Link";
/// Heading of the teacher's own words, for screen readers.
pub const FROM_TEACHER: &str = "From your teacher";

/// A name that is none.
pub fn unknown(kind: &str, name: &str, valid: &[&str]) -> String {
    format!("This link names the {kind} '{name}', which is not here. Possible are: {}. The rest of the link counts.", valid.join(", "))
}
/// Names that have nothing to do with the page.
pub fn ignored(names: &[String]) -> String {
    format!("What the link says of {} is ignored: the page has no such setting.", names.join(", "))
}
/// A name that is nearly one of a link's.
pub fn meant(name: &str, known: &str) -> String {
    format!("It names '{name}', which is not here. Is '{known}' meant? Then write that into the link")
}
/// A step that is none.
pub fn no_step(value: &str) -> String {
    format!("This link names the step '{value}', which is not a number from 1 on. The lesson opens at its first step.")
}
/// A name of a run that is none.
pub fn no_run(value: &str) -> String {
    format!("This link names the recorded run '{value}': expected letters, digits and hyphens. The rest of the link counts.")
}
/// A number of seeds that is none.
pub fn no_seeds(value: &str, most: u32) -> String {
    format!("This link asks for '{value}' seeds, but 1 to {most} are possible. The race runs once.")
}
/// A text that was too long.
pub fn cut(most: usize) -> String {
    format!("The text of this link is longer than {most} characters; the rest of it is left out.")
}
