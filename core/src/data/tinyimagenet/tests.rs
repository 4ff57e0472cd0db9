//! Small archives in the official form: read, cut, hostile.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write;

use zip::write::{SimpleFileOptions, ZipWriter};

use super::super::pictures::tests::{jpeg_of, png_of};
use super::*;
use crate::data::train_validation_split;

/// A grey picture of one value.
fn picture(value: u8) -> Vec<u8> {
    jpeg_of(64, 64, &[vec![value; 64]])
}

fn parts() -> Vec<(String, Vec<u8>)> {
    let mut parts: Vec<(String, Vec<u8>)> = vec![
        ("wnids.txt".into(), b"n02\nn01\nn03\n".to_vec()),
        ("words.txt".into(), b"n01\tcrane, bird\nn02\tcrane\nn03\tgoldfish, Carassius auratus\nn04\tother\n".to_vec()),
        ("val/val_annotations.txt".into(), b"val_0.JPEG\tn03\t0\t0\t9\t9\nval_1.JPEG\tn01\t0\t0\t9\t9\n".to_vec()),
        ("val/images/val_1.JPEG".into(), picture(201)),
        ("val/images/val_0.JPEG".into(), picture(200)),
        ("test/images/test_0.JPEG".into(), b"not read".to_vec()),
        ("train/n01/n01_boxes.txt".into(), b"not read".to_vec()),
    ];
    for (class, value) in [("n02", 20), ("n01", 10), ("n03", 30)] {
        for i in [1, 0] {
            parts.push((format!("train/{class}/images/{class}_{i}.JPEG"), picture(value + i)));
        }
    }
    parts
}

fn archive(parts: &[(String, Vec<u8>)], compress: bool) -> Vec<u8> {
    archive_in(ROOT, parts, compress)
}

fn archive_in(root: &str, parts: &[(String, Vec<u8>)], compress: bool) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let method = if compress { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    for (name, bytes) in parts {
        let name = if name.starts_with("..") || name.starts_with('/') { name.clone() } else { format!("{root}{name}") };
        zip.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn load(bytes: &[u8], damaged: Damaged) -> Result<(Dataset, Vec<Skipped>)> {
    from_zip("given.zip", bytes, damaged, &|_, _| {})
}

fn error(bytes: &[u8]) -> String {
    load(bytes, Damaged::Fail).unwrap_err().to_string()
}

/// Replaces a name everywhere in an archive by one of the same length.
fn rename(bytes: &mut [u8], from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let mut found = 0;
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
            found += 1;
        }
    }
    assert_eq!(found, 2, "a local and a central header");
}

#[test]
fn classes_by_number_images_by_name() {
    for compress in [false, true] {
        let (data, skipped) = load(&archive(&parts(), compress), Damaged::Fail).unwrap();
        assert!(skipped.is_empty());
        assert_eq!(data.classes, ["crane (n01)", "crane (n02)", "goldfish"]);
        assert_eq!((data.train.labels.clone(), data.test.labels.clone()), (vec![0, 0, 1, 1, 2, 2], vec![2, 0]));
        let first: Vec<u8> = data.train.bytes.chunks_exact(3 * 4096).map(|image| image[0]).collect();
        assert_eq!(first, [10, 11, 20, 21, 30, 31]);
        assert_eq!((data.test.bytes[0], data.test.bytes[3 * 4096], data.extent), (200, 201, (3, 64, 64)));
        assert_eq!(train_validation_split(&data).1.len(), 1);
    }
}

#[test]
fn what_lies_beside_the_pictures_is_none() {
    let good = load(&archive(&parts(), true), Damaged::Fail).unwrap();
    let mut apple = parts();
    apple.push(("train/n01/images/._n01_0.JPEG".into(), b"\0\x05\x16\x07".to_vec()));
    apple.push(("val/images/._val_0.JPEG".into(), b"\0\x05\x16\x07".to_vec()));
    apple.push(("train/n01/images/.DS_Store".into(), b"x".to_vec()));
    apple.push(("../__MACOSX/tiny-imagenet-200/._wnids.txt".into(), b"x".to_vec()));
    assert_eq!(load(&archive(&apple, true), Damaged::Fail).unwrap(), good);
}

