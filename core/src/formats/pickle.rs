//! A restricted pickle machine: it builds containers, numbers, strings, storages and tensors, and nothing else.
//!
//! No callable is ever called; a name that is not on the short list below ends the reading. Values live in an arena and
//! refer to each other by index, so a hostile nesting or cycle can neither exhaust the stack nor leak.

use std::collections::HashMap;

use super::numpy::Call;
use super::value::{Name, Ref, Storage, TensorRef, Value};
use crate::error::{Error, Result};

/// More values than any real checkpoint's description has; bounds memory on hostile input.
const MAX_VALUES: usize = 1 << 20;

/// What one pickle described.
pub(super) struct Pickle<'a> {
    pub(super) values: Vec<Value<'a>>,
    pub(super) root: Ref,
    /// Bytes read, up to and including its STOP.
    pub(super) consumed: usize,
}

impl<'a> Pickle<'a> {
    /// The value behind a reference (all references handed out are valid).
    pub(super) fn get(&self, r: Ref) -> &Value<'a> {
        self.values.get(r as usize).unwrap_or(&Value::None)
    }
    /// Reads the pickle that starts at `start`.
    pub(super) fn read(bytes: &'a [u8], start: usize, file: &str) -> Result<Self> {
        let mut machine =
            Machine { bytes, at: start, file, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), copied: 0 };
        let root = machine.run()?;
        Ok(Self { root, consumed: machine.at - start, values: machine.values })
    }
}

struct Machine<'a, 'f> {
    bytes: &'a [u8],
    at: usize,
    file: &'f str,
    values: Vec<Value<'a>>,
    stack: Vec<Ref>,
    marks: Vec<usize>,
    memo: HashMap<u32, Ref>,
    /// References copied by constructors, which a few bytes of input can ask for again and again.
    copied: usize,
}

