//! Reading JSON: the text becomes a tree, and a struct takes its fields from the tree by name, in its own order. Writing it as
//! serde_json does, without its table of powers.
//!
//! serde's readers of structs come in two kinds: one hears pairs in any order, with a state for every field and every name compared; one
//! hears a list. A list made in the struct's order needs only the second, which is less than half the code: the page is 13 kB lighter.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Map, Value};

/// What a text is not, and in which field. One pointer: readers hand it on at every field.
#[derive(Debug)]
pub struct Error(Box<What>);

#[derive(Debug)]
enum What {
    /// It is no JSON, or the value of a field is not what the field takes.
    Text(String),
    /// A list ends early, or a field is missing: how many came before.
    Short(usize),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            What::Text(text) => f.write_str(text),
            What::Short(count) => write!(f, "the list ends after {count}"),
        }
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::of(&message)
    }
    fn invalid_length(count: usize, _: &dyn Expected) -> Self {
        Self(Box::new(What::Short(count)))
    }
}

impl Error {
    #[cold]
    #[inline(never)]
    fn of(message: &dyn fmt::Display) -> Self {
        Self(Box::new(What::Text(message.to_string())))
    }
    /// Of a struct with these fields, while the one before `next` was read.
    fn within(self, fields: &[&'static str], next: usize) -> Self {
        match &*self.0 {
            What::Short(count) => Self::of(&format_args!("missing field `{}`", fields.get(*count).unwrap_or(&""))),
            What::Text(text) => match next.checked_sub(1).and_then(|at| fields.get(at)) {
                Some(field) => Self::of(&format_args!("{field}: {text}")),
                None => self,
            },
        }
    }
}

/// Structs that refuse a field they do not know, by serde's name for them: their `deny_unknown_fields` speaks to readers of pairs only.
const STRICT: [&str; 2] = ["ExperimentConfig", "Transforms"];

/// Reads a whole text.
///
/// # Errors
/// In serde's words, after the names of the fields that lead there. A struct that is written as a list is an error.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    from_value(&value(text)?)
}

/// [`from_str`] of bytes.
///
/// # Errors
/// As [`from_str`], and where the bytes are not UTF-8.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    from_str(std::str::from_utf8(bytes).map_err(|e| Error::of(&e))?)
}

/// Reads a tree.
///
/// # Errors
/// As [`from_str`].
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, Error> {
    T::deserialize(Node(value))
}

/// The tree of a whole text.
///
/// # Errors
/// Where it is no JSON.
pub fn value(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|e| Error::of(&e))
}

/// The tree of a text that is an object.
///
/// # Errors
/// Where it is something else.
pub fn object(text: &str) -> Result<Map<String, Value>, Error> {
    match value(text)? {
        Value::Object(fields) => Ok(fields),
        other => Err(Node(&other).is_not(&"an object")),
    }
}

/// Writes a value.
///
/// # Errors
/// Where a map's key is no text, which ours are.
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    let mut out = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut out, Plain)).map_err(|e| Error::of(&e))?;
    String::from_utf8(out).map_err(|e| Error::of(&e))
}

/// Numbers by the standard library, which the page has anyway: serde_json's own way brings 5 kB.
struct Plain;

impl Formatter for Plain {
    fn write_f64<W: ?Sized + Write>(&mut self, out: &mut W, value: f64) -> io::Result<()> {
        // Where the two differ in when they turn to exponents.
        if (1e-5..1e-4).contains(&value.abs()) { write!(out, "{value}") } else { write!(out, "{value:?}") }
    }
    fn write_f32<W: ?Sized + Write>(&mut self, out: &mut W, value: f32) -> io::Result<()> {
        if (1e-6..1e-4).contains(&value.abs()) { write!(out, "{value}") } else { write!(out, "{value:?}") }
    }
}

/// A value in the tree.
#[derive(Clone, Copy)]
struct Node<'a>(&'a Value);

