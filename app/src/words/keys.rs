//! Keys.

/// Button in the header.
pub const BUTTON: &str = "Keys";
/// Heading of the dialog.
pub const TITLE: &str = "Keys";
/// A key, and what it does.
pub const KEYS: [(&str, &str); 6] = [
    ("Space", "Train, hold, go on, or play and hold a recorded run; where no control has the focus"),
    ("s", "One training step of every learner"),
    ("?", "This list"),
    ("Tab", "To the next control; Shift and Tab to the one before"),
    ("Arrows", "Move sliders, choices and the chart's crosshair"),
    ("Esc", "Close this list"),
];
/// Where a key would begin a download.
pub const FETCHES: &str = "Training on CIFAR-10 fetches its images first. A key does not begin that: press Train.";
/// Switch.
pub const ON: &str = "Letters, digits and ? are keys (switch this off where they are pressed by accident)";
/// Button.
pub const CLOSE: &str = "Close";

/// A place's key.
pub fn place(label: &str) -> String {
    format!("Go to: {label}")
}
