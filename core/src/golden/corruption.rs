//! Corruptions without random numbers, against the published ones' arithmetic, before rounding to bytes.

use super::Finding;
use super::case::{Case, Tensors};
use super::check::{Check, JPEG_TOLERANCE, PIXEL_TOLERANCE};
use crate::corrupt::{Corruption, Picture, Severity, corrupt, stream};
use crate::data::Split;
use crate::error::{Error, Result};

/// All severities of one kind on every image of the case.
pub fn run(case: &Case, tensors: &Tensors) -> Result<Finding> {
    let kind: Corruption = case.text("name")?.parse()?;
    let (x, [n, c, h, w]) = tensors.with_rank::<4>("x")?;
    let size = c * h * w;
    if n == 0 || size == 0 || x.len() != n * size {
        return Err(Error::format(case.file()?, "images that are not empty", "none"));
    }
    let mut check = Check::default();
    for severity in Severity::ALL {
        let mut got = Vec::with_capacity(x.len());
        for (i, image) in x.chunks_exact(size).enumerate() {
            let mut image = Picture { c, h, w, data: image.to_vec() };
            corrupt(&mut image, kind, severity, &mut stream(0, Split::Test, i as u64, kind, severity));
            got.extend(image.data);
        }
        let name = format!("severity{}", severity.number());
        let want = tensors.values(&name)?;
        match kind {
            Corruption::JpegCompression => check.mean_within(&name, &got, want, JPEG_TOLERANCE),
            _ => check.within(&name, &got, want, PIXEL_TOLERANCE),
        }
    }
    Ok(check.finding())
}