impl Node<'_> {
    /// What it is, where something else was expected.
    fn is_not(self, expected: &dyn Expected) -> Error {
        let found = match self.0 {
            Value::Null => Unexpected::Other("null"),
            Value::Bool(v) => Unexpected::Bool(*v),
            Value::Number(v) => match (v.as_u64(), v.as_i64()) {
                (Some(v), _) => Unexpected::Unsigned(v),
                (_, Some(v)) => Unexpected::Signed(v),
                _ => Unexpected::Float(v.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(v) => Unexpected::Str(v),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        };
        serde::de::Error::invalid_type(found, expected)
    }
    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::Number(number) = self.0 else { return Err(self.is_not(&visitor)) };
        match (number.as_u64(), number.as_i64()) {
            (Some(v), _) => visitor.visit_u64(v),
            (_, Some(v)) => visitor.visit_i64(v),
            _ => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
        }
    }
    /// Its fields in the struct's order.
    fn fields<'de, V: Visitor<'de>>(self, strict: bool, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        let Value::Object(object) = self.0 else { return Err(self.is_not(&visitor)) };
        if strict && let Some(unknown) = object.keys().find(|key| !fields.contains(&key.as_str())) {
            return Err(serde::de::Error::unknown_field(unknown, fields));
        }
        let mut list = Fields { object, fields, next: 0 };
        visitor.visit_seq(&mut list).map_err(|e| e.within(fields, list.next))
    }
}

macro_rules! read {
    ($how:ident: $($name:ident)*) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.$how(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Error;
    read! { number: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32
    deserialize_u64 deserialize_f32 deserialize_f64 }
    read! { deserialize_str: deserialize_char deserialize_string deserialize_identifier deserialize_bytes deserialize_byte_buf }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(_) => self.deserialize_bool(visitor),
            Value::Number(_) => self.number(visitor),
            Value::String(_) => self.deserialize_str(visitor),
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
        }
    }
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_unit() } else { Err(self.is_not(&visitor)) }
    }
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::Bool(value) = self.0 else { return Err(self.is_not(&visitor)) };
        visitor.visit_bool(*value)
    }
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::String(text) = self.0 else { return Err(self.is_not(&visitor)) };
        visitor.visit_str(text)
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::Array(items) = self.0 else { return Err(self.is_not(&visitor)) };
        visitor.visit_seq(Items(items.iter()))
    }
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::Object(object) = self.0 else { return Err(self.is_not(&visitor)) };
        visitor.visit_map(Pairs { pairs: object.iter(), value: &Value::Null })
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.fields(STRICT.contains(&name), fields, visitor)
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }
    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }
    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }
    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }
    /// `"Name"`, or `{"Name": content}`.
    fn deserialize_enum<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(Variant { name, content: Node(&Value::Null) }),
            Value::Object(object) if object.len() == 1 => match object.iter().next() {
                Some((name, content)) => visitor.visit_enum(Variant { name, content: Node(content) }),
                None => Err(self.is_not(&visitor)),
            },
            _ => Err(self.is_not(&visitor)),
        }
    }
}

/// A struct's fields.
struct Fields<'a> {
    object: &'a Map<String, Value>,
    fields: &'static [&'static str],
    next: usize,
}

impl<'a> Fields<'a> {
    fn step(&mut self) -> Option<&'a Value> {
        let field = self.fields.get(self.next)?;
        self.next += 1;
        self.object.get(*field)
    }
}

impl<'de> SeqAccess<'de> for &mut Fields<'_> {
    type Error = Error;
    /// None for a field that is missing: it then has its default, or the struct is refused.
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.step().map(|value| seed.deserialize(Node(value))).transpose()
    }
}

/// A list's items.
struct Items<'a>(std::slice::Iter<'a, Value>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.next().map(|value| seed.deserialize(Node(value))).transpose()
    }
    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// A map's pairs.
struct Pairs<'a> {
    pairs: serde_json::map::Iter<'a>,
    value: &'a Value,
}

impl<'de> MapAccess<'de> for Pairs<'_> {
    type Error = Error;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.pairs.next() else { return Ok(None) };
        self.value = value;
        seed.deserialize(StrDeserializer::new(key)).map(Some)
    }
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Node(self.value))
    }
}

/// A variant of an enum.
struct Variant<'a> {
    name: &'a str,
    content: Node<'a>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Error;
    type Variant = Node<'a>;
    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Node<'a>), Error> {
        Ok((seed.deserialize(StrDeserializer::new(self.name))?, self.content))
    }
}

