//! The form of the files: cases as JSON objects, tensors as safetensors.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::INDEX;
use crate::error::{Error, Result};
use crate::formats::Tensor;
use crate::formats::safetensors::{Content, Stored};

/// One entry of the index.
#[derive(Clone, Debug)]
pub struct Case {
    kind: String,
    fields: Map<String, Value>,
}

impl Case {
    /// The cases of an index.
    ///
    /// # Errors
    /// `Format` where it is not a list of objects with a `kind`.
    pub fn list(json: &[u8]) -> Result<Vec<Self>> {
        let form = "a JSON list of objects, each with a kind";
        let entries: Vec<Map<String, Value>> = serde_json::from_slice(json).map_err(|e| Error::format(INDEX, form, e))?;
        let case = |fields: Map<String, Value>| match fields.get("kind").and_then(Value::as_str) {
            Some(kind) => Ok(Self { kind: kind.to_owned(), fields }),
            None => Err(Error::format(INDEX, form, "an object without")),
        };
        entries.into_iter().map(case).collect()
    }
    /// What is tested.
    pub fn kind(&self) -> &str {
        &self.kind
    }
    /// Kind, and what tells it from others of the kind.
    pub fn name(&self) -> String {
        let mut name = self.kind.clone();
        match self.text("name") {
            Ok(text) => name = format!("{name}-{text}"),
            Err(_) => {
                for key in ["model", "density"] {
                    match self.fields.get(key) {
                        Some(Value::String(text)) => name = format!("{name}-{text}"),
                        Some(Value::Number(number)) => name = format!("{name}-{number}"),
                        _ => {}
                    }
                }
            }
        }
        name
    }
    /// Its tensors' file.
    pub fn file(&self) -> Result<&str> {
        self.text("file")
    }
    /// A text field.
    pub fn text(&self, key: &str) -> Result<&str> {
        self.get(key, "a text", Value::as_str)
    }
    /// A number.
    pub fn number(&self, key: &str) -> Result<f64> {
        self.get(key, "a number", Value::as_f64)
    }
    /// A number, where the field may be absent.
    pub fn number_or(&self, key: &str, default: f64) -> Result<f64> {
        if self.fields.contains_key(key) { self.number(key) } else { Ok(default) }
    }
    /// A count.
    pub fn count(&self, key: &str) -> Result<usize> {
        self.get(key, "a count", |v| v.as_u64().map(|n| n as usize))
    }
    /// A truth value.
    pub fn flag(&self, key: &str) -> Result<bool> {
        self.get(key, "true or false", Value::as_bool)
    }
    /// A list of numbers.
    pub fn numbers(&self, key: &str) -> Result<Vec<f64>> {
        self.get(key, "a list of numbers", |v| v.as_array()?.iter().map(Value::as_f64).collect())
    }
    /// A list of lists of counts.
    pub fn shapes(&self, key: &str) -> Result<Vec<Vec<usize>>> {
        let shape = |v: &Value| v.as_array()?.iter().map(|n| n.as_u64().map(|n| n as usize)).collect();
        self.get(key, "a list of lists of counts", |v| v.as_array()?.iter().map(shape).collect())
    }
    /// Names of the fields that are lists.
    pub fn lists(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(|(_, v)| v.is_array()).map(|(k, _)| k.as_str())
    }
    fn get<'a, T>(&'a self, key: &str, expected: &str, parse: impl Fn(&'a Value) -> Option<T>) -> Result<T> {
        let value = self.fields.get(key);
        value.and_then(parse).ok_or_else(|| {
            let found = value.map_or("nothing".to_owned(), Value::to_string);
            Error::format(format!("{INDEX}, {} case, {key}", self.kind), expected, found)
        })
    }
}

/// A case's tensors.
#[derive(Clone, Debug, Default)]
pub struct Tensors {
    file: String,
    tensors: BTreeMap<String, Tensor>,
}

impl Tensors {
    /// From the bytes of a `.safetensors` file of float32 tensors.
    ///
    /// # Errors
    /// `Format` where the bytes are something else.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self> {
        let content = Content::open(bytes).map_err(|found| Error::format(file, "safetensors", found))?;
        let mut tensors = BTreeMap::new();
        for (name, Stored { dtype, shape, bytes }) in content.tensors {
            if dtype != "F32" {
                return Err(Error::format(format!("{file}, {name}"), "float32", dtype));
            }
            tensors.insert(name, Tensor { shape, data: bytemuck::pod_collect_to_vec::<u8, f32>(bytes) });
        }
        Ok(Self { file: file.to_owned(), tensors })
    }
    /// A tensor.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        self.tensors.get(name).ok_or_else(|| {
            let names = self.tensors.keys().cloned().collect::<Vec<_>>().join(", ");
            Error::format(&self.file, format!("a tensor {name}"), names)
        })
    }
    /// A tensor's values.
    pub fn values(&self, name: &str) -> Result<&[f32]> {
        Ok(&self.get(name)?.data)
    }
    /// A tensor with so many extents, and those.
    pub fn with_rank<const R: usize>(&self, name: &str) -> Result<(&[f32], [usize; R])> {
        let tensor = self.get(name)?;
        let found = || Error::format(format!("{}, {name}", self.file), format!("{R} extents"), format!("{:?}", tensor.shape));
        Ok((&tensor.data, tensor.shape.as_slice().try_into().map_err(|_| found())?))
    }
    /// All of them, by name.
    pub fn all(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }
}
