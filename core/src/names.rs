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

/// The place of a name among those that are valid. Names have hyphens; published code often writes underscores.
///
/// # Errors
/// `UnknownName`, with the valid ones.
pub fn named(kind: &'static str, given: &str, names: &[&str]) -> Result<usize> {
    let name = given.replace('_', "-");
    names.iter().position(|n| n.eq_ignore_ascii_case(&name)).ok_or_else(|| Error::unknown_name(kind, given, names.join(", ")))
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
