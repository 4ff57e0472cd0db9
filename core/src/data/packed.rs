//! A dataset as one file that describes itself and can be memory-mapped: a header in JSON, labels, pixels.
//!
//! ```text
//! "SPARDATA" | version u32 | header bytes u32 | header, JSON | labels u16 | pixels       (little-endian; training, then test)
//! ```
//! Loading checks the header, the length to the byte and every label, and copies no pixel; the SHA-256 over labels and pixels
//! is compared when a file is written and when somebody asks. Without it every start would decode every image again.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::cifar100::Groups;
use super::{ABSENT, Bytes, Dataset, Images, Skipped, Transforms, Validation, Whole, hex};
use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"SPARDATA";
const VERSION: u32 = 1;
/// Bytes before the header.
const PREFIX: usize = 16;
/// No header needs more.
const MAX_HEADER: usize = 16 << 20;

/// What a packed file says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// A name of [`crate::data::DatasetName`].
    pub name: String,
    /// Class names, by label.
    pub classes: Vec<String>,
    /// Groups of classes, where the dataset has coarse labels too.
    #[serde(default)]
    pub groups: Option<Groups>,
    /// Channels, height, width.
    pub extent: (usize, usize, usize),
    /// Normalisation mean by channel.
    pub mean: [f32; 4],
    /// Normalisation standard deviation by channel.
    pub std: [f32; 4],
    /// What augmentation may do.
    pub augmentation: Transforms,
    /// Which part of the training file validates.
    pub validation: Validation,
    /// Images of the training file.
    pub train: usize,
    /// Images of the test file.
    pub test: usize,
    /// How many of all these are not here ([`ABSENT`]): of a part that a worker of the page hands on.
    #[serde(default, skip_serializing_if = "is_none")]
    pub absent: usize,
    /// Where the images came from.
    pub origin: Origin,
    /// SHA-256 of labels and pixels.
    pub sha256: String,
}

/// Where the images of a packed file came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// For people: an archive's name and whether it was the official one, or a folder.
    pub source: String,
    /// What tells whether the source has changed since; empty where nothing can change.
    pub fingerprint: String,
    /// What was left out, and why.
    pub skipped: Vec<Skipped>,
}

impl Header {
    fn of(dataset: &Dataset, groups: Option<&Groups>, origin: Origin) -> Self {
        Self {
            name: dataset.name.clone(),
            classes: dataset.classes.clone(),
            groups: groups.cloned(),
            extent: dataset.extent,
            mean: dataset.mean,
            std: dataset.std,
            augmentation: dataset.augmentation,
            validation: dataset.validation,
            train: dataset.train.len(),
            test: dataset.test.len(),
            absent: absent(&dataset.train.labels) + absent(&dataset.test.labels),
            origin,
            sha256: sum(dataset),
        }
    }

    /// Bytes of labels and of pixels, where that is a number at all.
    fn sizes(&self) -> Option<(usize, usize)> {
        let (c, h, w) = self.extent;
        let image = c.checked_mul(h)?.checked_mul(w).filter(|bytes| *bytes > 0)?;
        let images = self.train.checked_add(self.test)?;
        Some((images.checked_mul(2)?, images.checked_mul(image)?))
    }

    fn check(&self, file: &str) -> Result<()> {
        let fail = |what: &str, found: String| Err(Error::format(format!("{file}: header"), what, found));
        if self.classes.is_empty() || self.classes.len() > usize::from(u16::MAX) {
            return fail("1 to 65535 classes", self.classes.len().to_string());
        }
        if !self.mean.iter().all(|m| m.is_finite()) || !self.std.iter().all(|s| s.is_finite() && *s > 0.0) {
            return fail("a mean and a standard deviation above 0 by channel", format!("{:?} and {:?}", self.mean, self.std));
        }
        match &self.groups {
            Some(groups) if !groups.fits(self.classes.len()) => fail("a group for every class", format!("{} groups", groups.of.len())),
            _ => Ok(()),
        }
    }
}

/// Writes a dataset in packed form.
///
/// # Errors
/// What the writer says.
pub fn write(dataset: &Dataset, groups: Option<&Groups>, origin: Origin, out: &mut impl Write) -> io::Result<()> {
    let header = serde_json::to_vec(&Header::of(dataset, groups, origin))?;
    let length = u32::try_from(header.len()).ok().filter(|n| *n as usize <= MAX_HEADER);
    let length =
        length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("a header of {} bytes is too long", header.len())))?;
    out.write_all(MAGIC)?;
    out.write_all(&VERSION.to_le_bytes())?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&header)?;
    for images in [&dataset.train, &dataset.test] {
        out.write_all(&label_bytes(images))?;
    }
    out.write_all(&dataset.train.bytes)?;
    out.write_all(&dataset.test.bytes)
}

