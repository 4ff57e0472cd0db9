//! PyTorch state dicts (`.th`, `.pth`, `.pt`) in both containers: the legacy pickle sequence and the zip archive.
//!
//! Published networks come this way. Wrapper dictionaries (`state_dict`, `model`, ...) are looked through and prefixes of
//! wrapping modules (`module.`) are taken off, so that names are those of the network itself.

use std::collections::{BTreeMap, HashMap};

use super::pickle::Pickle;
use super::value::{Ref, TensorRef, Value};
use super::zip::Archive;
use super::{StateDict, Tensor};
use crate::error::{Error, Result};

/// 0x1950a86a20f9469cfc6c, little-endian: the first object of a legacy file.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// Keys under which checkpoints keep the state dict, likeliest first.
const WRAPPERS: [&str; 8] = ["state_dict", "model_state_dict", "model_state", "model", "net", "network", "params", "weights"];
/// Prefixes that wrapping modules add to every name.
const PREFIXES: [&str; 4] = ["module.", "_orig_mod.", "model.", "net."];

/// Reads a state dict; `file` names it in errors.
///
/// Elements of any type become float32. What is neither tensor nor dictionary is passed over.
///
/// # Errors
/// `Format` where the file is damaged, is of another kind, or describes anything but tensors and containers.
pub fn read(bytes: &[u8], file: &str) -> Result<StateDict> {
    let (pickle, storages) = if Archive::recognises(bytes) { open_zip(bytes, file)? } else { open_legacy(bytes, file)? };
    let entries = state_dict(&pickle, file)?;
    // Tied weights share a storage; more than a few times the file's size is an attack.
    let mut budget = bytes.len().saturating_mul(4);
    let mut tensors = BTreeMap::new();
    for (name, tensor) in strip_prefixes(entries) {
        let data = gather(tensor, &storages, &mut budget)
            .map_err(|(expected, found)| Error::format(format_args!("{file}, tensor '{name}'"), expected, found))?;
        tensors.insert(name.to_owned(), Tensor { shape: tensor.shape.clone(), data });
    }
    Ok(StateDict { tensors, metadata: BTreeMap::new() })
}

type Storages<'a> = HashMap<&'a str, &'a [u8]>;

fn open_zip<'a>(bytes: &'a [u8], file: &str) -> Result<(Pickle<'a>, Storages<'a>)> {
    let archive = Archive::open(bytes, file)?;
    let data = archive.get("data.pkl").ok_or_else(|| Error::format(file, "an entry data.pkl, as torch.save writes", "none"))?;
    if let Some(order) = archive.get("byteorder").filter(|order| *order != b"little") {
        return Err(Error::format(file, "little-endian tensors", String::from_utf8_lossy(&order[..order.len().min(16)])));
    }
    let pickle = Pickle::read(data, 0, &format!("{file}, data.pkl"))?;
    let keys = pickle.values.iter().filter_map(|v| match v {
        Value::Storage(storage) => Some(storage.key),
        _ => None,
    });
    let storages = keys.filter_map(|key| Some((key, archive.get(&format!("data/{key}"))?))).collect();
    Ok((pickle, storages))
}

fn open_legacy<'a>(bytes: &'a [u8], file: &str) -> Result<(Pickle<'a>, Storages<'a>)> {
    let mut at = 0;
    let mut next = || -> Result<Pickle<'a>> {
        let pickle = Pickle::read(bytes, at, file)?;
        at += pickle.consumed;
        Ok(pickle)
    };
    let wrong = |found: &str| Error::format(file, "a PyTorch checkpoint (zip archive or magic number first)", found.to_owned());
    let magic = next().map_err(|_| wrong("other bytes"))?;
    if *magic.get(magic.root) != Value::BigInt(&MAGIC) {
        return Err(wrong(magic.get(magic.root).kind()));
    }
    let protocol = next()?;
    if *protocol.get(protocol.root) != Value::Int(1001) {
        return Err(Error::format(file, "PyTorch's serialisation protocol 1001", format!("{:?}", protocol.get(protocol.root))));
    }
    let system = next()?;
    if let Value::Dict(items) = system.get(system.root) {
        let big = items.iter().any(|(k, v)| *system.get(*k) == Value::Str("little_endian") && *system.get(*v) == Value::Bool(false));
        if big {
            return Err(Error::format(file, "little-endian tensors", "big-endian ones"));
        }
    }
    let pickle = next()?;
    let keys = next()?;
    let Value::List(keys_list) = keys.get(keys.root) else {
        return Err(Error::format(file, "the list of storages", keys.get(keys.root).kind()));
    };
    let sizes: HashMap<&str, usize> = pickle
        .values
        .iter()
        .filter_map(|v| match v {
            Value::Storage(storage) => Some((storage.key, storage.element.size())),
            _ => None,
        })
        .collect();
    let mut storages = HashMap::new();
    for key in keys_list {
        let &Value::Str(key) = keys.get(*key) else {
            return Err(Error::format(file, "a storage's key", keys.get(*key).kind()));
        };
        let cut =
            || Error::format(format_args!("{file}, storage '{key}'"), "its length and elements", "the end of the file: it is cut short");
        let size = *sizes.get(key).ok_or_else(|| Error::format(file, "storages that a tensor uses", format!("'{key}'")))?;
        let header: [u8; 8] = bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).ok_or_else(cut)?;
        let len = usize::try_from(u64::from_le_bytes(header)).ok().and_then(|n| n.checked_mul(size)).ok_or_else(cut)?;
        let data = bytes.get(at + 8..).and_then(|rest| rest.get(..len)).ok_or_else(cut)?;
        storages.insert(key, data);
        at += 8 + len;
    }
    Ok((pickle, storages))
}

