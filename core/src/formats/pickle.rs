//! A restricted pickle machine: it builds containers, numbers, strings, storages and tensors; everything else stays an opaque value.
//!
//! No callable is ever called, and a name that only code to be run would ask for ends the reading. Values live in an arena and
//! refer to each other by index, so a hostile nesting or cycle can neither exhaust the stack nor leak.

mod construct;

use std::collections::HashMap;

use super::budget::Budget;
use super::value::{Foreign, Name, Ref, Value, runs_code};
use crate::error::{Error, Result};

/// What a place in the memo takes, its table's growth included.
const MEMO_BYTES: usize = 48;

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
    pub(super) fn read(bytes: &'a [u8], start: usize, file: &str, budget: &mut Budget) -> Result<Self> {
        let (values, stack, marks, memo) = (Vec::new(), Vec::new(), Vec::new(), HashMap::new());
        let mut machine = Machine { bytes, at: start, file, budget, values, stack, marks, memo };
        let root = machine.run()?;
        Ok(Self { root, consumed: machine.at - start, values: machine.values })
    }
}

struct Machine<'a, 'f> {
    bytes: &'a [u8],
    at: usize,
    file: &'f str,
    budget: &'f mut Budget,
    values: Vec<Value<'a>>,
    stack: Vec<Ref>,
    marks: Vec<u32>,
    memo: HashMap<u32, Ref>,
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
        self.budget.grow(&mut self.values, 1, self.file)?;
        let at = u32::try_from(self.values.len()).map_err(|_| self.fail("at most 4 thousand million values", "more"))?;
        self.values.push(value);
        self.push(at)
    }
    fn push(&mut self, value: Ref) -> Result<()> {
        self.budget.grow(&mut self.stack, 1, self.file)?;
        self.stack.push(value);
        Ok(())
    }
    /// Values above the innermost mark may be popped, those below it not.
    fn pop(&mut self) -> Result<Ref> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }
    fn top(&self) -> Result<Ref> {
        let floor = self.marks.last().map_or(0, |mark| *mark as usize);
        self.stack.get(floor..).and_then(<[Ref]>::last).copied().ok_or_else(|| self.fail("a value on the stack", "an empty stack"))
    }
    fn mark(&mut self) -> Result<()> {
        self.budget.grow(&mut self.marks, 1, self.file)?;
        // The stack is no longer than the arena and the file together allow.
        self.marks.push(self.stack.len() as u32);
        Ok(())
    }
    fn pop_mark(&mut self) -> Result<Vec<Ref>> {
        let mark = self.marks.pop().ok_or_else(|| self.fail("a mark on the stack", "none"))? as usize;
        let mut items = Vec::new();
        let above = self.stack.len().saturating_sub(mark);
        if above > 0 {
            self.budget.take(above.saturating_mul(size_of::<Ref>()), self.file)?;
            items = self.stack.split_off(mark);
        }
        Ok(items)
    }
    fn pairs(&mut self, items: &[Ref]) -> Result<Vec<(Ref, Ref)>> {
        if !items.len().is_multiple_of(2) {
            return Err(self.fail("keys and values in pairs", format_args!("{} items", items.len())));
        }
        self.budget.take(size_of_val(items), self.file)?;
        Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
    }
    fn extend_list(&mut self, items: &[Ref]) -> Result<()> {
        let target = self.top()? as usize;
        let Self { values, budget, file, .. } = self;
        match values.get_mut(target) {
            Some(Value::List(list)) => {
                budget.grow(list, items.len(), file)?;
                list.extend(items);
                Ok(())
            }
            // A list under another name.
            Some(object @ Value::Object { .. }) => {
                let mut list = Vec::new();
                budget.grow(&mut list, items.len(), file)?;
                list.extend(items);
                *object = Value::List(list);
                Ok(())
            }
            other => {
                let found = other.map_or("nothing", |value| value.kind());
                Err(self.fail("a list to append to", found))
            }
        }
    }
    fn extend_dict(&mut self, items: &[Ref]) -> Result<()> {
        let target = self.top()? as usize;
        let pairs = self.pairs(items)?;
        let Self { values, budget, file, .. } = self;
        match values.get_mut(target) {
            Some(Value::Dict(dict)) => {
                budget.grow(dict, pairs.len(), file)?;
                dict.extend(pairs);
                Ok(())
            }
            // A dictionary under another name.
            Some(object @ Value::Object { .. }) => {
                *object = Value::Dict(pairs);
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
        if self.memo.insert(key, top).is_none() {
            self.budget.take(MEMO_BYTES, self.file)?;
        }
        Ok(())
    }
    fn recall(&mut self, key: u32) -> Result<()> {
        let value = *self.memo.get(&key).ok_or_else(|| self.fail(format_args!("memo {key}"), "nothing remembered"))?;
        self.push(value)
    }
    fn name(&mut self, module: &'a str, name: &'a str) -> Result<()> {
        if runs_code(module, name) {
            let found = format_args!("'{module}.{name}', which runs code (not here); do not open this file with torch.load");
            return Err(self.fail("tensors and containers", found));
        }
        let value = match Name::find(module, name) {
            Some(known) => Value::Name(known),
            None => {
                self.budget.take(size_of::<Foreign<'_>>(), self.file)?;
                Value::Foreign(Box::new(Foreign { module, name }))
            }
        };
        self.new_value(value)
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
                b'(' => self.mark()?,
                b'0' => {
                    self.pop()?;
                }
                b'1' => {
                    self.pop_mark()?;
                }
                b'2' => {
                    let top = self.top()?;
                    self.push(top)?;
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
                    let count = usize::from(op - 0x84);
                    self.budget.take(count * size_of::<Ref>(), self.file)?;
                    let mut items = Vec::with_capacity(count);
                    for _ in 0..count {
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
                    self.extend_list(&[item])?;
                }
                b'e' | 0x90 => {
                    let items = self.pop_mark()?;
                    self.extend_list(&items)?;
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
                    self.stacked_name(module, name)?;
                }
                b'R' | 0x81 => {
                    let (arguments, callable) = (self.pop()?, self.pop()?);
                    let made = self.construct(callable, arguments)?;
                    self.new_value(made)?;
                }
                // A class with arguments; with named ones too.
                b'i' | b'o' | 0x92 => {
                    let class = match op {
                        b'i' => {
                            let (module, name) = (self.line()?, self.line()?);
                            self.name(module, name)?;
                            self.pop()?
                        }
                        b'o' => *self.pop_mark()?.first().ok_or_else(|| self.fail("a class", "nothing"))?,
                        _ => {
                            self.pop()?;
                            self.pop()?;
                            self.pop()?
                        }
                    };
                    if op == b'i' {
                        self.pop_mark()?;
                    }
                    self.new_value(Value::Object { class, state: class })?;
                }
                // Attributes of a container (a state dict's `_metadata`) or of a tensor say nothing that is needed; an array's state is the array.
                b'b' => {
                    let given = self.pop()?;
                    let target = self.top()? as usize;
                    match self.values.get_mut(target) {
                        Some(Value::Object { state, .. }) => *state = given,
                        Some(Value::Call(call)) => call.state = Some(given),
                        _ => {}
                    }
                }
                b'Q' => {
                    let id = self.pop()?;
                    let persistent = self.persistent(id)?;
                    self.new_value(persistent)?;
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
}