impl<'de> VariantAccess<'de> for Node<'_> {
    type Error = Error;
    fn unit_variant(self) -> Result<(), Error> {
        if self.0.is_null() { Ok(()) } else { Err(self.is_not(&"a name alone")) }
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self)
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }
    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.fields(false, fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::config::ExperimentConfig;
    use crate::events::{ByHardness, Event, Score};

    #[test]
    fn values_are_read_as_serde_json_reads_them() {
        let config = ExperimentConfig { lr: 0.125, limit_train: 7, ..ExperimentConfig::default() };
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(from_str::<ExperimentConfig>(&text).unwrap(), config);
        assert_eq!(from_slice::<ExperimentConfig>(text.as_bytes()).unwrap(), config);
        let events = vec![
            Event::Warning { message: "a \"b\" \u{e9}".into() },
            Event::Progress { learner: 1, epoch: 2, step: 3, steps: 4, loss: 0.5, accuracy: -1.5e-3, ms_per_step: 1e9 },
            Event::Changed { learner: None, step: 1, setting: "lr".into(), value: Some(0.1) },
        ];
        assert_eq!(from_str::<Vec<Event>>(&serde_json::to_string(&events).unwrap()).unwrap(), events);
        let all = (Some(-3i64), [1u8, 2], 'x', true, (), BTreeMap::from([("k".to_owned(), None::<u64>)]), u64::MAX, 0.1f32, 1e300);
        type All = (Option<i64>, [u8; 2], char, bool, (), BTreeMap<String, Option<u64>>, u64, f32, f64);
        assert_eq!(from_str::<All>(&serde_json::to_string(&all).unwrap()).unwrap(), all);
        assert_eq!(object("{\"a\":[1,null,true,{}]}").unwrap()["a"][0], 1);
    }

    proptest! {
        /// To the byte where no configuration leaves it (a run's hash is of these bytes), else to the same number.
        #[test]
        fn values_are_written_as_serde_json_writes_them(
            any in any::<f64>(),
            float in any::<f32>(),
            digits in 1u32..100_000,
            scale in -40i32..7,
            text in any::<String>(),
            whole in any::<i64>(),
        ) {
            let round = f64::from(digits) * 10f64.powi(scale);
            let all = (-round, round as f32, 0.0, text, whole, None::<u8>, [true], f64::NAN);
            let text = to_string(&all).unwrap();
            prop_assert_eq!(&text, &serde_json::to_string(&all).unwrap());
            let tree = value(&text).unwrap();
            prop_assert_eq!(to_string(&tree).unwrap(), tree.to_string());
            if any.is_finite() && float.is_finite() {
                let text = to_string(&(any, float)).unwrap();
                prop_assert_eq!((text[1..].split_once(',').unwrap().0).parse::<f64>().unwrap(), any, "{}", text);
                prop_assert_eq!((text.split_once(',').unwrap().1).trim_end_matches(']').parse::<f32>().unwrap(), float, "{}", text);
            }
        }
    }

    #[test]
    fn fields_may_stand_in_any_order_be_more_than_are_known_or_be_left_out_where_they_have_a_default() {
        let score: Score = from_str(r#"{"samples":3,"later":[{}],"loss":null,"accuracy":0.5}"#).unwrap();
        assert!(score.loss.is_nan() && score.samples == 3 && score.accuracy == 0.5);
        assert_eq!(from_str::<ByHardness>(r#"{"corrupted":null}"#).unwrap(), ByHardness::default());
        assert_eq!(from_str::<ExperimentConfig>("{}").unwrap(), ExperimentConfig::default());
    }

    #[test]
    fn what_is_no_such_value_is_refused_with_its_place() {
        let refusal = |text: &str| from_str::<ExperimentConfig>(text).unwrap_err().to_string();
        assert_eq!(refusal(r#"{"epochs":"many"}"#), "epochs: invalid type: string \"many\", expected u32");
        let serde = |text: &str| serde_json::from_str::<ExperimentConfig>(text).unwrap_err().to_string();
        assert!(serde(r#"{"nonsense":1}"#).starts_with(&refusal(r#"{"nonsense":1}"#)), "{}", refusal(r#"{"nonsense":1}"#));
        for text in ["{", "{} x"] {
            assert_eq!(refusal(text), serde(text));
        }
        assert!(refusal("3").contains("invalid type: integer `3`"), "{}", refusal("3"));
        assert!(from_str::<Score>("[0.1,0.2,3]").is_err(), "a list is no object");
        assert_eq!(from_str::<Score>(r#"{"loss":1.0,"samples":3}"#).unwrap_err().to_string(), "missing field `accuracy`");
        assert_eq!(from_str::<[u8; 3]>("[1]").unwrap_err().to_string(), "the list ends after 1");
        let nested = from_str::<Event>(r#"{"epoch_end":{"learner":"x"}}"#).unwrap_err().to_string();
        assert!(nested.starts_with("learner: invalid type"), "{nested}");
        assert!(from_slice::<Score>(b"\xff").is_err() && object("[]").is_err() && from_str::<()>("1").is_err());
    }
}
