//! PyTorch checkpoints (`.th`, `.pth`, `.pt`) in both containers: the legacy pickle sequence and the zip archive.
//!
//! Published networks come this way. Which of a file's dictionaries is the set of weights is decided in `sets`; names stay as they are
//! in the file.

mod gather;
mod sets;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::budget::Budget;
use super::pickle::Pickle;
use super::value::{Ref, Stored, Unreadable, Value};
use super::zip::Archive;
use super::{StateDict, Tensor, Weights};
use crate::error::{Error, Result};
use gather::{Reader, Storages};

/// 0x1950a86a20f9469cfc6c, little-endian: the first object of a legacy file.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// What a tensor takes beside its values: its name's and its shape's places.
const TENSOR_BYTES: usize = 192;

/// Whether bytes look like a file of PyTorch's, in one of its containers.
pub fn recognises(bytes: &[u8]) -> bool {
    Archive::recognises(bytes) || bytes.get(2..).is_some_and(|rest| bytes[0] == 0x80 && rest.starts_with(&[0x8a, 10]))
}

/// Reads the weights of a checkpoint; `file` names it in errors, `key` the set that is meant where there are several.
///
/// Elements of any type become float32. What is neither tensor nor dictionary is passed over.
///
/// # Errors
/// `Format` where the file is damaged, is of another kind, has no weights or quantised ones, or has several sets of which none is meant;
/// and where it asks for code to be run.
pub fn open(bytes: &[u8], file: &str, key: Option<&str>) -> Result<Weights> {
    let (mut budget, mut unfolding) = (Budget::of_file(bytes.len()), Budget::of_unfolding(bytes.len()));
    if !Archive::recognises(bytes) {
        let (pickle, listed) = open_legacy(bytes, file, &mut budget)?;
        return weights(&pickle, Reader { storages: Storages::Listed(listed), file, budget, unfolding }, key);
    }
    let archive = Archive::open(bytes, file, &mut budget)?;
    let description = description(&archive, file, &mut unfolding)?;
    // One that was deflated is memory too.
    if let Cow::Owned(bytes) = &description {
        budget.take(bytes.len(), file)?;
    }
    let pickle = Pickle::read(&description, 0, &format!("{file}, data.pkl"), &mut budget)?;
    weights(&pickle, Reader { storages: Storages::Zipped { archive, kept: HashMap::new() }, file, budget, unfolding }, key)
}

/// The state dict of a checkpoint with one set of weights.
///
/// # Errors
/// As [`open`].
pub fn read(bytes: &[u8], file: &str) -> Result<StateDict> {
    Ok(open(bytes, file, None)?.state)
}

/// The pickle of an archive.
fn description<'a>(archive: &Archive<'a>, file: &str, unfolding: &mut Budget) -> Result<Cow<'a, [u8]>> {
    let refused = |found: &str| Err(Error::format(file, "a state dict, as torch.save writes it", found.to_owned()));
    if archive.has("constants.pkl") || archive.has("code") {
        return refused("a TorchScript program (torch.jit.save); load it in PyTorch and save its state dict");
    }
    if archive.has("models") || archive.has("archive_format") {
        return refused("an exported program (torch.export.save); save the state dict of the module");
    }
    let Some(description) = archive.get("data.pkl", file, unfolding)? else {
        return refused("a zip archive without data.pkl");
    };
    if let Some(order) = archive.get("byteorder", file, unfolding)?.filter(|order| **order != *b"little") {
        return Err(Error::format(file, "little-endian tensors", String::from_utf8_lossy(&order[..order.len().min(16)])));
    }
    Ok(description)
}

/// The set of weights that is meant.
fn weights(pickle: &Pickle<'_>, mut reader: Reader<'_, '_>, key: Option<&str>) -> Result<Weights> {
    let file = reader.file;
    let all = sets::find(pickle, file, &mut reader.budget)?;
    if all.is_empty() {
        return Err(sets::none(pickle, file));
    }
    let set = sets::choose(&all, key, file)?;
    let keys = sets::like(&all, set).map(|set| set.name().to_owned()).collect();
    let (tensors, unread) = tensors(pickle, &mut reader, set.at)?;
    let mut out = Weights { key: set.path.clone(), keys, unread, ..Weights::default() };
    out.state.tensors = tensors;
    for masks in all.iter().filter(|other| other.at != set.at && sets::MASKS.contains(&other.path.as_str())) {
        let (tensors, unread) = self::tensors(pickle, &mut reader, masks.at)?;
        out.unread.extend(unread.into_iter().map(|(name, why)| (format!("{}.{name}", masks.path), why)));
        out.masks.push((masks.path.clone(), tensors));
    }
    Ok(out)
}

/// The tensors of a dictionary by name, and those whose values cannot be read, with what they are.
fn tensors(pickle: &Pickle<'_>, reader: &mut Reader<'_, '_>, at: Ref) -> Result<(BTreeMap<String, Tensor>, BTreeMap<String, String>)> {
    let file = reader.file;
    let (mut out, mut unreadable) = (BTreeMap::new(), BTreeMap::new());
    let Value::Dict(items) = pickle.get(at) else { return Err(sets::none(pickle, file)) };
    let quantised = |name: &str| {
        let found = format_args!("quantised weights ('{name}'); save the state dict of the float model, before it is converted");
        Err(Error::format(file, "weights as floats", found))
    };
    for (key, value) in items {
        let &Value::Str(name) = pickle.get(*key) else { continue };
        let unread = match pickle.get(*value) {
            Value::Tensor(tensor) => match tensor.storage.stored {
                Stored::As(_) => None,
                Stored::Otherwise(kind, _) => Some(format!("of type {kind}")),
            },
            Value::Sparse(_) => None,
            Value::Unreadable(Unreadable::Quantised) => return quantised(name),
            Value::Unreadable(Unreadable::Layout(layout)) => Some(format!("of layout {layout}")),
            Value::Unreadable(Unreadable::Type(name)) => Some(format!("of type {name}")),
            Value::Unreadable(Unreadable::Elsewhere) => Some("without a storage".to_owned()),
            Value::Tuple(parts) if parts.iter().any(|part| *pickle.get(*part) == Value::Unreadable(Unreadable::Quantised)) => {
                return quantised(name);
            }
            _ => continue,
        };
        reader.budget.take(TENSOR_BYTES + name.len(), file)?;
        if let Some(why) = unread {
            unreadable.insert(name.to_owned(), why);
            continue;
        }
        let tensor = match pickle.get(*value) {
            Value::Sparse(sparse) => reader.sparse(name, sparse)?,
            Value::Tensor(tensor) => reader.strided(name, tensor)?,
            _ => continue,
        };
        out.insert(name.to_owned(), tensor);
    }
    Ok((out, unreadable))
}

fn open_legacy<'a>(bytes: &'a [u8], file: &str, budget: &mut Budget) -> Result<(Pickle<'a>, HashMap<&'a str, &'a [u8]>)> {
    let mut at = 0;
    let mut next = || -> Result<Pickle<'a>> {
        let pickle = Pickle::read(bytes, at, file, budget)?;
        at += pickle.consumed;
        Ok(pickle)
    };
    let wrong = |found: &str| Error::format(file, "a PyTorch checkpoint (zip archive or magic number first)", found.to_owned());
    let magic = next().map_err(|_| wrong(super::kind_of(bytes).unwrap_or("other bytes")))?;
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
            Value::Storage(storage) => Some((storage.key, storage.stored.size())),
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

#[cfg(test)]
mod tests;