impl<'a> Machine<'a, '_> {
    fn fail(&self, expected: impl std::fmt::Display, found: impl std::fmt::Display) -> Error {
        Error::format(format_args!("{}, pickle byte {}", self.file, self.at), expected, found)
    }
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let taken = self.at.checked_add(len).and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| self.fail(format_args!("{len} more bytes"), "the end of the file"))?;
        self.at += len;
        Ok(taken)
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }
    fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }
    fn word(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }
    fn long_len(&mut self) -> Result<usize> {
        let len = u64::from_le_bytes(self.array()?);
        usize::try_from(len).map_err(|_| self.fail("a length", len))
    }
    fn line(&mut self) -> Result<&'a str> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|b| *b == b'\n').ok_or_else(|| self.fail("a line", "the end of the file"))?;
        let line = self.text(len)?;
        self.at += 1;
        Ok(line)
    }
    fn text(&mut self, len: usize) -> Result<&'a str> {
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes).map_err(|_| self.fail("UTF-8 text", "other bytes"))
    }
    fn parsed<T: std::str::FromStr>(&mut self) -> Result<T> {
        let line = self.line()?;
        line.trim_end_matches('L').parse().map_err(|_| self.fail("a number", format_args!("'{line}'")))
    }
    fn new_value(&mut self, value: Value<'a>) -> Result<()> {
        if self.values.len() >= MAX_VALUES {
            return Err(self.fail(format_args!("at most {MAX_VALUES} values"), "more"));
        }
        self.stack.push(self.values.len() as Ref);
        self.values.push(value);
        Ok(())
    }
    /// Values above the innermost mark may be popped, those below it not.
    fn pop(&mut self) -> Result<Ref> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(self.fail("a value on the stack", "an empty stack"));
        }
        self.stack.pop().ok_or_else(|| self.fail("a value on the stack", "an empty stack"))
    }
    fn top(&self) -> Result<Ref> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack.get(floor..).and_then(<[Ref]>::last).copied().ok_or_else(|| self.fail("a value on the stack", "an empty stack"))
    }
    fn pop_mark(&mut self) -> Result<Vec<Ref>> {
        let mark = self.marks.pop().ok_or_else(|| self.fail("a mark on the stack", "none"))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }
    fn pairs(&self, items: &[Ref]) -> Result<Vec<(Ref, Ref)>> {
        if !items.len().is_multiple_of(2) {
            return Err(self.fail("keys and values in pairs", format_args!("{} items", items.len())));
        }
        Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
    }
    fn extend_list(&mut self, items: Vec<Ref>) -> Result<()> {
        let target = self.top()? as usize;
        match self.values.get_mut(target) {
            Some(Value::List(list)) => {
                list.extend(items);
                Ok(())
            }
            other => {
                let found = other.map_or("nothing", |value| value.kind());
                Err(self.fail("a list to append to", found))
            }
        }
    }
    fn extend_dict(&mut self, items: &[Ref]) -> Result<()> {
        let pairs = self.pairs(items)?;
        let target = self.top()? as usize;
        match self.values.get_mut(target) {
            Some(Value::Dict(dict)) => {
                dict.extend(pairs);
                Ok(())
            }
            other => {
                let found = other.map_or("nothing", |value| value.kind());
                Err(self.fail("a dictionary to set items of", found))
            }
        }
    }
    fn remember(&mut self, key: u32) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }
    fn recall(&mut self, key: u32) -> Result<()> {
        let value = *self.memo.get(&key).ok_or_else(|| self.fail(format_args!("memo {key}"), "nothing remembered"))?;
        if self.stack.len() >= MAX_VALUES {
            return Err(self.fail(format_args!("at most {MAX_VALUES} values"), "more"));
        }
        self.stack.push(value);
        Ok(())
    }
    fn name(&mut self, module: &str, name: &str) -> Result<()> {
        let found = Name::find(module, name).ok_or_else(|| {
            self.fail(
                "tensors and containers only",
                format_args!("'{module}.{name}'; save the state dict alone (torch.save(model.state_dict(), ...))"),
            )
        })?;
        self.new_value(Value::Name(found))
    }

    fn run(&mut self) -> Result<Ref> {
        loop {
            let op = self.byte()?;
            match op {
                0x80 => {
                    let version = self.byte()?;
                    if version > 5 {
                        return Err(self.fail("pickle protocol up to 5", version));
                    }
                }
                0x95 => {
                    self.take(8)?;
                }
                b'.' => return self.pop(),
                b'(' => self.marks.push(self.stack.len()),
                b'0' => {
                    self.pop()?;
                }
                b'1' => {
                    self.pop_mark()?;
                }
                b'2' => {
                    let top = self.top()?;
                    self.stack.push(top);
                }
                b'N' => self.new_value(Value::None)?,
                0x88 => self.new_value(Value::Bool(true))?,
                0x89 => self.new_value(Value::Bool(false))?,
                b'J' => {
                    let value = i32::from_le_bytes(self.array()?);
                    self.new_value(Value::Int(value.into()))?;
                }
                b'K' => {
                    let value = self.byte()?;
                    self.new_value(Value::Int(value.into()))?;
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.array()?);
                    self.new_value(Value::Int(value.into()))?;
                }
                b'I' | b'L' => {
                    let value = self.parsed()?;
                    self.new_value(Value::Int(value))?;
                }
                0x8a => {
                    let len = self.byte()?.into();
                    self.long(len)?;
                }
                0x8b => {
                    let len = self.word()? as usize;
                    self.long(len)?;
                }
                b'F' => {
                    let value = self.parsed()?;
                    self.new_value(Value::Float(value))?;
                }
                b'G' => {
                    let value = f64::from_be_bytes(self.array()?);
                    self.new_value(Value::Float(value))?;
                }
                b'X' | b'T' => {
                    let len = self.word()? as usize;
                    self.string(len)?;
                }
                0x8c | b'U' => {
                    let len = self.byte()?.into();
                    self.string(len)?;
                }
                0x8d => {
                    let len = self.long_len()?;
                    self.string(len)?;
                }
                b'V' => {
                    let line = self.line()?;
                    self.new_value(Value::Str(line))?;
                }
                b'S' => {
                    let line = self.line()?.trim_matches(['\'', '"']);
                    self.new_value(Value::Str(line))?;
                }
                b'B' | b'C' | 0x8e | 0x96 => {
                    let len = match op {
                        b'B' => self.word()? as usize,
                        b'C' => self.byte()?.into(),
                        _ => self.long_len()?,
                    };
                    let bytes = self.take(len)?;
                    self.new_value(Value::Bytes(bytes))?;
                }
                b')' => self.new_value(Value::Tuple(Vec::new()))?,
                b't' | 0x91 => {
                    let items = self.pop_mark()?;
                    self.new_value(Value::Tuple(items))?;
                }
                0x85..=0x87 => {
                    let mut items = Vec::with_capacity(3);
                    for _ in 0x84..op {
                        items.push(self.pop()?);
                    }
                    items.reverse();
                    self.new_value(Value::Tuple(items))?;
                }
                b']' | 0x8f => self.new_value(Value::List(Vec::new()))?,
                b'l' => {
                    let items = self.pop_mark()?;
                    self.new_value(Value::List(items))?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.extend_list(vec![item])?;
                }
                b'e' | 0x90 => {
                    let items = self.pop_mark()?;
                    self.extend_list(items)?;
                }
                b'}' => self.new_value(Value::Dict(Vec::new()))?,
                b'd' => {
                    let items = self.pop_mark()?;
                    let pairs = self.pairs(&items)?;
                    self.new_value(Value::Dict(pairs))?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.extend_dict(&[key, value])?;
                }
                b'u' => {
                    let items = self.pop_mark()?;
                    self.extend_dict(&items)?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.name(module, name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    match (self.value(module), self.value(name)) {
                        (&Value::Str(module), &Value::Str(name)) => self.name(module, name)?,
                        _ => return Err(self.fail("a module and a name", "other values")),
                    }
                }
                b'R' | 0x81 => {
                    let (arguments, callable) = (self.pop()?, self.pop()?);
                    let made = self.construct(callable, arguments)?;
                    self.new_value(made)?;
                }
                // Attributes of a container (a state dict's `_metadata`) say nothing that is needed; an array's state is the array.
                b'b' => {
                    let state = self.pop()?;
                    let target = self.top()? as usize;
                    if let Some(Value::Call(call)) = self.values.get_mut(target) {
                        call.state = Some(state);
                    }
                }
                b'Q' => {
                    let id = self.pop()?;
                    let storage = self.storage(id)?;
                    self.new_value(Value::Storage(storage))?;
                }
                b'p' => {
                    let key = self.parsed()?;
                    self.remember(key)?;
                }
                b'q' => {
                    let key = self.byte()?.into();
                    self.remember(key)?;
                }
                b'r' => {
                    let key = self.word()?;
                    self.remember(key)?;
                }
                0x94 => {
                    let key = self.memo.len() as u32;
                    self.remember(key)?;
                }
                b'g' => {
                    let key = self.parsed()?;
                    self.recall(key)?;
                }
                b'h' => {
                    let key = self.byte()?.into();
                    self.recall(key)?;
                }
                b'j' => {
                    let key = self.word()?;
                    self.recall(key)?;
                }
                _ => return Err(self.fail("an instruction for tensors and containers", format_args!("opcode 0x{op:02x}"))),
            }
        }
    }

    fn long(&mut self, len: usize) -> Result<()> {
        let bytes = self.take(len)?;
        if len > 8 {
            return self.new_value(Value::BigInt(bytes));
        }
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..len].copy_from_slice(bytes);
        self.new_value(Value::Int(i64::from_le_bytes(wide)))
    }
    /// Python 2 has one type for text and bytes.
    fn string(&mut self, len: usize) -> Result<()> {
        let bytes = self.take(len)?;
        self.new_value(std::str::from_utf8(bytes).map_or(Value::Bytes(bytes), Value::Str))
    }
    fn value(&self, r: Ref) -> &Value<'a> {
        self.values.get(r as usize).unwrap_or(&Value::None)
    }
    fn tuple(&self, r: Ref) -> Result<&[Ref]> {
        match self.value(r) {
            Value::Tuple(items) | Value::List(items) => Ok(items),
            other => Err(self.fail("a tuple", other.kind())),
        }
    }
    fn count(&self, r: Option<&Ref>, what: &str) -> Result<usize> {
        match r.map(|r| self.value(*r)) {
            Some(&Value::Int(n)) => usize::try_from(n).map_err(|_| self.fail(format_args!("{what}, not negative"), n)),
            _ => Err(self.fail(what, "another value")),
        }
    }
    fn counts(&self, r: Option<&Ref>, what: &str) -> Result<Vec<usize>> {
        let items = self.tuple(*r.ok_or_else(|| self.fail(what, "nothing"))?)?;
        if items.len() > 16 {
            return Err(self.fail("at most 16 extents", items.len()));
        }
        items.iter().map(|r| self.count(Some(r), what)).collect()
    }

    /// `('storage', type, key, location, len[, view])`, where a legacy view is `(key, offset, len)`.
    fn storage(&self, id: Ref) -> Result<Storage<'a>> {
        let parts = self.tuple(id)?;
        let value = |i: usize| parts.get(i).map(|r| self.value(*r));
        match (value(0), value(1), value(2)) {
            (Some(Value::Str("storage")), Some(&Value::Name(Name::Storage(element))), Some(&Value::Str(key))) => {
                let mut storage = Storage { key, element, len: self.count(parts.get(4), "a storage's length")?, view: 0 };
                if let Some(Value::Tuple(view)) = value(5) {
                    storage.view = self.count(view.get(1), "a view's offset")?;
                    storage.len = self.count(view.get(2), "a view's length")?;
                }
                Ok(storage)
            }
            _ => Err(self.fail("a tensor storage", "another persistent object")),
        }
    }

    fn construct(&mut self, callable: Ref, arguments_at: Ref) -> Result<Value<'a>> {
        let &Value::Name(name) = self.value(callable) else {
            return Err(self.fail("a known constructor", "another value"));
        };
        let copied = match self.tuple(arguments_at)?.first().map(|r| self.value(*r)) {
            Some(Value::Tuple(items) | Value::List(items)) => items.len(),
            _ => 0,
        };
        self.copied += copied;
        if self.copied > MAX_VALUES {
            return Err(self.fail(format_args!("at most {MAX_VALUES} values"), "more"));
        }
        let arguments = self.tuple(arguments_at)?;
        let first = || arguments.first().ok_or_else(|| self.fail("an argument", "none"));
        match name {
            Name::OrderedDict => {
                let Some(items) = arguments.first() else { return Ok(Value::Dict(Vec::new())) };
                let pairs = self.tuple(*items)?.iter().map(|pair| match self.tuple(*pair)? {
                    &[key, value] => Ok((key, value)),
                    other => Err(self.fail("a key and a value", format_args!("{} items", other.len()))),
                });
                Ok(Value::Dict(pairs.collect::<Result<_>>()?))
            }
            Name::Set | Name::Size => {
                let items = if arguments.is_empty() { Vec::new() } else { self.tuple(*first()?)?.to_vec() };
                Ok(if name == Name::Set { Value::List(items) } else { Value::Tuple(items) })
            }
            Name::RebuildTensor => {
                let &Value::Storage(storage) = self.value(*first()?) else {
                    return Err(self.fail("a tensor's storage", "another value"));
                };
                let offset = self.count(arguments.get(1), "a tensor's offset")?;
                let shape = self.counts(arguments.get(2), "a tensor's extents")?;
                let stride = self.counts(arguments.get(3), "a tensor's strides")?;
                if shape.len() != stride.len() {
                    return Err(self.fail(format_args!("{} strides", shape.len()), stride.len()));
                }
                Ok(Value::Tensor(Box::new(TensorRef { storage, offset, shape, stride })))
            }
            Name::RebuildParameter => match self.value(*first()?) {
                tensor @ Value::Tensor(_) => Ok(tensor.clone()),
                _ => Err(self.fail("a parameter's tensor", "another value")),
            },
            Name::Numpy(of) => Ok(Value::Call(Call { of, arguments: arguments_at, state: None })),
            Name::Storage(_) => Err(self.fail("a storage by reference", "a call of its type")),
        }
    }
}