/// Reads only what a packed file says of itself, from its first bytes on.
///
/// # Errors
/// `Format` naming `file`.
pub fn read_header(file: &str, bytes: &[u8]) -> Result<(Header, usize)> {
    let word = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    if !bytes.starts_with(MAGIC) {
        return Err(Error::format(file, "a packed dataset", "another file"));
    }
    if word(8) != Some(VERSION) {
        return Err(Error::format(file, format!("version {VERSION} of packed datasets"), word(8).unwrap_or_default()));
    }
    let length = word(12).unwrap_or(u32::MAX) as usize;
    let json = bytes.get(PREFIX..).filter(|_| length <= MAX_HEADER).and_then(|rest| rest.get(..length));
    let json =
        json.ok_or_else(|| Error::format(file, format!("a header of {length} bytes"), format!("a file of {} bytes", bytes.len())))?;
    let header: Header = serde_json::from_slice(json).map_err(|e| Error::format(file, "the header of a packed dataset", e))?;
    header.check(file)?;
    Ok((header, PREFIX + length))
}

/// Reads a packed file; the dataset's pixels stay where they are.
///
/// # Errors
/// `Format` naming `file` where the header, the length or a label is not as it should be, or an image is absent.
pub fn read(file: &str, whole: Whole) -> Result<(Header, Dataset)> {
    let (header, dataset) = read_part(file, whole)?;
    if header.absent > 0 {
        return Err(Error::format(file, "a whole dataset", format!("{} images that are not here", header.absent)));
    }
    Ok((header, dataset))
}

/// Reads what a worker hands on, which may be a part of a dataset.
///
/// # Errors
/// As [`read`], but for absent images.
pub fn read_part(file: &str, whole: Whole) -> Result<(Header, Dataset)> {
    let bytes = (*whole).as_ref();
    let (header, labels_at) = read_header(file, bytes)?;
    let sizes = header.sizes().and_then(|(labels, pixels)| {
        let pixels_at = labels_at.checked_add(labels)?;
        Some((pixels_at, pixels_at.checked_add(pixels)?))
    });
    let Some((pixels_at, end)) = sizes.filter(|(_, end)| *end == bytes.len()) else {
        let expected = sizes.map_or_else(|| "a size that exists".into(), |(_, end)| format!("{end} bytes"));
        return Err(Error::format(file, expected, format!("{} bytes", bytes.len())));
    };
    let mut labels: Vec<u16> = bytes[labels_at..pixels_at].chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
    let wrong = |label: &u16| usize::from(*label) >= header.classes.len() && (*label != ABSENT || header.absent == 0);
    if let Some(i) = labels.iter().position(wrong) {
        return Err(Error::format(format!("{file}: label {i}"), format!("below {}", header.classes.len()), labels[i]));
    }
    if absent(&labels) != header.absent {
        return Err(Error::format(file, format!("{} images that are not here", header.absent), absent(&labels)));
    }
    let image = header.extent.0 * header.extent.1 * header.extent.2;
    let middle = pixels_at + header.train * image;
    let test = Images { labels: labels.split_off(header.train), bytes: Bytes::part(whole.clone(), middle..end)? };
    let dataset = Dataset {
        name: header.name.clone(),
        classes: header.classes.clone(),
        extent: header.extent,
        mean: header.mean,
        std: header.std,
        augmentation: header.augmentation,
        validation: header.validation,
        train: Images { labels, bytes: Bytes::part(whole.clone(), pixels_at..middle)? },
        test,
    };
    Ok((header, dataset))
}

/// Compares labels and pixels with the SHA-256 in the header.
///
/// # Errors
/// `Format` with both sums.
pub fn verify(file: &str, header: &Header, dataset: &Dataset) -> Result<()> {
    let found = sum(dataset);
    if found == header.sha256 { Ok(()) } else { Err(Error::format(file, format!("SHA-256 {} of labels and pixels", header.sha256), found)) }
}

fn sum(dataset: &Dataset) -> String {
    let mut hash = Sha256::new();
    for images in [&dataset.train, &dataset.test] {
        hash.update(label_bytes(images));
    }
    hash.update(&*dataset.train.bytes);
    hash.update(&*dataset.test.bytes);
    hex(&hash.finalize())
}