#[test]
fn a_folder_is_read_as_its_archive_and_so_is_one_with_sorted_test_pictures() {
    let good = load(&archive(&parts(), true), Damaged::Fail).unwrap();
    let folder = |parts: &[(String, Vec<u8>)]| {
        let paths: Vec<String> = parts.iter().map(|(path, _)| path.clone()).collect();
        from_files("given", &paths, &|i, _| Ok(parts[i].1.clone()), Damaged::Fail, &|_, _| {}).unwrap()
    };
    assert_eq!(folder(&parts()), good);
    for between in ["", "images/"] {
        let mut sorted = parts();
        sorted.retain(|(path, _)| !path.ends_with("val_annotations.txt"));
        for (path, _) in &mut sorted {
            *path = path
                .replace("val/images/val_0", &format!("val/n03/{between}val_0"))
                .replace("val/images/val_1", &format!("val/n01/{between}val_1"));
        }
        assert_eq!(folder(&sorted), good, "{between}");
    }
}

#[test]
fn an_archive_without_its_folder_is_the_same_dataset() {
    let good = load(&archive(&parts(), true), Damaged::Fail).unwrap();
    for root in ["", "./", "./tiny-imagenet-200/"] {
        assert_eq!(load(&archive_in(root, &parts(), true), Damaged::Fail).unwrap(), good, "{root}");
    }
}

#[test]
fn a_damaged_picture_is_named_or_skipped() {
    let mut cut = parts();
    let name = cut[9].0.clone();
    cut[9].1.truncate(100);
    let bytes = archive(&cut, false);
    let message = error(&bytes);
    assert!(
        name.ends_with("n01_1.JPEG") && message.starts_with("given.zip: n01_1.JPEG: expected a whole PNG or JPEG picture"),
        "{message}"
    );
    let (data, skipped) = load(&bytes, Damaged::Skip).unwrap();
    assert_eq!((data.train.labels.clone(), skipped[0].to_string()), (vec![0, 1, 1, 2, 2], "1 damaged: given.zip: n01_1.JPEG".into()));
    let mut other = parts();
    other[3].1 = jpeg_of(32, 64, &[vec![1; 32]]);
    other[4].1 = png_of(1, 1, png::ColorType::Grayscale, &[1]);
    assert!(error(&archive(&other, false)).ends_with("found of another size: 1x1 pixels instead of 64x64"));
    assert!(
        load(&archive(&other, false), Damaged::Skip).unwrap_err().to_string().ends_with("pictures in val/, found none that can be read")
    );
}

#[test]
fn wrong_archives_say_what_is_wrong() {
    let without = |name: &str| error(&archive(&parts().into_iter().filter(|(n, _)| !n.starts_with(name)).collect::<Vec<_>>(), true));
    for name in ["wnids.txt", "words.txt", "val/val_annotations.txt"] {
        let expected = format!("Tiny ImageNet: tiny-imagenet-200/{name}, or {name}, found no {name}; inside are ");
        assert!(without(name).contains(&expected), "{}", without(name));
    }
    assert!(error(&archive_in("data/tiny-imagenet-200/", &parts(), true)).contains("inside are data/tiny-imagenet-200/wnids.txt, "));
    assert!(without("train").ends_with("found 3 classes, 0 training and 2 test pictures"));
    assert!(without("val/images").ends_with("found 3 classes, 6 training and 0 test pictures"));
    let with = |i: usize, bytes: &[u8]| {
        let mut all = parts();
        all[i].1 = bytes.to_vec();
        error(&archive(&all, true))
    };
    assert!(with(0, b"n01\nn02\n").contains("n03: expected a class of wnids.txt"));
    assert!(with(0, &[0xff, 0xfe]).contains("wnids.txt: expected a list as text"));
    assert!(with(2, b"val_0.JPEG\tn03\n").contains("val/images/val_1.JPEG: expected a line in val_annotations.txt"));
    assert!(error(b"<html>not found</html>").contains("expected a complete zip archive"));
}

#[test]
fn every_cut_and_flip_is_an_error_or_changes_nothing() {
    let bytes = archive(&parts(), false);
    let good = load(&bytes, Damaged::Fail).unwrap();
    for end in (0..bytes.len()).step_by(173).chain([bytes.len() - 1]) {
        assert!(error(&bytes[..end]).starts_with("given.zip"), "{end}");
    }
    for at in (0..bytes.len()).step_by(97) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        if let Ok((data, _)) = load(&flipped, Damaged::Fail) {
            assert!(data.train.bytes == good.0.train.bytes && data.test == good.0.test, "a flip at {at} changed the images unseen");
        }
    }
}

