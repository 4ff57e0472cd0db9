//! Which corruptions and severities an experiment draws from, and their text forms.

use std::fmt;
use std::str::FromStr;

use super::{Corruption, Severity};
use crate::error::{Error, ErrorKind, Result};
use crate::names::{bare, serde_as_text};

/// A set of corruptions: `none`, names separated by commas, `standard` (the fifteen), `all` (the nineteen).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CorruptionSet(u32);

impl CorruptionSet {
    /// No corruption.
    pub const NONE: Self = Self(0);
    /// The fifteen of the benchmark.
    pub const STANDARD: Self = Self((1 << Corruption::STANDARD) - 1);
    /// These and the four extra ones.
    pub const ALL: Self = Self((1 << Corruption::ALL.len()) - 1);

    /// True where nothing is corrupted.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Its kinds, in the order of [`Corruption::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Corruption> {
        Corruption::ALL.iter().copied().filter(move |kind| self.0 & (1 << *kind as u32) != 0)
    }
}

impl fmt::Display for CorruptionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NONE => f.write_str("none"),
            Self::STANDARD => f.write_str("standard"),
            Self::ALL => f.write_str("all"),
            _ => {
                for (i, kind) in self.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { "," })?;
                    f.write_str(kind.name())?;
                }
                Ok(())
            }
        }
    }
}

impl FromStr for CorruptionSet {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match bare(text.trim()).as_str() {
            "none" | "" => return Ok(Self::NONE),
            "standard" => return Ok(Self::STANDARD),
            "all" => return Ok(Self::ALL),
            _ => {}
        }
        let mut bits = 0;
        for name in text.split(',') {
            let kind = name.trim().parse::<Corruption>().map_err(|e| match e.into_kind() {
                ErrorKind::UnknownName { kind, name, valid } => {
                    ErrorKind::UnknownName { kind, name, valid: format!("none, standard, all, or a list of: {valid}") }
                }
                other => other,
            })?;
            bits |= 1 << kind as u32;
        }
        Ok(Self(bits))
    }
}

/// How strong: one severity for all, or one drawn for each image (`mixed`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Severities {
    /// Drawn from the five.
    #[default]
    Mixed,
    /// This one.
    One(Severity),
}

impl fmt::Display for Severities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mixed => f.write_str("mixed"),
            Self::One(severity) => write!(f, "{}", severity.number()),
        }
    }
}

impl FromStr for Severities {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        if bare(text) == "mixed" {
            return Ok(Self::Mixed);
        }
        let number = text.parse().ok().and_then(|n| Severity::new(n).ok());
        number.map(Self::One).ok_or_else(|| Error::config(format!("severity must be 1 to 5 or mixed, found '{text}'")))
    }
}

serde_as_text!(CorruptionSet);
serde_as_text!(Severities);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn text_forms_come_back() {
        for text in ["none", "standard", "all", "fog", "gaussian-noise,snow"] {
            assert_eq!(text.parse::<CorruptionSet>().unwrap().to_string(), text);
        }
        let list: CorruptionSet = "snow, gaussian_noise".parse().unwrap();
        assert_eq!(list.to_string(), "gaussian-noise,snow");
        assert_eq!(CorruptionSet::STANDARD.iter().count(), 15);
        assert_eq!(CorruptionSet::ALL.iter().count(), 19);
        assert!(!CorruptionSet::STANDARD.iter().any(|k| k == Corruption::Spatter));
        assert!("snow,sleet".parse::<CorruptionSet>().unwrap_err().to_string().contains("standard, all"));
        for (text, set) in [("STANDARD", CorruptionSet::STANDARD), ("All", CorruptionSet::ALL), ("None", CorruptionSet::NONE)] {
            assert_eq!(text.parse::<CorruptionSet>().unwrap(), set, "{text}");
        }
        assert_eq!("Mixed".parse::<Severities>().unwrap(), Severities::Mixed);
        for text in ["1", "5", "mixed"] {
            assert_eq!(text.parse::<Severities>().unwrap().to_string(), text);
        }
        for text in ["0", "6", "2.5", ""] {
            assert!(text.parse::<Severities>().unwrap_err().to_string().contains("1 to 5"));
        }
    }
}
