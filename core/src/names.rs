//! Names with one text form everywhere: in flags, files, links and messages.
//!
//! Without it a name would be spelled twice, and a link would stop meaning what a flag means.

use crate::error::{Error, Result};

/// Defines a C-like enum with one text form used everywhere (flags, files, links, messages).
#[macro_export]
macro_rules! named_enum {
    ($(#[$meta:meta])* $vis:vis enum $name:ident ($kind:literal) { $($(#[doc = $doc:literal])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $vis enum $name { $($(#[doc = $doc])* $variant),+ }
        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            const NAMES: &'static [&'static str] = &[$($text),+];
            /// The text form.
            pub fn name(self) -> &'static str { Self::NAMES[self as usize] }
            /// What it is, in the words of its documentation.
            pub fn doc(self) -> &'static str { match self { $(Self::$variant => concat!($($doc),*).trim_ascii()),+ } }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.pad(self.name()) }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::Error;
            fn from_str(s: &str) -> Result<Self, $crate::Error> {
                Ok(Self::ALL[$crate::names::named($kind, s, Self::NAMES)?])
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
                s.serialize_str(self.name())
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// The place of a name among those that are valid. Published code writes `cifar-10`, `cifar_10` and `CIFAR10`: hyphens, underscores and
/// case tell no two names of ours apart (a test holds that).
///
/// # Errors
/// `UnknownName`, with the valid ones.
pub fn named(kind: &'static str, given: &str, names: &[&str]) -> Result<usize> {
    let wanted = bare(given);
    names.iter().position(|n| bare(n) == wanted).ok_or_else(|| Error::unknown_name(kind, given, names.join(", ")))
}

/// A name without what nobody remembers: its case, hyphens and underscores.
pub fn bare(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
}

/// Serde's form of a type is its text form.
macro_rules! serde_as_text {
    ($t:ty) => {
        impl serde::Serialize for $t {
            fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $t {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub use crate::named_enum;
pub(crate) use serde_as_text;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::{Allocation, Method};
    use crate::corrupt::Corruption;
    use crate::data::DatasetName;
    use crate::hardness::ScoreName;
    use crate::sparse::{Grow, Prune, Redistribution};

    #[test]
    fn no_two_names_differ_by_what_is_passed_over() {
        fn check<T: std::fmt::Display>(all: &[T]) {
            let mut names: Vec<String> = all.iter().map(|name| bare(&name.to_string())).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), all.len());
        }
        check(Method::ALL);
        check(Allocation::ALL);
        check(Prune::ALL);
        check(Grow::ALL);
        check(Redistribution::ALL);
        check(ScoreName::ALL);
        check(Corruption::ALL);
        check(DatasetName::ALL);
    }

    #[test]
    fn names_are_understood_as_people_write_them() {
        for text in ["cifar-10", "CIFAR10", "cifar_10", "Cifar-10"] {
            assert_eq!(text.parse::<DatasetName>().unwrap(), DatasetName::Cifar10, "{text}");
        }
        assert_eq!("CIFAR-100-coarse".parse::<DatasetName>().unwrap(), DatasetName::Cifar100Coarse);
        assert!("cifar11".parse::<DatasetName>().unwrap_err().to_string().contains("cifar10"));
    }
}
