//! What was left out of a dataset, and why: a count and the first names for each reason.

use serde::{Deserialize, Serialize};

/// Names kept for each reason.
const FIRST: usize = 5;

/// Images left out for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Why.
    pub reason: String,
    /// How many.
    pub count: usize,
    /// The first few, in order.
    pub first: Vec<String>,
}

impl Skipped {
    /// Adds one to a list of them.
    pub fn add(list: &mut Vec<Self>, reason: &str, name: &str) {
        let slot = match list.iter().position(|s| s.reason == reason) {
            Some(i) => &mut list[i],
            None => {
                list.push(Self { reason: reason.to_owned(), count: 0, first: Vec::new() });
                let last = list.len() - 1;
                &mut list[last]
            }
        };
        slot.count += 1;
        if slot.first.len() < FIRST {
            slot.first.push(name.to_owned());
        }
    }
}

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let more = if self.count > self.first.len() { ", ..." } else { "" };
        write!(f, "{} {}: {}{more}", self.count, self.reason, self.first.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_the_first_names_by_reason() {
        let mut list = Vec::new();
        for i in 0..7 {
            Skipped::add(&mut list, "damaged", &format!("{i}.png"));
        }
        Skipped::add(&mut list, "empty", "x");
        assert_eq!(
            list.iter().map(Skipped::to_string).collect::<Vec<_>>(),
            ["7 damaged: 0.png, 1.png, 2.png, 3.png, 4.png, ...", "1 empty: x"]
        );
    }
}