#[test]
fn names_that_leave_the_folder_are_ignored() {
    let mut entries = parts();
    entries.push(("../tiny-imagenet-200/wnids.txt".into(), b"x".to_vec()));
    entries.push(("/tiny-imagenet-200/words.txt".into(), b"x".to_vec()));
    entries.push(("../../val/images/val_0.JPEG".into(), b"x".to_vec()));
    assert_eq!(load(&archive(&entries, true), Damaged::Fail).unwrap(), load(&archive(&parts(), true), Damaged::Fail).unwrap());
}

#[test]
fn the_same_name_twice_is_refused() {
    let mut bytes = archive(&parts(), false);
    rename(&mut bytes, "train/n01/images/n01_1.JPEG", "train/n01/images/n01_0.JPEG");
    assert!(error(&bytes).ends_with("expected every entry once, found entries of the same name"));
}

#[test]
fn sizes_that_lie_are_refused() {
    // Declared larger than any picture: refused before it is read.
    let mut large = parts();
    large[3].1 = vec![0; MAX_PICTURE as usize + 1];
    let message = error(&archive(&large, true));
    assert!(message.contains("val_1.JPEG") && message.ends_with("131073 bytes declared, at most 131072 allowed"), "{message}");
    // Declared smaller than what it unpacks to.
    let mut bomb = parts();
    bomb[3].1 = vec![7; 100_000];
    let mut bytes = archive(&bomb, true);
    let central = |bytes: &[u8], name: &str| {
        let at = (0..bytes.len()).rev().find(|&at| bytes[at..].starts_with(name.as_bytes())).unwrap();
        at - 46
    };
    let at = central(&bytes, "tiny-imagenet-200/val/images/val_1.JPEG");
    bytes[at + 24..at + 28].copy_from_slice(&900u32.to_le_bytes());
    assert!(error(&bytes).contains("given.zip: expected a complete zip archive"), "the headers contradict each other");
    // Both headers lie alike.
    let local = (0..bytes.len()).find(|&at| bytes[at..].starts_with(b"tiny-imagenet-200/val/images/val_1.JPEG")).unwrap() - 30;
    bytes[local + 22..local + 26].copy_from_slice(&900u32.to_le_bytes());
    let message = error(&bytes);
    assert!(message.contains("val_1.JPEG") && message.contains("larger than its declared uncompressed size"), "{message}");
    // A number of entries that is not there.
    let mut many = archive(&parts(), false);
    let end = many.len() - 22;
    many[end + 8..end + 12].copy_from_slice(&[0xfe; 4]);
    assert!(error(&many).contains("given.zip: expected a complete zip archive"));
}

#[test]
fn entries_that_overlap_are_refused() {
    let mut bytes = archive(&parts(), false);
    let central: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(b"PK\x01\x02")).collect();
    let offset: [u8; 4] = bytes[central[4] + 42..central[4] + 46].try_into().unwrap();
    bytes[central[3] + 42..central[3] + 46].copy_from_slice(&offset);
    assert!(error(&bytes).starts_with("given.zip"));
}

#[test]
fn the_part_at_hand() {
    let shared = std::env::var("SPARRING_SHARED").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into());
    let Ok(bytes) = std::fs::read(format!("{shared}/data/tiny-imagenet-200-part.zip")) else {
        println!("skipped: not present");
        return;
    };
    let (data, skipped) = load(&bytes, Damaged::Fail).unwrap();
    assert_eq!((data.train.len(), data.test.len(), data.classes.len(), skipped.len()), (500, 200, 20, 0));
    assert!((0..20).all(|class| data.train.labels.iter().filter(|l| **l == class).count() == 25));
    // Near the published mean by channel (the whole training file's).
    for c in 0..3 {
        let plane = data.train.bytes.chunks_exact(3 * 4096).flat_map(|image| &image[c * 4096..(c + 1) * 4096]);
        let mean = plane.map(|b| f64::from(*b)).sum::<f64>() / (data.train.len() * 4096) as f64 / 255.0;
        assert!((mean - f64::from(data.mean[c])).abs() < 0.05, "channel {c}: {mean}");
    }
}
