//! IDX files, the form of MNIST and its relatives: images and labels, plain or gzip-compressed.
//!
//! The header states every extent, so the size is known and bounded before a pixel is read; whatever is shorter, longer or
//! larger is refused.

use std::io::Read;

use flate2::read::GzDecoder;

use super::{Dataset, Images, Normalization, Transforms, Validation};
use crate::error::{Error, Result};

/// The most that one file may hold.
const MAX_BYTES: u64 = 1 << 30;
/// The longest side of an image.
const MAX_SIDE: usize = 512;

/// A file's name and content.
pub type Named<'a> = (&'a str, &'a [u8]);

/// A dataset from its four files: images and labels to train on, images and labels to test on.
///
/// The label is the class's name; there are as many classes as the largest label asks for. Flips are not allowed, since the
/// images are taken for digits or letters, which a mirror makes into others.
///
/// # Errors
/// `Format` naming the file, what was expected and what was found.
pub fn dataset(train: [Named<'_>; 2], test: [Named<'_>; 2]) -> Result<Dataset> {
    let (train, extent) = images(train)?;
    let (test_images, test_extent) = images(test)?;
    if extent != test_extent {
        let text = |(h, w): (usize, usize)| format!("images of {h}x{w}");
        return Err(Error::format(test[0].0, text(extent), text(test_extent)));
    }
    let classes = train.labels.iter().chain(&test_images.labels).max().map_or(0, |label| usize::from(*label) + 1);
    let (mean, std) = Normalization::Mnist.mean_std();
    Ok(Dataset {
        name: "mnist".into(),
        classes: (0..classes).map(|i| i.to_string()).collect(),
        extent: (1, extent.0, extent.1),
        mean,
        std,
        augmentation: Transforms { flip: false, rotate: false },
        validation: Validation::LastTenth,
        train,
        test: test_images,
    })
}

fn images([pixels, labels]: [Named<'_>; 2]) -> Result<(Images, (usize, usize))> {
    let ([count, h, w], bytes) = read::<3>(pixels, 0x0000_0803)?;
    let ([label_count], label_bytes) = read::<1>(labels, 0x0000_0801)?;
    if !(1..=MAX_SIDE).contains(&h) || !(1..=MAX_SIDE).contains(&w) || !(h * w).is_multiple_of(4) {
        let expected = format!("sides of 1 to {MAX_SIDE} and a multiple of 4 pixels");
        return Err(Error::format(pixels.0, expected, format!("images of {h}x{w}")));
    }
    if count != label_count {
        return Err(Error::format(labels.0, format!("{count} labels, one for each image"), label_count));
    }
    Ok((Images { bytes: bytes.into(), labels: label_bytes.into_iter().map(u16::from).collect() }, (h, w)))
}

/// Extents and content of an IDX file of bytes with `RANK` dimensions.
fn read<const RANK: usize>((name, bytes): Named<'_>, magic: u32) -> Result<([usize; RANK], Vec<u8>)> {
    let mut reader: Box<dyn Read + '_> = if bytes.starts_with(&[0x1f, 0x8b]) { Box::new(GzDecoder::new(bytes)) } else { Box::new(bytes) };
    let broken = |e: std::io::Error| Error::format(name, "a complete IDX file", e);
    let mut word = || {
        let mut word = [0; 4];
        reader.read_exact(&mut word).map(|()| u32::from_be_bytes(word)).map_err(broken)
    };
    let found = word()?;
    if found != magic {
        return Err(Error::format(name, format!("an IDX file of bytes in {RANK} dimensions ({magic:08x})"), format!("{found:08x}")));
    }
    let mut extents = [0; RANK];
    for extent in &mut extents {
        *extent = word()? as usize;
    }
    let size = extents.iter().try_fold(1u64, |product, extent| product.checked_mul(*extent as u64)).filter(|size| *size <= MAX_BYTES);
    let size = size.ok_or_else(|| Error::format(name, format!("at most {MAX_BYTES} bytes"), format!("extents {extents:?}")))?;
    let mut content = Vec::new();
    reader.by_ref().take(size + 1).read_to_end(&mut content).map_err(broken)?;
    if content.len() as u64 != size {
        let found = if content.len() as u64 > size { "more".to_owned() } else { content.len().to_string() };
        return Err(Error::format(name, format!("{size} bytes after its header"), found));
    }
    Ok((extents, content))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::Write;

    use super::*;

    fn idx(magic: u32, extents: &[u32], content: &[u8]) -> Vec<u8> {
        [magic].iter().chain(extents).flat_map(|w| w.to_be_bytes()).chain(content.iter().copied()).collect()
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn files() -> [Vec<u8>; 4] {
        let pixels: Vec<u8> = (0..3 * 8).collect();
        [idx(0x803, &[3, 2, 4], &pixels), idx(0x801, &[3], &[0, 7, 2]), idx(0x803, &[1, 2, 4], &[9; 8]), idx(0x801, &[1], &[1])]
    }

    fn load(files: &[Vec<u8>; 4]) -> Result<Dataset> {
        dataset([("ti", &files[0]), ("tl", &files[1])], [("si", &files[2]), ("sl", &files[3])])
    }

    #[test]
    fn plain_and_compressed_files_are_the_same_dataset() {
        let data = load(&files()).unwrap();
        assert_eq!((data.extent, data.train.labels.clone(), data.test.labels.clone()), ((1, 2, 4), vec![0, 7, 2], vec![1]));
        assert_eq!((data.classes.len(), data.train.bytes[8..16].to_vec()), (8, (8..16).collect::<Vec<u8>>()));
        assert!(!data.augmentation.flip && !data.augmentation.rotate);
        assert_eq!(load(&files().map(|f| gz(&f))).unwrap(), data);
    }

    #[test]
    fn wrong_files_are_named() {
        let error = |which: usize, bytes: Vec<u8>| {
            let mut all = files();
            all[which] = bytes;
            load(&all).unwrap_err().to_string()
        };
        for which in 0..4 {
            let whole = &files()[which];
            for end in 0..whole.len() {
                let (plain, packed) = (error(which, whole[..end].to_vec()), error(which, gz(&whole[..end])));
                let name = ["ti", "tl", "si", "sl"][which];
                assert!(plain.starts_with(name) && packed.starts_with(name), "{end}: {plain}");
            }
            assert!(error(which, [whole.clone(), vec![0]].concat()).ends_with("bytes after its header, found more"));
        }
        assert!(error(0, files()[1].clone()).contains("3 dimensions (00000803), found 00000801"));
        assert!(error(1, idx(0x801, &[2], &[0, 1])).ends_with("tl: expected 3 labels, one for each image, found 2"));
        assert!(error(2, idx(0x803, &[1, 4, 4], &[0; 16])).contains("expected images of 2x4, found images of 4x4"));
        assert!(error(0, idx(0x803, &[1, 3, 3], &[0; 9])).contains("a multiple of 4 pixels"));
        assert!(error(0, idx(0x803, &[1, 1, 1024], &[0; 1024])).contains("images of 1x1024"));
        // Sizes that lie: refused before anything is reserved, also where they overflow.
        assert!(error(0, idx(0x803, &[u32::MAX; 3], &[])).contains("expected at most 1073741824 bytes"));
        assert!(error(0, gz(&idx(0x803, &[70_000, 512, 512], &[0; 64]))).contains("expected at most"));
        let mut cut = gz(&files()[0]);
        cut.truncate(cut.len() - 9);
        assert!(error(0, cut).starts_with("ti: expected"));
    }
}
