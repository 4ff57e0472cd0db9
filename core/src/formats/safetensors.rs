//! Our checkpoints: a state dict as safetensors bytes, the same bytes for the same state on every machine.
//!
//! The writer is our own because the crate's keeps metadata in a hash map, whose order changes from run to run.

use std::collections::BTreeMap;

use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};

use super::Element;
use crate::error::{Error, Result};
use crate::net::{StateDict, Tensor};

const METADATA: &str = "__metadata__";

/// One entry of a file that holds more than float32: element type, extents, little-endian bytes.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    pub(crate) dtype: &'static str,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: &'a [u8],
}

/// Writes a state dict; names and metadata in alphabetical order, float32.
///
/// # Errors
/// `Format` where a tensor's shape and number of values disagree, or one is called `__metadata__`.
pub fn write(state: &StateDict) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (name, tensor) in &state.tensors {
        let len: usize = tensor.shape.iter().product();
        if len != tensor.data.len() || name == METADATA {
            return Err(Error::format(
                format_args!("tensor '{name}'"),
                format_args!("{len} values for shape {:?}", tensor.shape),
                tensor.data.len(),
            ));
        }
        bytes.push(tensor.data.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
    }
    let entries = state.tensors.iter().zip(&bytes);
    let entries: Vec<_> = entries.map(|((name, t), bytes)| Entry { name, dtype: "F32", shape: t.shape.clone(), bytes }).collect();
    Ok(write_entries(&state.metadata, &entries))
}

/// Writes entries in their order, which is that of their data too.
pub(crate) fn write_entries(metadata: &BTreeMap<String, String>, entries: &[Entry]) -> Vec<u8> {
    let mut header = Map::new();
    if !metadata.is_empty() {
        header.insert(METADATA.into(), json!(metadata));
    }
    let mut end = 0;
    for entry in entries {
        let start = end;
        end += entry.bytes.len();
        header.insert(entry.name.to_owned(), json!({ "dtype": entry.dtype, "shape": entry.shape, "data_offsets": [start, end] }));
    }
    let mut text = Value::Object(header).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut out = Vec::with_capacity(8 + text.len() + end);
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text);
    entries.iter().for_each(|entry| out.extend(entry.bytes));
    out
}

/// Reads a state dict; `file` names it in errors. Elements of other types become float32.
///
/// # Errors
/// `Format` where the file is not safetensors, is damaged, or has elements of a type we do not know.
pub fn read(bytes: &[u8], file: &str) -> Result<StateDict> {
    let fail = |found: String| Error::format(file, "a safetensors file", found);
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| fail(e.to_string()))?;
    let parsed = SafeTensors::deserialize(bytes).map_err(|e| fail(e.to_string()))?;
    let metadata = header.metadata().as_ref().map(|m| m.iter().map(|(k, v)| (k.clone(), v.clone())).collect()).unwrap_or_default();
    let mut tensors = BTreeMap::new();
    for (name, view) in parsed.tensors() {
        let element = match view.dtype() {
            Dtype::F64 => Element::F64,
            Dtype::F32 => Element::F32,
            Dtype::F16 => Element::F16,
            Dtype::BF16 => Element::Bf16,
            Dtype::I64 => Element::I64,
            Dtype::I32 => Element::I32,
            Dtype::I16 => Element::I16,
            Dtype::I8 => Element::I8,
            Dtype::U8 => Element::U8,
            Dtype::BOOL => Element::Bool,
            other => return Err(Error::format(format_args!("{file}, tensor '{name}'"), "floats or integers", format!("{other:?}"))),
        };
        let len = view.data().len() / element.size();
        let data = (0..len).filter_map(|i| element.read(view.data(), i)).collect();
        tensors.insert(name, Tensor { shape: view.shape().to_vec(), data });
    }
    Ok(StateDict { tensors, metadata })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn sample() -> StateDict {
        let tensor = |shape: &[usize], first: f32| Tensor {
            shape: shape.to_vec(),
            data: (0..shape.iter().product()).map(|i| first + i as f32).collect(),
        };
        StateDict {
            tensors: [("b.weight", tensor(&[2, 3], 0.5)), ("a.bias", tensor(&[], -1.0)), ("empty", tensor(&[0, 4], 0.0))]
                .map(|(n, t)| (n.to_owned(), t))
                .into(),
            metadata: ["model", "normalization", "format", "x", "y"].map(|k| (k.to_owned(), format!("value of {k}"))).into(),
        }
    }

    #[test]
    fn a_state_comes_back_as_it_was_and_the_bytes_are_stable() {
        let bytes = write(&sample()).unwrap();
        assert_eq!(read(&bytes, "t").unwrap(), sample());
        assert_eq!(bytes, write(&read(&bytes, "t").unwrap()).unwrap());
        assert_eq!(SafeTensors::deserialize(&bytes).unwrap().tensor("b.weight").unwrap().shape(), [2, 3]);
    }

    #[test]
    fn damage_is_a_format_error() {
        let bytes = write(&sample()).unwrap();
        for len in 0..bytes.len() {
            assert!(matches!(read(&bytes[..len], "t"), Err(Error::Format { .. })), "cut at {len}");
        }
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(read(&flipped, "t"), Ok(_) | Err(Error::Format { .. })));
        }
        let mut lying = sample();
        lying.tensors.get_mut("b.weight").unwrap().data.pop();
        assert!(matches!(write(&lying), Err(Error::Format { .. })));
    }
}