fn absent(labels: &[u16]) -> usize {
    labels.iter().filter(|label| **label == ABSENT).count()
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

fn label_bytes(images: &Images) -> Vec<u8> {
    images.labels.iter().flat_map(|label| label.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use super::*;
    use crate::data::builtin::builtin;

    fn packed() -> (Dataset, Vec<u8>) {
        let data = builtin(0.4, 7, 3, 1);
        let skipped = vec![Skipped { reason: "damaged".into(), count: 1, first: vec!["a/b.png".into()] }];
        let origin = Origin { source: "a test".into(), fingerprint: "1234".into(), skipped };
        let groups = Groups { classes: vec!["round".into(), "edgy".into()], of: vec![0, 0, 1, 1, 1, 1, 1, 0, 0, 1] };
        let mut bytes = Vec::new();
        write(&data, Some(&groups), origin, &mut bytes).unwrap();
        (data, bytes)
    }

    fn load(bytes: Vec<u8>) -> Result<(Header, Dataset)> {
        read("x.packed", Arc::new(bytes))
    }

    #[test]
    fn what_was_written_is_read_without_a_copy() {
        let (data, bytes) = packed();
        let whole: Whole = Arc::new(bytes);
        let (header, read) = read("x", whole.clone()).unwrap();
        assert_eq!(read, data);
        assert_eq!((header.origin.source.as_str(), header.origin.skipped[0].count, header.train, header.test), ("a test", 1, 7, 3));
        let range = (*whole).as_ref().as_ptr_range();
        assert!(range.contains(&read.train.bytes.as_ptr()) && range.contains(&read.test.bytes.as_ptr()));
        verify("x", &header, &read).unwrap();
        assert_eq!(header.groups.unwrap().relabel(read, "g").classes, ["round", "edgy"]);
    }

    #[test]
    fn every_cut_is_noticed_on_load() {
        let (_, bytes) = packed();
        for end in 0..bytes.len() {
            assert!(load(bytes[..end].to_vec()).unwrap_err().to_string().starts_with("x.packed"), "{end}");
        }
        assert!(load([bytes.clone(), vec![0]].concat()).unwrap_err().to_string().contains(&format!("expected {} bytes", bytes.len())));
    }

    #[test]
    fn a_flipped_pixel_is_noticed_by_verify_and_a_wrong_label_on_load() {
        let (data, bytes) = packed();
        let mut pixel = bytes.clone();
        *pixel.last_mut().unwrap() ^= 1;
        let (header, read) = load(pixel).unwrap();
        assert!(verify("x", &header, &read).unwrap_err().to_string().contains("x: expected SHA-256"));
        let labels_at = bytes.len() - 10 * 3072 - 20;
        let mut label = bytes;
        assert_eq!(u16::from(label[labels_at]), data.train.labels[0]);
        label[labels_at + 2 * 8] = 10;
        assert_eq!(load(label).unwrap_err().to_string(), "x.packed: label 8: expected below 10, found 10");
    }

    #[test]
    fn a_part_is_handed_on_and_absent_images_are_counted() {
        let (mut data, whole) = packed();
        assert!(!String::from_utf8_lossy(&whole).contains("absent"), "whole files are what they were");
        (data.train.labels[2], data.test.labels[0]) = (ABSENT, ABSENT);
        let mut bytes = Vec::new();
        write(&data, None, Origin::default(), &mut bytes).unwrap();
        let (header, part) = read_part("x", Arc::new(bytes.clone())).unwrap();
        assert_eq!((header.absent, part), (2, data));
        assert!(load(bytes.clone()).unwrap_err().to_string().contains("expected a whole dataset, found 2 images"));
        let labels_at = bytes.len() - 10 * 3072 - 20;
        bytes[labels_at..labels_at + 2].fill(0xff);
        assert_eq!(load(bytes).unwrap_err().to_string(), "x.packed: expected 2 images that are not here, found 3");
        let mut label = whole;
        let labels_at = label.len() - 10 * 3072 - 20;
        label[labels_at..labels_at + 2].fill(0xff);
        assert_eq!(load(label).unwrap_err().to_string(), "x.packed: label 0: expected below 10, found 65535");
    }

    #[test]
    fn headers_that_lie_are_refused() {
        let (_, bytes) = packed();
        let (header, at) = read_header("x", &bytes).unwrap();
        type Spoil = fn(&mut Header);
        let cases: [(Spoil, &str); 7] = [
            (|h| h.train = usize::MAX, "a size that exists"),
            (|h| h.extent = (usize::MAX, 2, 2), "a size that exists"),
            (|h| h.extent = (0, 32, 32), "a size that exists"),
            (|h| h.test += 1, "bytes"),
            (|h| h.classes.clear(), "classes"),
            (|h| h.std[1] = 0.0, "standard deviation"),
            (|h| h.groups = Some(Groups { classes: vec![], of: vec![0; 10] }), "a group for every class"),
        ];
        for (spoil, text) in cases {
            let mut wrong = header.clone();
            spoil(&mut wrong);
            let json = serde_json::to_vec(&wrong).unwrap();
            let file = [&bytes[..12], &(json.len() as u32).to_le_bytes(), &json, &bytes[at..]].concat();
            let message = load(file).unwrap_err().to_string();
            assert!(message.contains(text), "{message}");
        }
        let mut long = bytes.clone();
        long[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(load(long).unwrap_err().to_string().contains("a header of 4294967295 bytes"));
        let mut newer = bytes;
        newer[8] = 2;
        assert!(load(newer).unwrap_err().to_string().contains("version 1 of packed datasets, found 2"));
        assert!(load(b"<html>".to_vec()).unwrap_err().to_string().contains("expected a packed dataset"));
    }
}
