//! NumPy's `.npy` files: CIFAR-C's archives, scores of other programs, indices and adversarial images to write.
//!
//! Reading is strict about everything the header says: a wrong guess would be other images or other scores.

use std::io::Read;

use anyhow::{Context, Result, bail};
use sparring_core::formats::half_to_f32;

const MAGIC: &[u8; 8] = b"\x93NUMPY\x01\x00";
/// Element types that are read, and the bytes each takes.
const TYPES: [(&str, usize); 12] = [
    ("|u1", 1),
    ("|i1", 1),
    ("|b1", 1),
    ("<u2", 2),
    ("<i2", 2),
    ("<u4", 4),
    ("<i4", 4),
    ("<u8", 8),
    ("<i8", 8),
    ("<f2", 2),
    ("<f4", 4),
    ("<f8", 8),
];
/// Whole numbers up to here are exact in float32.
const EXACT: i128 = 1 << f32::MANTISSA_DIGITS;
/// No header needs more.
const MAX_HEADER: usize = 64 << 10;

/// An array in C order.
#[derive(Clone, Debug, PartialEq)]
pub struct Npy {
    /// NumPy's name of the type, one of [`TYPES`].
    pub descr: String,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl Npy {
    /// Bytes.
    pub fn u8(shape: Vec<usize>, bytes: Vec<u8>) -> Self {
        Self { descr: "|u1".into(), shape, bytes }
    }

    /// Floats.
    pub fn f32(shape: Vec<usize>, values: &[f32]) -> Self {
        Self { descr: "<f4".into(), shape, bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect() }
    }

    /// Indices, as what numpy indexes with.
    pub fn indices(indices: &[u32]) -> Self {
        let bytes = indices.iter().flat_map(|i| i64::from(*i).to_le_bytes()).collect();
        Self { descr: "<i8".into(), shape: vec![indices.len()], bytes }
    }

    /// The file.
    pub fn to_file(&self) -> Vec<u8> {
        let mut shape = self.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        if self.shape.len() == 1 {
            shape.push(',');
        }
        let mut header = format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({shape}), }}", self.descr);
        // Data begins at a multiple of 64.
        let padding = (64 - (MAGIC.len() + 2 + header.len() + 1) % 64) % 64;
        header.extend(std::iter::repeat_n(' ', padding));
        header.push('\n');
        let mut out = MAGIC.to_vec();
        out.extend((header.len() as u16).to_le_bytes());
        out.extend(header.as_bytes());
        out.extend(&self.bytes);
        out
    }

    /// Reads a file to its end; `most` bounds its bytes of data.
    pub fn read(name: &str, file: &mut impl Read, most: usize) -> Result<Self> {
        let read = || format!("reading {name}");
        let mut start = [0u8; 8];
        file.read_exact(&mut start).with_context(read)?;
        if start[..6] != MAGIC[..6] {
            bail!("{name} is no .npy file: it does not begin with \\x93NUMPY");
        }
        let mut length = [0u8; 4];
        match (start[6], start[7]) {
            (1, 0) => file.read_exact(&mut length[..2]),
            (2 | 3, 0) => file.read_exact(&mut length),
            (major, minor) => bail!("{name}: .npy version 1.0, 2.0 or 3.0 expected, found {major}.{minor}"),
        }
        .with_context(read)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_HEADER {
            bail!("{name}: a header of {length} bytes, at most {MAX_HEADER} expected");
        }
        let mut header = vec![0; length];
        file.read_exact(&mut header).with_context(read)?;
        let header = String::from_utf8(header).with_context(|| format!("{name}: the header"))?;
        let (descr, shape) = parse(&header).with_context(|| format!("{name}: header {:?}", header.trim()))?;
        let Some((_, width)) = TYPES.iter().find(|(name, _)| *name == descr) else {
            let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
            bail!("{name}: elements of one of the types {} expected, found '{descr}'", names.join(", "));
        };
        let size = shape.iter().try_fold(*width, |size: usize, n| size.checked_mul(*n)).filter(|size| *size <= most);
        let Some(size) = size else { bail!("{name}: shape {shape:?} is larger than the {most} bytes expected at most") };
        let mut bytes = vec![0; size];
        file.read_exact(&mut bytes).with_context(|| format!("{name}: {size} bytes of data for shape {shape:?}"))?;
        if file.read(&mut [0]).with_context(read)? != 0 {
            bail!("{name}: more than the {size} bytes that shape {shape:?} takes");
        }
        Ok(Self { descr, shape, bytes })
    }

    /// The elements as labels.
    pub fn labels(&self, name: &str) -> Result<Vec<u16>> {
        let labels = self.whole().with_context(|| format!("{name}: labels are whole numbers, found '{}'", self.descr))?;
        labels.map(|label| u16::try_from(label).with_context(|| format!("{name}: a label that is none"))).collect()
    }

    /// The elements, where they are whole numbers.
    fn whole(&self) -> Option<impl Iterator<Item = i128>> {
        let signed = match self.descr.get(1..2) {
            Some("i") => true,
            Some("u" | "b") => false,
            _ => return None,
        };
        let (_, width) = TYPES.iter().find(|(name, _)| *name == self.descr)?;
        Some(self.bytes.chunks_exact(*width).map(move |bytes| {
            let negative = signed && bytes.last().is_some_and(|b| b & 0x80 != 0);
            let mut wide = [if negative { 0xff } else { 0 }; 16];
            wide[..bytes.len()].copy_from_slice(bytes);
            i128::from_le_bytes(wide)
        }))
    }

    /// The elements of a list of numbers, floats rounded to float32; one that is no number, or a whole number that float32 does not
    /// hold, is an error.
    pub fn floats(&self, name: &str) -> Result<Vec<f32>> {
        if self.shape.len() != 1 {
            bail!("{name}: one dimension expected, found the shape {:?}", self.shape);
        }
        let values: Vec<f32> = match self.descr.as_str() {
            "<f4" => self.bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            "<f8" => {
                let doubles = self.bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b));
                let single = |(i, v): (usize, f64)| match (v as f32, v.is_finite()) {
                    (single, true) if single.is_infinite() => {
                        Err(anyhow::anyhow!("{name}: numbers up to {:e} expected, found {v:e} at sample {i}", f32::MAX))
                    }
                    (single, _) => Ok(single),
                };
                doubles.enumerate().map(single).collect::<Result<_>>()?
            }
            "<f2" => self.bytes.as_chunks::<2>().0.iter().map(|b| half_to_f32(u16::from_le_bytes(*b))).collect(),
            other => {
                let Some(whole) = self.whole() else { bail!("{name}: numbers expected, found the type {other}") };
                let exact = |(i, v): (usize, i128)| match (-EXACT..=EXACT).contains(&v) {
                    true => Ok(v as f32),
                    false => Err(anyhow::anyhow!("{name}: whole numbers up to {EXACT} expected, found {v} at sample {i}")),
                };
                whole.enumerate().map(exact).collect::<Result<_>>()?
            }
        };
        match values.iter().position(|v| v.is_nan()) {
            Some(i) => bail!("{name}: numbers expected, found NaN at sample {i}"),
            None => Ok(values),
        }
    }
}

