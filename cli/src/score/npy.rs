//! One-dimensional `.npy` files: scores of other programs in, indices for other programs out.

use sparring_core::Error;
use sparring_core::error::Result;

const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads float32 or float64 numbers, rounded to float32.
///
/// # Errors
/// `Format` for anything else, and for a number that is none.
pub fn read_floats(file: &str, bytes: &[u8]) -> Result<Vec<f32>> {
    let wrong = |found: String| Error::format(file, "a .npy file of one dimension, float32 or float64, little-endian", found);
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| wrong("another kind of file".into()))?;
    let cut = || wrong("a header that is cut off".into());
    let (size, start) = match rest {
        [1, _, a, b, ..] => (usize::from(u16::from_le_bytes([*a, *b])), 4),
        [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 6),
        _ => return Err(cut()),
    };
    let header = rest.get(start..).and_then(|r| r.get(..size)).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| wrong("a header that is no text".into()))?;
    let field = |name: &str| header.split_once(&format!("'{name}':")).map(|(_, rest)| rest.trim_start());
    let width = match field("descr").and_then(|d| d.strip_prefix('\'')).and_then(|d| d.split_once('\'')) {
        Some(("<f4", _)) => 4,
        Some(("<f8", _)) => 8,
        other => return Err(wrong(format!("numbers of type {}", other.map_or("unknown", |(kind, _)| kind)))),
    };
    let shape = field("shape").and_then(|s| s.strip_prefix('(')).and_then(|s| s.split_once(')')).map_or("?", |(inside, _)| inside.trim());
    let length = shape.strip_suffix(',').and_then(|n| n.trim().parse::<usize>().ok());
    let length = length.ok_or_else(|| wrong(format!("the shape ({shape})")))?;
    let data = &rest[start + size..];
    if Some(data.len()) != length.checked_mul(width) {
        return Err(wrong(format!("{} bytes where {length} numbers of {width} belong", data.len())));
    }
    let values: Vec<f32> = match width {
        4 => data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        _ => data.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
    };
    match values.iter().position(|v| v.is_nan()) {
        Some(i) => Err(Error::format(file, "numbers", format!("NaN at sample {i}"))),
        None => Ok(values),
    }
}

/// Indices as int64, what numpy indexes with.
pub fn write_indices(indices: &[u32]) -> Vec<u8> {
    let mut header = format!("{{'descr': '<i8', 'fortran_order': False, 'shape': ({},), }}", indices.len());
    // The data begin at a multiple of 64 bytes.
    let padding = (64 - (MAGIC.len() + 4 + header.len() + 1) % 64) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let mut out = MAGIC.to_vec();
    out.extend([1, 0]);
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    indices.iter().for_each(|i| out.extend(i64::from(*i).to_le_bytes()));
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn file(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut out = MAGIC.to_vec();
        out.extend([1, 0]);
        out.extend((header.len() as u16).to_le_bytes());
        out.extend(header.as_bytes());
        out.extend(data);
        out
    }

    #[test]
    fn floats_of_both_widths_are_read_and_everything_else_is_refused() {
        let single: Vec<u8> = [1.5f32, -2.0, f32::INFINITY].iter().flat_map(|v| v.to_le_bytes()).collect();
        let double: Vec<u8> = [0.1f64, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(read_floats("a", &file("<f4", "(3,)", &single)).unwrap(), [1.5, -2.0, f32::INFINITY]);
        assert_eq!(read_floats("a", &file("<f8", "(2,)", &double)).unwrap(), [0.1, 3.0]);
        let fails = |bytes: &[u8], words: &str| {
            let message = read_floats("a.npy", bytes).unwrap_err().to_string();
            assert!(message.starts_with("a.npy: expected") && message.contains(words), "{message}");
        };
        fails(&file("<f4", "(2,)", &single), "12 bytes where 2 numbers of 4 belong");
        fails(&file("<f4", "(3, 1)", &single), "the shape (3, 1)");
        fails(&file("<i8", "(3,)", &single), "numbers of type <i8");
        fails(&file(">f4", "(3,)", &single), "numbers of type >f4");
        fails(&file("<f4", "(1,)", &f32::NAN.to_le_bytes()), "NaN at sample 0");
        fails(b"PK\x03\x04", "another kind of file");
        let whole = file("<f4", "(3,)", &single);
        (0..whole.len()).for_each(|end| assert!(read_floats("a", &whole[..end]).is_err(), "cut at {end}"));
    }

    #[test]
    fn indices_have_numpys_form() {
        let bytes = write_indices(&[0, 7, 49_999]);
        let size = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((10 + size) % 64, 0);
        assert!(
            std::str::from_utf8(&bytes[10..10 + size]).unwrap().starts_with("{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }")
        );
        assert_eq!(bytes[10 + size..], [0i64, 7, 49_999].iter().flat_map(|i| i.to_le_bytes()).collect::<Vec<u8>>());
    }
}
