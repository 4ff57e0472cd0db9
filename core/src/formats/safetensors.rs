//! Safetensors: state dicts, checkpoints and scores; the same bytes for the same content on every machine.
//!
//! The crate reads. Writing is here, because the crate keeps metadata in a hash map, whose order changes from run to run.

use std::collections::BTreeMap;

use ::safetensors::SafeTensors;
use serde::Serialize;

use super::Element;
use super::{StateDict, Tensor, Weights};
use crate::bf16::Bf16;
use crate::error::{Error, Result};

const METADATA: &str = "__metadata__";

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
#[derive(Serialize)]
struct TensorEntry {
    data_offsets: (usize, usize),
    dtype: &'static str,
    shape: Vec<usize>,
}

/// What the header says under a name.
#[derive(Serialize)]
#[serde(untagged)]
enum Said<'a> {
    Metadata(&'a BTreeMap<String, String>),
    Tensor(TensorEntry),
}

impl<'a> Content<'a> {
    /// Opens a file.
    ///
    /// # Errors
    /// What was found where the file is not safetensors or is damaged.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
        let metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        let stored = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
        let entry = |(name, view): (&str, ::safetensors::tensor::TensorView<'a>)| {
            (name.to_owned(), Stored { dtype: view.dtype().to_string(), shape: view.shape().to_vec(), bytes: view.data() })
        };
        Ok(Self { metadata, tensors: stored.iter().map(entry).collect() })
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
    write_as(state, "F32", f32::to_le_bytes)
}

/// Writes a state dict in half the space: bfloat16, each value rounded to the nearest, to the even one of two. Zeros stay zeros, what is not
/// zero stays so, NaN stays NaN; what is larger than every bfloat16 becomes infinite.
///
/// # Errors
/// As [`write`].
pub fn write_bf16(state: &StateDict) -> Result<Vec<u8>> {
    write_as(state, "BF16", |value| stored(value).to_le_bytes())
}

/// The bfloat16 that stands for a weight: the nearest, but none that exists ceases to.
fn stored(value: f32) -> u16 {
    let Bf16(bits) = Bf16::from_f32(value);
    if value != 0.0 && bits & 0x7fff == 0 { bits | 1 } else { bits }
}

/// A state dict with elements of this type, each as `encode` makes it.
fn write_as<const N: usize>(state: &StateDict, dtype: &'static str, encode: impl Fn(f32) -> [u8; N]) -> Result<Vec<u8>> {
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
        bytes.push(tensor.data.iter().flat_map(|v| encode(*v)).collect::<Vec<u8>>());
    }
    let entries = state.tensors.iter().zip(&bytes);
    let entries: Vec<_> = entries.map(|((name, t), bytes)| Entry { name, dtype, shape: t.shape.clone(), bytes }).collect();
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
        let entry_of = TensorEntry { data_offsets: (start, end), dtype: entry.dtype, shape: entry.shape.clone() };
        header.insert(entry.name, Said::Tensor(entry_of));
    }
    // Text and numbers under names: nothing that JSON cannot hold.
    let mut text = serde_json::to_string(&header).unwrap_or_default().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut out = Vec::with_capacity(8 + text.len() + end);
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text);
    entries.iter().for_each(|entry| out.extend(entry.bytes));
    out
}

/// Whether bytes look like safetensors: the length of a header, then its first brace.
pub fn recognises(bytes: &[u8]) -> bool {
    let length = bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
    length.is_some_and(|length| length < bytes.len() as u64) && bytes.get(8) == Some(&b'{')
}

/// Reads what a file of somebody else's holds; `file` names it in errors. Elements of other types become float32.
///
/// # Errors
/// `Format` where the file is not safetensors or is damaged.
pub fn open(bytes: &[u8], file: &str) -> Result<Weights> {
    let repaired;
    let content = match Content::open(bytes) {
        Ok(content) => content,
        Err(found) => {
            let wrong = |found: String| Error::format(file, "a safetensors file", found);
            repaired = with_metadata_as_text(bytes).ok_or_else(|| wrong(found))?;
            Content::open(&repaired).map_err(wrong)?
        }
    };
    let Content { metadata, tensors: stored } = content;
    let mut out = Weights { keys: vec!["(the whole file)".into()], ..Weights::default() };
    out.state.metadata = metadata;
    for (name, Stored { dtype, shape, bytes }) in stored {
        match element(&dtype) {
            Some(element) => {
                let data = (0..bytes.len() / element.size()).filter_map(|i| element.read(bytes, i)).collect();
                out.state.tensors.insert(name, Tensor { shape, data });
            }
            None => {
                out.unread.insert(name, format!("of type {dtype}"));
            }
        }
    }
    Ok(out)
}

/// Reads a state dict, all of it.
///
/// # Errors
/// As [`open`], and where elements are of a type we do not know.
pub fn read(bytes: &[u8], file: &str) -> Result<StateDict> {
    let Weights { state, unread, .. } = open(bytes, file)?;
    match unread.into_iter().next() {
        None => Ok(state),
        Some((name, found)) => Err(Error::format(format_args!("{file}, tensor '{name}'"), "floats or signed integers", found)),
    }
}

