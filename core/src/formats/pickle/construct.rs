//! What the constructors that a pickle names would make: storages, tensors and containers, from their arguments alone.

use super::super::value::{Call, Name, Ref, SparseRef, Storage, TensorRef, Unreadable, Value};
use super::Machine;
use crate::error::Result;

/// What a storage takes beyond its value: its place in the tables of the container.
const STORAGE_BYTES: usize = 192;
const MAX_RANK: usize = 16;

impl<'a> Machine<'a, '_> {
    fn value(&self, r: Ref) -> &Value<'a> {
        self.values.get(r as usize).unwrap_or(&Value::None)
    }
    /// A module's and a class's name, as the stack has them.
    pub(super) fn stacked_name(&mut self, module: Ref, name: Ref) -> Result<()> {
        match (self.value(module), self.value(name)) {
            (&Value::Str(module), &Value::Str(name)) => self.name(module, name),
            _ => Err(self.fail("a module and a name", "other values")),
        }
    }
    fn tuple(&self, r: Ref) -> Result<&[Ref]> {
        match self.value(r) {
            Value::Tuple(items) | Value::List(items) => Ok(items),
            other => Err(self.fail("a tuple", other.kind())),
        }
    }
    fn argument(&self, arguments: Ref, at: usize) -> Result<Option<Ref>> {
        Ok(self.tuple(arguments)?.get(at).copied())
    }
    fn count(&self, r: Option<&Ref>, what: &str) -> Result<usize> {
        match r.map(|r| self.value(*r)) {
            Some(&Value::Int(n)) => usize::try_from(n).map_err(|_| self.fail(format_args!("{what}, not negative"), n)),
            _ => Err(self.fail(what, "another value")),
        }
    }
    fn counts(&mut self, r: Option<Ref>, what: &str) -> Result<Vec<usize>> {
        let items = self.tuple(r.ok_or_else(|| self.fail(what, "nothing"))?)?;
        let rank = items.len();
        if rank > MAX_RANK {
            return Err(self.fail(format_args!("at most {MAX_RANK} extents"), rank));
        }
        let counts = items.iter().map(|r| self.count(Some(r), what)).collect();
        self.budget.take(rank * size_of::<usize>(), self.file)?;
        counts
    }

    /// `('storage', type, key, location, len[, view])`, where a legacy view is `(key, offset, len)`; or `('module', class, ...)`, which
    /// old files have where a whole module was saved.
    pub(super) fn persistent(&mut self, id: Ref) -> Result<Value<'a>> {
        self.budget.take(STORAGE_BYTES, self.file)?;
        let parts = self.tuple(id)?;
        let value = |i: usize| parts.get(i).map(|r| self.value(*r));
        match (value(0), value(1), value(2)) {
            (Some(Value::Str("storage")), Some(&Value::Name(Name::Storage(stored))), Some(&Value::Str(key))) => {
                let mut storage = Storage { key, stored, len: self.count(parts.get(4), "a storage's length")?, view: 0 };
                if let Some(Value::Tuple(view)) = value(5) {
                    storage.view = self.count(view.get(1), "a view's offset")?;
                    storage.len = self.count(view.get(2), "a view's length")?;
                }
                Ok(Value::Storage(Box::new(storage)))
            }
            (Some(Value::Str("module")), Some(class @ Value::Foreign(_)), _) => Ok(class.clone()),
            _ => Err(self.fail("a tensor storage", "another persistent object")),
        }
    }

    /// What `callable(*arguments)` stands for.
    pub(super) fn construct(&mut self, callable: Ref, arguments: Ref) -> Result<Value<'a>> {
        match self.value(callable) {
            &Value::Name(Name::RebuildFromType) => {
                // (function, type, arguments, state): a tensor with attributes or of a type of its own.
                let (inner, with) = (self.argument(arguments, 0)?, self.argument(arguments, 2)?);
                match inner.map(|r| self.value(r)) {
                    Some(&Value::Name(Name::RebuildFromType)) | None => Err(self.fail("a tensor's constructor", "another value")),
                    Some(&Value::Name(name)) => self.construct_known(name, with.unwrap_or(arguments)),
                    Some(_) => Ok(Value::Unreadable(Unreadable::Elsewhere)),
                }
            }
            &Value::Name(name) => self.construct_known(name, arguments),
            Value::Foreign(_) | Value::Object { .. } | Value::Call(_) => Ok(Value::Object { class: callable, state: arguments }),
            _ => Err(self.fail("a known constructor", "another value")),
        }
    }

    fn construct_known(&mut self, name: Name, arguments: Ref) -> Result<Value<'a>> {
        let first = self.argument(arguments, 0)?;
        match name {
            Name::OrderedDict => {
                let Some(items) = first else { return Ok(Value::Dict(Vec::new())) };
                if let Value::Dict(_) = self.value(items) {
                    return self.copied(items);
                }
                let count = self.tuple(items)?.len();
                let mut pairs = Vec::new();
                self.budget.grow(&mut pairs, count, self.file)?;
                for pair in self.tuple(items)? {
                    match self.tuple(*pair)? {
                        &[key, value] => pairs.push((key, value)),
                        other => return Err(self.fail("a key and a value", format_args!("{} items", other.len()))),
                    }
                }
                Ok(Value::Dict(pairs))
            }
            Name::DefaultDict => Ok(Value::Dict(Vec::new())),
            Name::Set | Name::Size => match first {
                None => Ok(if name == Name::Set { Value::List(Vec::new()) } else { Value::Tuple(Vec::new()) }),
                Some(items) => {
                    let bytes = size_of_val(self.tuple(items)?);
                    self.budget.take(bytes, self.file)?;
                    let items = self.tuple(items)?.to_vec();
                    Ok(if name == Name::Set { Value::List(items) } else { Value::Tuple(items) })
                }
            },
            Name::RebuildTensor => self.tensor(arguments),
            Name::RebuildParameter => match first.map(|r| self.value(r)) {
                Some(value) if value.is_tensor() => self.copied(first.unwrap_or_default()),
                _ => Err(self.fail("a parameter's tensor", "another value")),
            },
            Name::RebuildSparse => self.sparse(arguments),
            Name::Layout => match first.map(|r| self.value(r)) {
                Some(&Value::Str(layout)) => Ok(Value::Layout(layout)),
                _ => Err(self.fail("a layout's name", "another value")),
            },
            Name::RebuildTyped => match self.argument(arguments, 6)?.map(|r| self.value(r)) {
                Some(Value::Foreign(dtype)) => Ok(Value::Unreadable(Unreadable::Type(dtype.name))),
                _ => Ok(Value::Unreadable(Unreadable::Elsewhere)),
            },
            Name::RebuildQuantised => Ok(Value::Unreadable(Unreadable::Quantised)),
            Name::RebuildOtherwise | Name::RebuildFromType => Ok(Value::Unreadable(Unreadable::Elsewhere)),
            Name::Numpy(of) => Ok(Value::Call(Call { of, arguments, state: None })),
            Name::Storage(_) => Err(self.fail("a storage by reference", "a call of its type")),
        }
    }

    /// The same value once more.
    fn copied(&mut self, r: Ref) -> Result<Value<'a>> {
        let bytes = match self.value(r) {
            Value::Tensor(t) => size_of::<TensorRef<'_>>() + 2 * t.shape.len() * size_of::<usize>(),
            Value::Sparse(_) => size_of::<SparseRef<'_>>() + 5 * MAX_RANK * size_of::<usize>(),
            Value::Dict(items) => size_of_val(items.as_slice()),
            _ => 0,
        };
        self.budget.take(bytes, self.file)?;
        Ok(self.value(r).clone())
    }

    /// `(storage, offset, size, stride, requires_grad, hooks[, metadata])`; the metadata are the negative and the conjugate bit.
    fn tensor(&mut self, arguments: Ref) -> Result<Value<'a>> {
        let storage = match self.argument(arguments, 0)?.map(|r| self.value(r)) {
            Some(Value::Storage(storage)) => **storage,
            _ => return Err(self.fail("a tensor's storage", "another value")),
        };
        let offset = self.count(self.argument(arguments, 1)?.as_ref(), "a tensor's offset")?;
        let (shape, stride) = (self.argument(arguments, 2)?, self.argument(arguments, 3)?);
        let shape = self.counts(shape, "a tensor's extents")?;
        let stride = self.counts(stride, "a tensor's strides")?;
        if shape.len() != stride.len() {
            return Err(self.fail(format_args!("{} strides", shape.len()), stride.len()));
        }
        let negative = match self.argument(arguments, 6)? {
            Some(metadata) => self.negative(metadata)?,
            None => false,
        };
        self.budget.take(size_of::<TensorRef<'_>>(), self.file)?;
        Ok(Value::Tensor(Box::new(TensorRef { storage, offset, shape, stride, negative })))
    }

    /// Whether a tensor's metadata set its negative bit. The conjugate bit changes nothing in real numbers, and others are not read.
    fn negative(&self, metadata: Ref) -> Result<bool> {
        let Value::Dict(items) = self.value(metadata) else { return Ok(false) };
        let mut negative = false;
        for (key, value) in items {
            match (self.value(*key), self.value(*value)) {
                (Value::Str("neg"), &Value::Bool(set)) => negative = set,
                (Value::Str("conj"), Value::Bool(_)) | (_, Value::Bool(false) | Value::None) => {}
                (Value::Str(other), _) => return Err(self.fail("a tensor with a negative or a conjugate bit", format_args!("'{other}'"))),
                _ => return Err(self.fail("a tensor with a negative or a conjugate bit", "another property")),
            }
        }
        Ok(negative)
    }

    /// `(layout, (indices, values, size[, coalesced]))`.
    fn sparse(&mut self, arguments: Ref) -> Result<Value<'a>> {
        let layout = match self.argument(arguments, 0)?.map(|r| self.value(r)) {
            Some(&Value::Layout(layout)) => layout,
            _ => return Err(self.fail("a sparse tensor's layout", "another value")),
        };
        if layout != "torch.sparse_coo" {
            return Ok(Value::Unreadable(Unreadable::Layout(layout)));
        }
        let parts = self.argument(arguments, 1)?.ok_or_else(|| self.fail("indices, values and extents", "nothing"))?;
        let part = |at: usize| match self.argument(parts, at)?.map(|r| self.value(r)) {
            Some(Value::Tensor(tensor)) => Ok((**tensor).clone()),
            _ => Err(self.fail("a sparse tensor's indices and values", "another value")),
        };
        let (indices, values) = (part(0)?, part(1)?);
        let shape = self.argument(parts, 2)?;
        let shape = self.counts(shape, "a sparse tensor's extents")?;
        self.budget.take(size_of::<SparseRef<'_>>() + 4 * MAX_RANK * size_of::<usize>(), self.file)?;
        Ok(Value::Sparse(Box::new(SparseRef { indices, values, shape })))
    }
}
