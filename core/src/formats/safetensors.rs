//! Safetensors: state dicts, checkpoints and scores; the same bytes for the same content on every machine.
//!
//! Written here because the crate keeps metadata in a hash map, whose order changes from run to run. Read here because the page, which
//! has [`crate::json`] already, is 7 kB lighter without the crate's reader; tests hold both against it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Element;
use super::{StateDict, Tensor};
use crate::error::{Error, Result};
use crate::json;

const METADATA: &str = "__metadata__";
/// Bytes before the header: its length.
const PREFIX: usize = 8;

/// What a file holds; values stay where they lie.
#[derive(Debug, Default)]
pub(crate) struct Content<'a> {
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) tensors: BTreeMap<String, Stored<'a>>,
}

/// A tensor in a file: element type as the format names it, extents, little-endian bytes.
#[derive(Debug, PartialEq)]
pub(crate) struct Stored<'a> {
    pub(crate) dtype: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: &'a [u8],
}

/// What the header says of a tensor.
#[derive(Serialize, Deserialize)]
struct Place {
    data_offsets: (usize, usize),
    dtype: String,
    shape: Vec<usize>,
}

/// What the header says under a name.
#[derive(Serialize)]
#[serde(untagged)]
enum Said<'a> {
    Metadata(&'a BTreeMap<String, String>),
    Place(Place),
}

impl Place {
    /// Bytes that its shape takes.
    fn len(&self) -> Option<usize> {
        let size = match self.dtype.as_str() {
            "BOOL" | "U8" | "I8" => 1,
            "U16" | "I16" | "F16" | "BF16" => 2,
            "U32" | "I32" | "F32" => 4,
            "U64" | "I64" | "F64" => 8,
            _ => return None,
        };
        self.shape.iter().try_fold(size, |len: usize, extent| len.checked_mul(*extent))
    }
}

