//! Pictures into images: PNG and JPEG decoded within declared bounds, cut square, resized, laid out as planes.
//!
//! A picture is judged by its first bytes, not its name, and its declared extent is refused before memory is reserved for it.
//! Orientation tags and colour profiles are not applied, as in the usual loaders.

use std::fmt;
use std::io::Cursor;
use std::sync::OnceLock;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Images, Skipped};
use crate::error::{Error, Result};
use crate::names::named_enum;
use crate::platform::parallel_for;

/// The longest side of a picture, pixels.
pub const MAX_SIDE: usize = 16_384;
/// The most pixels of a picture: 150 MB decoded.
pub const MAX_PIXELS: usize = 50_000_000;
/// The largest file of a picture.
pub const MAX_FILE: u64 = 64 << 20;
/// Pictures decoded between two appends: bounds the memory that waits.
const BLOCK: usize = 2048;

named_enum! {
    /// What becomes of pictures that cannot be read.
    pub enum Damaged ("treatment of damaged pictures") {
        /// They are left out and reported.
        Skip = "skip",
        /// The first one is an error.
        Fail = "fail",
    }
}

/// Why a picture gives no image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Neither PNG nor JPEG.
    Unknown,
    /// It declares more than the bounds allow.
    TooLarge(String),
    /// It breaks off or contradicts itself; the decoder's words.
    Damaged(String),
    /// Not of the extent that the dataset has.
    Extent(String),
}

impl Fault {
    /// The reason in a report.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unknown => "neither PNG nor JPEG",
            Self::TooLarge(_) => "too large",
            Self::Damaged(_) => "damaged",
            Self::Extent(_) => "of another size",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str(self.reason()),
            Self::TooLarge(words) | Self::Damaged(words) | Self::Extent(words) => write!(f, "{}: {words}", self.reason()),
        }
    }
}

/// A decoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Red, green, blue of each pixel, row after row.
    pub rgb: Vec<u8>,
}

/// Decodes a PNG or a JPEG. Grey becomes colour; transparent pixels lie on black.
///
/// # Errors
/// Why not.
pub fn decode(bytes: &[u8]) -> Result<Picture, Fault> {
    if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        jpeg(bytes)
    } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        png(bytes)
    } else {
        Err(Fault::Unknown)
    }
}

fn bounded(width: usize, height: usize) -> Result<(), Fault> {
    if width == 0 || height == 0 {
        return Err(Fault::Damaged(format!("{width}x{height} pixels")));
    }
    if width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS {
        return Err(Fault::TooLarge(format!("{width}x{height} pixels; at most {MAX_SIDE} a side and {MAX_PIXELS} in all")));
    }
    Ok(())
}

fn jpeg(bytes: &[u8]) -> Result<Picture, Fault> {
    // The decoder takes zeros for what is cut off the last rows; in scan data this marker stands only where it ends.
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|w| w == marker);
    if last([0xff, 0xd9]) <= last([0xff, 0xda]) {
        return Err(Fault::Damaged("no end marker: it breaks off".into()));
    }
    let broken = |e: zune_jpeg::errors::DecodeErrors| Fault::Damaged(format!("{e:?}"));
    // Strict: a picture that breaks off is an error, not half grey. The extent has its own check below.
    let options = DecoderOptions::default().set_strict_mode(true).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(Cursor::new(bytes), options);
    decoder.decode_headers().map_err(broken)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| Fault::Damaged("no extent".into()))?;
    bounded(width, height)?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    decoder.set_options(options.jpeg_set_out_colorspace(if grey { ColorSpace::Luma } else { ColorSpace::RGB }));
    let pixels = decoder.decode().map_err(broken)?;
    rgb(width, height, &pixels, if grey { 1 } else { 3 })
}

fn png(bytes: &[u8]) -> Result<Picture, Fault> {
    let broken = |e: png::DecodingError| Fault::Damaged(e.to_string());
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: 8 * MAX_PIXELS });
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(broken)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    bounded(width, height)?;
    let size = reader.output_buffer_size().ok_or_else(|| Fault::TooLarge(format!("{width}x{height} pixels")))?;
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(broken)?;
    reader.finish().map_err(broken)?;
    pixels.truncate(frame.buffer_size());
    rgb(width, height, &pixels, frame.color_type.samples())
}

/// One, two (grey and alpha), three or four (colour and alpha) samples a pixel into three.
fn rgb(width: usize, height: usize, pixels: &[u8], samples: usize) -> Result<Picture, Fault> {
    if pixels.len() != width * height * samples {
        return Err(Fault::Damaged(format!("{} bytes for {width}x{height} pixels of {samples} samples", pixels.len())));
    }
    // Rounded to nearest.
    let on_black = |value: u8, alpha: u8| ((u32::from(value) * u32::from(alpha) + 127) / 255) as u8;
    let pixel = |p: &[u8]| match *p {
        [v] => [v; 3],
        [v, a] => [on_black(v, a); 3],
        [r, g, b] => [r, g, b],
        [r, g, b, a] => [r, g, b].map(|v| on_black(v, a)),
        _ => [0; 3],
    };
    Ok(Picture { width, height, rgb: pixels.chunks_exact(samples).flat_map(pixel).collect() })
}