/// The named tensors of the state dict, wherever in the wrappers it is.
fn state_dict<'p, 'a>(pickle: &'p Pickle<'a>, file: &str) -> Result<BTreeMap<&'a str, &'p TensorRef<'a>>> {
    let mut at = pickle.root;
    for _ in 0..4 {
        let Value::Dict(items) = pickle.get(at) else {
            return Err(Error::format(file, "a dictionary of tensors", pickle.get(at).kind()));
        };
        if let Some(inner) = wrapped(pickle, items) {
            at = inner;
            continue;
        }
        let mut found = BTreeMap::new();
        for (key, value) in items {
            if let (&Value::Str(name), Value::Tensor(tensor)) = (pickle.get(*key), pickle.get(*value)) {
                found.insert(name, &**tensor);
            }
        }
        if found.is_empty() {
            let keys: Vec<&str> =
                items.iter().filter_map(|(k, _)| if let Value::Str(s) = pickle.get(*k) { Some(*s) } else { None }).take(8).collect();
            return Err(Error::format(
                file,
                "a state dict: tensors by name",
                format!("a dictionary without tensors (keys: {})", keys.join(", ")),
            ));
        }
        return Ok(found);
    }
    Err(Error::format(file, "a state dict within 4 wrappers", "deeper nesting"))
}

fn wrapped(pickle: &Pickle<'_>, items: &[(Ref, Ref)]) -> Option<Ref> {
    WRAPPERS.iter().find_map(|wrapper| {
        let (_, inner) = items.iter().find(|(key, _)| *pickle.get(*key) == Value::Str(wrapper))?;
        matches!(pickle.get(*inner), Value::Dict(items) if !items.is_empty()).then_some(*inner)
    })
}

fn strip_prefixes<T>(mut entries: BTreeMap<&str, T>) -> BTreeMap<&str, T> {
    while let Some(prefix) = PREFIXES.iter().find(|prefix| entries.keys().all(|name| name.starts_with(**prefix))) {
        entries = entries.into_iter().map(|(name, value)| (&name[prefix.len()..], value)).collect();
    }
    entries
}

/// Copies a strided tensor into row-major float32; an error is (expected, found).
fn gather(tensor: &TensorRef<'_>, storages: &Storages<'_>, budget: &mut usize) -> Result<Vec<f32>, (String, String)> {
    let storage = &tensor.storage;
    let bytes = storages.get(storage.key).ok_or_else(|| (format!("storage '{}'", storage.key), "none of that name".to_owned()))?;
    let available = bytes.len() / storage.element.size();
    let too_far = || {
        (
            format!("elements within the storage's {available}"),
            format!("extents {:?}, strides {:?}, offset {}", tensor.shape, tensor.stride, tensor.offset),
        )
    };
    if storage.view.checked_add(storage.len).is_none_or(|end| end > available) {
        return Err((format!("a storage of {} elements", storage.len), available.to_string()));
    }
    let len = tensor.shape.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent)).ok_or_else(too_far)?;
    if len == 0 {
        return Ok(Vec::new());
    }
    let reach = tensor
        .shape
        .iter()
        .zip(&tensor.stride)
        .try_fold(tensor.offset, |sum, (extent, stride)| sum.checked_add((extent - 1).checked_mul(*stride)?));
    if len > storage.len || reach.is_none_or(|last| last >= storage.len) {
        return Err(too_far());
    }
    *budget = budget
        .checked_sub(len.saturating_mul(4))
        .ok_or_else(|| ("tensors no larger than the file".to_owned(), "many that share one storage".to_owned()))?;
    let mut out = Vec::with_capacity(len);
    let mut index = vec![0usize; tensor.shape.len()];
    let mut at = storage.view + tensor.offset;
    for _ in 0..len {
        out.push(storage.element.read(bytes, at).ok_or_else(too_far)?);
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            at += tensor.stride[axis];
            if index[axis] < tensor.shape[axis] {
                break;
            }
            at -= tensor.stride[axis] * tensor.shape[axis];
            index[axis] = 0;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