/// Type and shape of a header, which is a Python dictionary of three known keys.
fn parse(header: &str) -> Result<(String, Vec<usize>)> {
    let body = header.trim().strip_prefix('{').and_then(|h| h.strip_suffix('}')).context("no dictionary")?;
    let after = |key: &str| {
        let at = body.find(&format!("'{key}':")).with_context(|| format!("no '{key}'"))?;
        Ok::<_, anyhow::Error>(body[at + key.len() + 3..].trim_start())
    };
    let descr = after("descr")?.strip_prefix('\'').and_then(|d| d.split_once('\'')).context("'descr' is no text")?.0;
    if !after("fortran_order")?.starts_with("False") {
        bail!("C order expected, found Fortran's");
    }
    let shape = after("shape")?.strip_prefix('(').and_then(|s| s.split_once(')')).context("'shape' is no tuple")?.0;
    let numbers = shape.split(',').map(str::trim).filter(|n| !n.is_empty());
    let shape = numbers.map(|n| n.parse().with_context(|| format!("'{n}' in the shape"))).collect::<Result<_>>()?;
    Ok((descr.to_owned(), shape))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn read(bytes: &[u8]) -> Result<Npy> {
        Npy::read("x.npy", &mut &bytes[..], 1 << 20)
    }

    #[test]
    fn files_come_back_and_have_numpys_form() {
        for shape in [vec![6], vec![1, 2, 3], vec![2, 3, 1, 1]] {
            let npy = Npy::u8(shape, vec![1, 2, 3, 4, 5, 250]);
            let file = npy.to_file();
            assert_eq!((file.len() - 6) % 64, 0);
            assert_eq!(read(&file).unwrap(), npy);
        }
        // As numpy 1.26 writes np.arange(3, dtype='i8').
        let mut file = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }".to_vec();
        file.extend(std::iter::repeat_n(b' ', 127 - file.len()));
        file.push(b'\n');
        (0u64..3).for_each(|n| file.extend(n.to_le_bytes()));
        assert_eq!(read(&file).unwrap().labels("x").unwrap(), [0, 1, 2]);
    }

    #[test]
    fn damaged_files_are_refused() {
        let file = Npy::u8(vec![2, 3], vec![7; 6]).to_file();
        let says = |bytes: &[u8], text: &str| {
            let error = format!("{:#}", read(bytes).unwrap_err());
            assert!(error.contains(text), "{error}");
        };
        (0..file.len()).for_each(|n| assert!(read(&file[..n]).is_err(), "cut at {n}"));
        says(&[file.clone(), vec![0]].concat(), "more than the 6 bytes");
        says(&[b"PK".to_vec(), file.clone()].concat(), "no .npy file");
        let with = |from: &str, to: &str| {
            let at = file.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
            let mut file = file.clone();
            file[at..at + to.len()].copy_from_slice(to.as_bytes());
            file
        };
        says(&with("|u1", "<c8"), "found '<c8'");
        says(&with("False", "True "), "Fortran");
        says(&with("(2, 3)", "(2, x)"), "'x' in the shape");
        says(&with("descr", "discr"), "no 'descr'");
        assert!(Npy::read("x", &mut &file[..], 5).is_err());
    }

    fn list(descr: &str, shape: Vec<usize>, bytes: Vec<u8>) -> Vec<u8> {
        Npy { descr: descr.into(), shape, bytes }.to_file()
    }

    #[test]
    fn floats_of_both_widths_are_read_and_everything_else_is_refused() {
        let single: Vec<u8> = [1.5f32, -2.0, f32::INFINITY].iter().flat_map(|v| v.to_le_bytes()).collect();
        let double: Vec<u8> = [0.1f64, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let floats = |file: &[u8]| read(file).and_then(|npy| npy.floats("a.npy"));
        assert_eq!(floats(&list("<f4", vec![3], single.clone())).unwrap(), [1.5, -2.0, f32::INFINITY]);
        assert_eq!(floats(&list("<f8", vec![2], double)).unwrap(), [0.1, 3.0]);
        let fails = |bytes: &[u8], words: &str| {
            let message = format!("{:#}", floats(bytes).unwrap_err());
            assert!(message.contains(words), "{message}");
        };
        fails(&list("<f4", vec![2], single.clone()), "more than the 8 bytes");
        fails(&list("<f4", vec![3, 1], single.clone()), "the shape [3, 1]");
        let whole = |descr: &str, values: &[i64], width: usize| {
            list(descr, vec![values.len()], values.iter().flat_map(|v| v.to_le_bytes()[..width].to_vec()).collect())
        };
        for (descr, width, signed) in [("|i1", 1, true), ("<i2", 2, true), ("<i4", 4, true), ("<i8", 8, true), ("|u1", 1, false)] {
            let values: &[i64] = if signed { &[3, -1, 0] } else { &[3, 255, 0] };
            assert_eq!(floats(&whole(descr, values, width)).unwrap(), values.iter().map(|v| *v as f32).collect::<Vec<_>>(), "{descr}");
        }
        assert_eq!(floats(&list("<f2", vec![1], vec![0x00, 0xc0])).unwrap(), [-2.0]);
        fails(&whole("<i8", &[1, (1 << 24) + 1], 8), "whole numbers up to 16777216 expected, found 16777217 at sample 1");
        fails(&list("<f8", vec![1], 1e300f64.to_le_bytes().to_vec()), "found 1e300 at sample 0");
        fails(&list(">f4", vec![3], single.clone()), "found '>f4'");
        fails(&list("<f4", vec![1], f32::NAN.to_le_bytes().to_vec()), "NaN at sample 0");
        fails(b"PK\x03\x04        ", "no .npy file");
        let whole = list("<f4", vec![3], single);
        (0..whole.len()).for_each(|end| assert!(floats(&whole[..end]).is_err(), "cut at {end}"));
        assert!(read(&list("<f4", vec![1], vec![0; 4])).unwrap().labels("a").is_err(), "floats are no labels");
    }

    #[test]
    fn indices_have_numpys_form() {
        let npy = read(&Npy::indices(&[0, 7, 49_999]).to_file()).unwrap();
        assert_eq!((npy.descr.as_str(), npy.shape), ("<i8", vec![3]));
        assert_eq!(npy.bytes, [0i64, 7, 49_999].iter().flat_map(|i| i.to_le_bytes()).collect::<Vec<u8>>());
    }
}
