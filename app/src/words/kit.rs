//! Words that every place uses.

/// What the question mark beside a setting asks.
pub fn why(setting: &str) -> String {
    format!("{setting}: why?")
}