impl<'a> Content<'a> {
    /// Opens a file.
    ///
    /// # Errors
    /// What was found where the file is not safetensors or is damaged: tensors must fill it without a gap.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let (prefix, rest) = bytes.split_first_chunk::<PREFIX>().ok_or("a file that ends in its prefix")?;
        let length = usize::try_from(u64::from_le_bytes(*prefix)).ok().filter(|n| *n <= rest.len());
        let (header, data) = rest.split_at(length.ok_or("a header longer than the file")?);
        let header = std::str::from_utf8(header).map_err(|_| "a header that is no text")?;
        let mut content = Self::default();
        let mut places = Vec::new();
        for (name, value) in json::object(header).map_err(|e| format!("a header that is no object: {e}"))? {
            if name == METADATA {
                content.metadata = json::from_value(&value).map_err(|e| format!("metadata that is not text: {e}"))?;
            } else {
                let place: Place = json::from_value(&value).map_err(|e| format!("tensor '{name}': {e}"))?;
                places.push((place.data_offsets, name, place));
            }
        }
        places.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let mut end = 0;
        for ((from, to), name, place) in places {
            let bytes = data.get(from..to).filter(|bytes| from == end && place.len() == Some(bytes.len()));
            let Some(bytes) = bytes else {
                return Err(format!("tensor '{name}' of {} {:?} in bytes {from} to {to}", place.dtype, place.shape));
            };
            end = to;
            content.tensors.insert(name, Stored { dtype: place.dtype, shape: place.shape, bytes });
        }
        if end != data.len() { Err(format!("{} bytes that belong to no tensor", data.len() - end)) } else { Ok(content) }
    }
}

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
    let mut header = BTreeMap::new();
    if !metadata.is_empty() {
        header.insert(METADATA, Said::Metadata(metadata));
    }
    let mut end = 0;
    for entry in entries {
        let start = end;
        end += entry.bytes.len();
        let place = Place { data_offsets: (start, end), dtype: entry.dtype.to_owned(), shape: entry.shape.clone() };
        header.insert(entry.name, Said::Place(place));
    }
    // Text and numbers under names: nothing that JSON cannot hold.
    let mut text = json::to_string(&header).unwrap_or_default().into_bytes();
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
    let Content { metadata, tensors: stored } = Content::open(bytes).map_err(|found| Error::format(file, "a safetensors file", found))?;
    let mut tensors = BTreeMap::new();
    for (name, Stored { dtype, shape, bytes }) in stored {
        let element = match dtype.as_str() {
            "F64" => Element::F64,
            "F32" => Element::F32,
            "F16" => Element::F16,
            "BF16" => Element::Bf16,
            "I64" => Element::I64,
            "I32" => Element::I32,
            "I16" => Element::I16,
            "I8" => Element::I8,
            "U8" => Element::U8,
            "BOOL" => Element::Bool,
            other => return Err(Error::format(format_args!("{file}, tensor '{name}'"), "floats or signed integers", other)),
        };
        let data = (0..bytes.len() / element.size()).filter_map(|i| element.read(bytes, i)).collect();
        tensors.insert(name, Tensor { shape, data });
    }
    Ok(StateDict { tensors, metadata })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::error::ErrorKind;
    use ::safetensors::{Dtype, SafeTensors, tensor::TensorView};
    use proptest::prelude::*;

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
            assert!(matches!(read(&bytes[..len], "t").as_ref().map_err(Error::kind), Err(ErrorKind::Format { .. })), "cut at {len}");
        }
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(read(&flipped, "t").as_ref().map_err(Error::kind), Ok(_) | Err(ErrorKind::Format { .. })));
        }
        let mut lying = sample();
        lying.tensors.get_mut("b.weight").unwrap().data.pop();
        assert!(matches!(write(&lying).as_ref().map_err(Error::kind), Err(ErrorKind::Format { .. })));
    }

    fn written_by_the_crate(values: &[u8]) -> Vec<u8> {
        let view = |dtype, shape: Vec<usize>, bytes| TensorView::new(dtype, shape, bytes).unwrap();
        let (floats, words) = values.split_at(values.len() / 8 * 4);
        let views = [
            ("a", view(Dtype::F32, vec![floats.len() / 4], floats)),
            ("b", view(Dtype::U8, vec![1, words.len()], words)),
            ("none", view(Dtype::U64, vec![0, 3], &[])),
        ];
        ::safetensors::serialize(views, Some([("k".to_owned(), "v".to_owned())].into())).unwrap()
    }

    /// Whether both take the file, and then for the same.
    fn as_the_crate(bytes: &[u8]) {
        let theirs = SafeTensors::deserialize(bytes);
        let ours = Content::open(bytes);
        let Ok(theirs) = theirs else {
            assert!(ours.is_err(), "{ours:?}");
            return;
        };
        let ours = ours.unwrap();
        assert_eq!(ours.tensors.len(), theirs.len());
        for (name, view) in theirs.iter() {
            let Stored { dtype, shape, bytes } = &ours.tensors[name];
            assert_eq!((dtype.as_str(), shape.as_slice(), *bytes), (view.dtype().to_string().as_str(), view.shape(), view.data()));
        }
    }

    proptest! {
        #[test]
        fn files_of_the_crate_are_read_and_changed_ones_refused_as_the_crate_does(
            values in prop::collection::vec(any::<u8>(), 0..64),
            at in any::<prop::sample::Index>(),
            digit in b'0'..=b'9',
        ) {
            let mut bytes = written_by_the_crate(&values);
            as_the_crate(&bytes);
            assert_eq!(Content::open(&bytes).unwrap().metadata["k"], "v");
            // A digit of the header for another: offsets and extents that no longer fit.
            let digits: Vec<usize> = (PREFIX..bytes.len()).filter(|i| bytes[*i].is_ascii_digit()).collect();
            bytes[digits[at.index(digits.len())]] = digit;
            as_the_crate(&bytes);
            bytes.truncate(at.index(bytes.len()));
            as_the_crate(&bytes);
        }
    }
}