/// How pictures become images of one extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// They must be square with this side already.
    Exactly(usize),
    /// The largest centred square is cut out and resized to this side: the whole picture squashed would distort shapes, which
    /// classes differ by.
    Centre(usize),
}

impl Fit {
    /// Side of the images.
    pub fn side(self) -> usize {
        let (Self::Exactly(side) | Self::Centre(side)) = self;
        side
    }

    /// A picture as an image `[3][side][side]`.
    ///
    /// # Errors
    /// `Extent` where it must fit and does not.
    pub fn image(self, picture: &Picture) -> Result<Vec<u8>, Fault> {
        let side = self.side();
        if let Self::Exactly(_) = self
            && (picture.width, picture.height) != (side, side)
        {
            return Err(Fault::Extent(format!("{}x{} pixels instead of {side}x{side}", picture.width, picture.height)));
        }
        let square = picture.width.min(picture.height);
        let (left, top) = ((picture.width - square) / 2, (picture.height - square) / 2);
        let at = |x: usize, y: usize, c: usize| picture.rgb[((top + y) * picture.width + left + x) * 3 + c];
        let mut out = Vec::with_capacity(3 * side * side);
        if square == side {
            for c in 0..3 {
                out.extend((0..side * side).map(|i| at(i % side, i / side, c)));
            }
            return Ok(out);
        }
        let taps = Taps::new(square, side);
        for c in 0..3 {
            // Across, then down.
            let mut rows = vec![0f32; square * side];
            for (y, row) in rows.chunks_exact_mut(side).enumerate() {
                for (value, (first, weights)) in row.iter_mut().zip(&taps.0) {
                    *value = weights.iter().enumerate().map(|(k, w)| w * f32::from(at(first + k, y, c))).sum();
                }
            }
            for (first, weights) in &taps.0 {
                for x in 0..side {
                    let value: f32 = weights.iter().enumerate().map(|(k, w)| w * rows[(first + k) * side + x]).sum();
                    out.push((value + 0.5) as u8);
                }
            }
        }
        Ok(out)
    }
}

/// For each output pixel, the first input pixel it sees and the weights from there on: a triangle as wide as the scale asks
/// for, so that making smaller averages and making larger interpolates (what "bilinear with antialias" means elsewhere).
/// Plain arithmetic in a fixed order: the same bytes on every machine.
struct Taps(Vec<(usize, Vec<f32>)>);

impl Taps {
    fn new(from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        let radius = scale.max(1.0);
        let tap = |i: usize| {
            let centre = (i as f64 + 0.5) * scale;
            let first = (centre - radius).floor().max(0.0) as usize;
            let last = ((centre + radius).ceil() as usize).min(from);
            let weights: Vec<f64> = (first..last).map(|k| (1.0 - ((k as f64 + 0.5 - centre) / radius).abs()).max(0.0)).collect();
            let total: f64 = weights.iter().sum();
            (first, weights.iter().map(|w| (w / total) as f32).collect())
        };
        Self((0..to).map(tap).collect())
    }
}

/// A picture that is to become an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its name in messages.
    pub name: String,
    /// Its class.
    pub label: u16,
}

/// Reads and decodes pictures on all threads, in order. `read` gives the bytes of item i; `tick` is told how many are done.
///
/// # Errors
/// `Format` naming the first picture that gives no image, where damaged ones fail.
pub fn images(
    items: &[Item],
    read: impl Fn(usize) -> Result<Vec<u8>, Fault> + Sync + Send,
    fit: Fit,
    damaged: Damaged,
    skipped: &mut Vec<Skipped>,
    tick: &dyn Fn(usize),
) -> Result<Images> {
    let size = 3 * fit.side() * fit.side();
    let (mut bytes, mut labels) = (Vec::new(), Vec::with_capacity(items.len()));
    for (block, first) in items.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
        let done: Vec<OnceLock<Result<Vec<u8>, Fault>>> = block.iter().map(|_| OnceLock::new()).collect();
        parallel_for(block.len(), |i| {
            // Each place is filled once.
            let _ = done[i].set(read(first + i).and_then(|bytes| fit.image(&decode(&bytes)?)));
        });
        bytes.reserve(block.len() * size);
        for (item, image) in block.iter().zip(done) {
            match image.into_inner().unwrap_or(Err(Fault::Unknown)) {
                Ok(image) => {
                    bytes.extend_from_slice(&image);
                    labels.push(item.label);
                }
                Err(fault) if damaged == Damaged::Fail => return Err(Error::format(&item.name, "a whole PNG or JPEG picture", fault)),
                Err(fault) => Skipped::add(skipped, fault.reason(), &item.name),
            }
        }
        tick(first + block.len());
    }
    Ok(Images { bytes: bytes.into(), labels })
}

#[cfg(test)]
pub(super) mod tests;