/// The file with everything in its metadata as text, which the format asks for and not every program writes; `None` where that is not
/// what is wrong with it.
fn with_metadata_as_text(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = usize::try_from(u64::from_le_bytes(*bytes.first_chunk::<8>()?)).ok()?;
    let end = length.checked_add(8)?;
    let mut header: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(bytes.get(8..end)?).ok()?;
    let serde_json::Value::Object(metadata) = header.get_mut(METADATA)? else { return None };
    for value in metadata.values_mut().filter(|value| !value.is_string()) {
        *value = value.to_string().into();
    }
    let text = serde_json::to_vec(&header).ok()?;
    let mut out = (text.len() as u64).to_le_bytes().to_vec();
    out.extend(text);
    out.extend(&bytes[end..]);
    Some(out)
}

fn element(dtype: &str) -> Option<Element> {
    Some(match dtype {
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
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::error::ErrorKind;
    use ::safetensors::{Dtype, SafeTensors, tensor::TensorView};

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
    fn bfloat16_takes_half_the_space_and_keeps_what_a_weight_is() {
        let least = Bf16(1).to_f32();
        let tie = f32::from_bits(0x3f81_8000);
        for (given, expected) in [
            (0.0, 0.0),
            (-0.0, -0.0),
            (-2.5, -2.5),
            (tie, Bf16(0x3f82).to_f32()),
            (tie.next_down(), Bf16(0x3f81).to_f32()),
            (f32::from_bits(1), least),
            (-f32::from_bits(1), -least),
            (f32::from_bits(0x8000), least),
            (f32::MIN_POSITIVE, f32::MIN_POSITIVE),
            (f32::MAX, f32::INFINITY),
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
        ] {
            assert_eq!(Bf16(stored(given)).to_f32().to_bits(), expected.to_bits(), "{given:e}");
        }
        for bits in [0x7fc0_0000, 0x7f80_0001, 0xffff_ffff] {
            assert!(Bf16(stored(f32::from_bits(bits))).to_f32().is_nan(), "{bits:x}");
        }
        let data: Vec<f32> = (0..2000).map(|i| if i % 5 == 0 { 0.0 } else { (i as f32 - 1000.5) * 1.3e-4 }).collect();
        let mut state = sample();
        state.tensors.insert("c.weight".into(), Tensor { shape: vec![40, 50], data });
        let (full, half) = (write(&state).unwrap(), write_bf16(&state).unwrap());
        assert!(half.len() < full.len() * 11 / 20, "{} of {}", half.len(), full.len());
        let back = read(&half, "t").unwrap();
        assert_eq!((&back.metadata, back.tensors.len()), (&state.metadata, state.tensors.len()));
        for (name, tensor) in &state.tensors {
            assert_eq!(back.tensors[name].shape, tensor.shape);
            for (b, a) in back.tensors[name].data.iter().zip(&tensor.data) {
                assert!((a - b).abs() <= a.abs() / 256.0 && (*a == 0.0) == (*b == 0.0), "{a} {b}");
            }
        }
        assert_eq!(write_bf16(&back).unwrap(), half, "what is rounded stays");
        assert_eq!(SafeTensors::deserialize(&half).unwrap().tensor("c.weight").unwrap().dtype(), Dtype::BF16);
        let lying = StateDict { tensors: [("x".to_owned(), Tensor { shape: vec![2], data: vec![1.0] })].into(), ..StateDict::default() };
        assert!(matches!(write_bf16(&lying).as_ref().map_err(Error::kind), Err(ErrorKind::Format { .. })));
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

    /// A file with one tensor and these metadata, as JSON.
    fn with_metadata(metadata: &str) -> Vec<u8> {
        let header = format!(r#"{{"__metadata__":{metadata},"a":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}"#);
        let mut out = (header.len() as u64).to_le_bytes().to_vec();
        out.extend(header.as_bytes());
        out.extend(1.5f32.to_le_bytes());
        out
    }

    #[test]
    fn metadata_of_other_programs_do_not_sink_a_file() {
        let text = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>();
        for (metadata, read_as) in [
            ("null", text(&[])),
            (r#"{"a":"b"}"#, text(&[("a", "b")])),
            (r#"{"n":3,"l":[1,null]}"#, text(&[("n", "3"), ("l", "[1,null]")])),
        ] {
            let weights = open(&with_metadata(metadata), "t").unwrap();
            assert_eq!((weights.state.tensors["a"].data[0], weights.state.metadata), (1.5, read_as), "{metadata}");
        }
        for wrong in ["3", "[1]", "{"] {
            assert!(open(&with_metadata(wrong), "t").is_err(), "{wrong}");
        }
    }

    #[test]
    fn elements_that_are_not_read_are_named() {
        let view = TensorView::new(Dtype::U64, vec![1], &[0; 8]).unwrap();
        let bytes = ::safetensors::serialize([("long", view)], None).unwrap();
        assert_eq!(open(&bytes, "t").unwrap().unread["long"], "of type U64");
        assert!(read(&bytes, "t").unwrap_err().to_string().contains("tensor 'long'"));
    }

    #[test]
    fn files_of_the_crate_are_read() {
        let view = |dtype, shape: Vec<usize>, bytes| TensorView::new(dtype, shape, bytes).unwrap();
        let views = [("a", view(Dtype::F32, vec![1], &[0, 0, 0, 63])), ("none", view(Dtype::U64, vec![0, 3], &[]))];
        let bytes = ::safetensors::serialize(views, Some([("k".to_owned(), "v".to_owned())].into())).unwrap();
        let content = Content::open(&bytes).unwrap();
        assert_eq!(content.metadata["k"], "v");
        assert_eq!(content.tensors["a"], Stored { dtype: "F32".into(), shape: vec![1], bytes: &[0, 0, 0, 63] });
        assert_eq!(content.tensors["none"].shape, [0, 3]);
    }
}
