//! Dictionaries that Python pickled, with NumPy's arrays in them: the form in which most people have CIFAR.
//!
//! Arrays are described by calls of NumPy's functions. None is made here: the machine keeps who would be called with what, and only
//! arrays of whole numbers, lists and text are read out of that.

use std::borrow::Cow;

use super::budget::Budget;
use super::pickle::Pickle;
use super::value::{Call, Callable, Ref, Value};
use crate::error::{Error, Result};

/// A pickled dictionary.
pub struct Record<'a> {
    file: String,
    pickle: Pickle<'a>,
}

/// An array's elements as they lie there.
struct Array<'r> {
    shape: Vec<usize>,
    /// NumPy's letter and width, e.g. `u1`.
    kind: &'r str,
    bytes: Cow<'r, [u8]>,
}

impl<'a> Record<'a> {
    /// Reads one; `file` names it in errors.
    ///
    /// # Errors
    /// `Format` where it is no pickle, or describes more than dictionaries, lists, text, numbers and arrays.
    pub fn read(bytes: &'a [u8], file: &str) -> Result<Self> {
        Ok(Self { file: file.to_owned(), pickle: Pickle::read(bytes, 0, file, &mut Budget::of_file(bytes.len()))? })
    }

    /// An array of bytes: its extents and its elements.
    ///
    /// # Errors
    /// `Format` where there is none under this key.
    pub fn bytes(&self, key: &str) -> Result<(Vec<usize>, Cow<'_, [u8]>)> {
        let array = self.array(self.get(key)?).ok_or_else(|| self.wrong(key, "an array of bytes (uint8)"))?;
        if array.kind != "u1" {
            return Err(Error::format(self.place(key), "an array of bytes (uint8)", format!("elements '{}'", array.kind)));
        }
        let size = array.shape.iter().try_fold(1usize, |size, n| size.checked_mul(*n));
        if size != Some(array.bytes.len()) {
            return Err(Error::format(self.place(key), format!("bytes for the shape {:?}", array.shape), array.bytes.len()));
        }
        Ok((array.shape, array.bytes))
    }

    /// Whole numbers, as a list or as an array of one dimension.
    ///
    /// # Errors
    /// `Format` where there are none under this key.
    pub fn numbers(&self, key: &str) -> Result<Vec<i64>> {
        let wrong = || self.wrong(key, "a list of whole numbers");
        let value = self.get(key)?;
        if let Value::List(items) | Value::Tuple(items) = self.pickle.get(value) {
            let number = |item: &Ref| if let Value::Int(n) = self.pickle.get(*item) { Some(*n) } else { None };
            return items.iter().map(number).collect::<Option<_>>().ok_or_else(wrong);
        }
        let array = self.array(value).filter(|array| array.shape.len() == 1).ok_or_else(wrong)?;
        let width = match array.kind {
            "u1" => 1,
            "i4" => 4,
            "i8" => 8,
            _ => return Err(wrong()),
        };
        let number = |bytes: &[u8]| {
            let negative = width > 1 && bytes.last().is_some_and(|b| b & 0x80 != 0);
            let mut wide = [if negative { 0xff } else { 0 }; 8];
            wide[..width].copy_from_slice(bytes);
            i64::from_le_bytes(wide)
        };
        let out: Vec<i64> = array.bytes.chunks_exact(width).map(number).collect();
        if array.shape == [out.len()] { Ok(out) } else { Err(wrong()) }
    }

    /// A list of text.
    ///
    /// # Errors
    /// `Format` where there is none under this key.
    pub fn texts(&self, key: &str) -> Result<Vec<String>> {
        let wrong = || self.wrong(key, "a list of text");
        let (Value::List(items) | Value::Tuple(items)) = self.pickle.get(self.get(key)?) else { return Err(wrong()) };
        let text = |item: &Ref| self.text(*item).map(String::from);
        items.iter().map(text).collect::<Option<_>>().ok_or_else(wrong)
    }

