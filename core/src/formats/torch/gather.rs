//! The values of tensors: strided windows on storages, and sparse tensors by their places, into row-major float32.

use std::borrow::Cow;
use std::collections::HashMap;

use super::super::budget::Budget;
use super::super::value::{SparseRef, Stored, TensorRef};
use super::super::zip::Archive;
use super::super::{Element, Tensor};
use crate::error::{Error, Result};

/// Where the elements lie.
pub(super) enum Storages<'a> {
    /// One after the other at the end of a legacy file.
    Listed(HashMap<&'a str, &'a [u8]>),
    /// As entries of an archive; those that were deflated are kept once they were asked for.
    Zipped { archive: Archive<'a>, kept: HashMap<String, Cow<'a, [u8]>> },
}

/// What reading tensors needs and spends.
pub(super) struct Reader<'a, 'f> {
    pub(super) storages: Storages<'a>,
    pub(super) file: &'f str,
    pub(super) budget: Budget,
    /// For what is deflated or sparse in the file.
    pub(super) unfolding: Budget,
}

/// What was expected and what was found.
type Mismatch = (String, String);

impl Reader<'_, '_> {
    fn fault(&self, name: &str, (expected, found): Mismatch) -> Error {
        Error::format(format_args!("{}, tensor '{name}'", self.file), expected, found)
    }

    /// A storage's bytes.
    fn bytes(&mut self, name: &str, key: &str) -> Result<&[u8]> {
        let none = || (format!("storage '{key}'"), "none of that name".to_owned());
        if let Storages::Zipped { archive, kept } = &mut self.storages
            && !kept.contains_key(key)
        {
            let found = archive.get(&format!("data/{key}"), self.file, &mut self.unfolding)?;
            let Some(bytes) = found else { return Err(self.fault(name, none())) };
            self.budget.take(key.len() + 96, self.file)?;
            kept.insert(key.to_owned(), bytes);
        }
        let found = match &self.storages {
            Storages::Listed(listed) => listed.get(key).copied(),
            Storages::Zipped { kept, .. } => kept.get(key).map(|bytes| &**bytes),
        };
        found.ok_or_else(|| self.fault(name, none()))
    }

    /// A strided tensor.
    pub(super) fn strided(&mut self, name: &str, tensor: &TensorRef<'_>) -> Result<Tensor> {
        let Stored::As(element) = tensor.storage.stored else {
            return Err(self.fault(name, ("numbers".into(), format!("{:?}", tensor.storage.stored))));
        };
        let stored = self.bytes(name, tensor.storage.key)?.len() / element.size();
        let len = extent(tensor, stored).map_err(|mismatch| self.fault(name, mismatch))?;
        self.budget.take(len.saturating_mul(size_of::<f32>()), self.file)?;
        let bytes = self.bytes(name, tensor.storage.key)?;
        let data = gather(tensor, element, bytes, len).map_err(|mismatch| self.fault(name, mismatch))?;
        Ok(Tensor { shape: tensor.shape.clone(), data })
    }

    /// A sparse tensor, made dense. Values at the same place are added, as PyTorch does it.
    pub(super) fn sparse(&mut self, name: &str, sparse: &SparseRef<'_>) -> Result<Tensor> {
        let (indices, values) = (self.strided(name, &sparse.indices)?, self.strided(name, &sparse.values)?);
        let wrong = |found: String| ("indices [axes, count] and values [count, ...] within the extents".to_owned(), found);
        let shapes = || format!("indices {:?} and values {:?} for extents {:?}", indices.shape, values.shape, sparse.shape);
        let [axes, count] = indices.shape[..] else { return Err(self.fault(name, wrong(shapes()))) };
        // Indices pass through float32, which holds whole numbers up to here.
        let exact = sparse.shape.iter().all(|extent| *extent <= 1 << f32::MANTISSA_DIGITS);
        let fits = exact && axes <= sparse.shape.len() && values.shape.first() == Some(&count) && values.shape[1..] == sparse.shape[axes..];
        let len = sparse.shape.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent));
        let (true, Some(len)) = (fits, len) else { return Err(self.fault(name, wrong(shapes()))) };
        self.unfolding.take(len.saturating_mul(size_of::<f32>()), self.file)?;
        let mut data = vec![0.0f32; len];
        let inner: usize = sparse.shape[axes..].iter().product();
        for i in 0..count {
            let mut place = 0usize;
            for axis in 0..axes {
                let index = indices.data[axis * count + i];
                if !(0.0..sparse.shape[axis] as f32).contains(&index) {
                    return Err(self.fault(name, wrong(format!("index {index} of {}", sparse.shape[axis]))));
                }
                place = place * sparse.shape[axis] + index as usize;
            }
            let added = &values.data[i * inner..(i + 1) * inner];
            data[place * inner..(place + 1) * inner].iter_mut().zip(added).for_each(|(sum, value)| *sum += value);
        }
        Ok(Tensor { shape: sparse.shape.clone(), data })
    }
}

/// Number of elements of a tensor that lies within its storage of this many.
fn extent(tensor: &TensorRef<'_>, stored: usize) -> Result<usize, Mismatch> {
    let storage = &tensor.storage;
    let too_far = || {
        (
            format!("elements within the storage's {stored}"),
            format!("extents {:?}, strides {:?}, offset {}", tensor.shape, tensor.stride, tensor.offset),
        )
    };
    if storage.view.checked_add(storage.len).is_none_or(|end| end > stored) {
        return Err((format!("a storage of {} elements", storage.len), stored.to_string()));
    }
    let len = tensor.shape.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent)).ok_or_else(too_far)?;
    if len == 0 {
        return Ok(0);
    }
    let reach = tensor
        .shape
        .iter()
        .zip(&tensor.stride)
        .try_fold(tensor.offset, |sum, (extent, stride)| sum.checked_add((extent - 1).checked_mul(*stride)?));
    if reach.is_none_or(|last| last >= storage.len) { Err(too_far()) } else { Ok(len) }
}

/// Copies a strided tensor, whose extent was checked, into row-major order.
fn gather(tensor: &TensorRef<'_>, element: Element, bytes: &[u8], len: usize) -> Result<Vec<f32>, Mismatch> {
    let mut out = Vec::with_capacity(len);
    let mut index = vec![0usize; tensor.shape.len()];
    let mut at = tensor.storage.view + tensor.offset;
    for _ in 0..len {
        let value = element.read(bytes, at).ok_or_else(|| ("elements within the storage".to_owned(), format!("element {at}")))?;
        out.push(if tensor.negative { -value } else { value });
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