    /// Whether there is something under this key.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_ok()
    }

    fn get(&self, key: &str) -> Result<Ref> {
        let Value::Dict(items) = self.pickle.get(self.pickle.root) else {
            return Err(Error::format(&self.file, "a pickled dictionary", self.pickle.get(self.pickle.root).kind()));
        };
        let found = items.iter().rev().find(|(name, _)| self.text(*name) == Some(key));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let keys: Vec<&str> = items.iter().filter_map(|(name, _)| self.text(*name)).take(8).collect();
            Error::format(&self.file, format!("an entry '{key}'"), format!("the entries {}", keys.join(", ")))
        })
    }

    /// Text, written by Python 2 or by Python 3, as text or as bytes.
    fn text(&self, value: Ref) -> Option<&str> {
        match self.pickle.get(value) {
            Value::Str(text) => Some(text),
            Value::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            Value::Call(call) if call.of == Callable::Encode => {
                if let Value::Str(text) = self.pickle.get(*self.arguments(call)?.first()?) {
                    Some(text)
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    fn arguments(&self, call: &Call) -> Option<&[Ref]> {
        self.items(call.arguments)
    }

    fn items(&self, value: Ref) -> Option<&[Ref]> {
        if let Value::Tuple(items) = self.pickle.get(value) { Some(items) } else { None }
    }

    fn array(&self, value: Ref) -> Option<Array<'_>> {
        let Value::Call(call) = self.pickle.get(value) else { return None };
        let (shape, dtype, bytes) = match call.of {
            Callable::Reconstruct => {
                // (version, shape, dtype, whether in Fortran's order, bytes)
                let &[_, shape, dtype, fortran, bytes] = self.items(call.state?)? else { return None };
                if *self.pickle.get(fortran) != Value::Bool(false) && *self.pickle.get(fortran) != Value::Int(0) {
                    return None;
                }
                (shape, dtype, bytes)
            }
            Callable::FromBuffer => {
                let &[bytes, dtype, shape, order] = self.arguments(call)? else { return None };
                if self.text(order)? != "C" {
                    return None;
                }
                (shape, dtype, bytes)
            }
            Callable::Array | Callable::Dtype | Callable::Encode => return None,
        };
        let extent = |r: &Ref| if let Value::Int(n) = self.pickle.get(*r) { usize::try_from(*n).ok() } else { None };
        let shape = self.items(shape)?.iter().map(extent).collect::<Option<Vec<usize>>>()?;
        Some(Array { shape, kind: self.kind(dtype)?, bytes: self.raw(bytes)? })
    }

    /// NumPy's name of a type; `None` where its bytes are swapped.
    fn kind(&self, dtype: Ref) -> Option<&str> {
        let Value::Call(call) = self.pickle.get(dtype) else { return None };
        if call.of != Callable::Dtype {
            return None;
        }
        // (version, byte order, ...)
        let order = call.state.and_then(|state| self.items(state)).and_then(|state| self.text(*state.get(1)?));
        if order == Some(">") {
            return None;
        }
        self.text(*self.arguments(call)?.first()?)
    }

    fn raw(&self, value: Ref) -> Option<Cow<'_, [u8]>> {
        match self.pickle.get(value) {
            Value::Bytes(bytes) => Some(Cow::Borrowed(bytes)),
            // A string of Python 2 that happens to be text.
            Value::Str(text) => Some(Cow::Borrowed(text.as_bytes())),
            Value::Call(call) if call.of == Callable::Encode => {
                let &[text, codec] = self.arguments(call)? else { return None };
                let Value::Str(text) = self.pickle.get(text) else { return None };
                if !matches!(self.text(codec)?, "latin1" | "latin-1") {
                    return None;
                }
                text.chars().map(|c| u8::try_from(c).ok()).collect::<Option<Vec<u8>>>().map(Cow::Owned)
            }
            _ => None,
        }
    }

    fn place(&self, key: &str) -> String {
        format!("{}, '{key}'", self.file)
    }

    fn wrong(&self, key: &str, expected: &str) -> Error {
        let found = self.get(key).map_or("nothing", |value| self.pickle.get(value).kind());
        Error::format(self.place(key), expected, format!("{found} of another form"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// What Python 2 writes (protocol 2): strings of one byte's length (U), of four (T), and NumPy's calls.
    fn python2(shape: [u8; 2], dtype: &[u8], fortran: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = b"\x80\x02}(U\x06labels](K\x03K\x09eU\x05names](U\x03catU\x03dogeU\x04data".to_vec();
        out.extend(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01");
        out.extend([b'K', shape[0], b'K', shape[1], 0x86]);
        out.extend(b"cnumpy\ndtype\nU\x02");
        out.extend(dtype);
        out.extend(b"K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb");
        out.push(fortran);
        out.push(b'T');
        out.extend((bytes.len() as u32).to_le_bytes());
        out.extend(bytes);
        out.extend(b"tbu.");
        out
    }

    #[test]
    fn what_python_2_wrote_is_read() {
        // The second is valid as text, which a string of Python 2 may be by chance.
        for bytes in [[0u8, 200, 255, 7, 128, 1], [1, 2, 3, 4, 5, 6]] {
            let file = python2([2, 3], b"u1", 0x89, &bytes);
            let record = Record::read(&file, "f").unwrap();
            let (shape, found) = record.bytes("data").unwrap();
            assert_eq!((shape, found.as_ref()), (vec![2, 3], &bytes[..]));
            assert_eq!((record.numbers("labels").unwrap(), record.texts("names").unwrap()), (vec![3, 9], vec!["cat".into(), "dog".into()]));
            assert!(record.has("data") && !record.has("other"));
        }
    }

    #[test]
    fn what_is_none_of_this_is_named() {
        let error = |file: &[u8], key: &str| Record::read(file, "f").and_then(|r| r.bytes(key).map(drop)).unwrap_err().to_string();
        let good = python2([2, 3], b"u1", 0x89, &[0; 6]);
        assert!(error(&good, "images").contains("f: expected an entry 'images', found the entries labels, names, data"));
        assert!(error(&good, "labels").contains("f, 'labels': expected an array of bytes (uint8), found a list"));
        assert!(error(&python2([2, 3], b"f4", 0x89, &[0; 6]), "data").contains("found elements 'f4'"));
        assert!(error(&python2([2, 4], b"u1", 0x89, &[0; 6]), "data").contains("expected bytes for the shape [2, 4], found 6"));
        assert!(error(&python2([2, 3], b"u1", 0x88, &[0; 6]), "data").contains("expected an array of bytes"), "Fortran's order");
        assert!(Record::read(&good, "f").unwrap().texts("labels").unwrap_err().to_string().contains("a list of text"));
        for end in 0..good.len() {
            assert!(error(&good[..end], "data").starts_with('f'), "{end}");
        }
        // A call of something else is refused, not made.
        assert!(error(b"\x80\x02cos\nsystem\nU\x02ls\x85R.", "data").contains("'os.system'"));
    }
}
