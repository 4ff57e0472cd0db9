//! Small archives in the official forms: read, truncated, flipped, hostile.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::rng::{Purpose, Stream};

const SMALL: Form = Form { train_batches: 2, batch: 3, sha256: None };

fn record_bytes(batch: usize, form: &Form) -> Vec<u8> {
    let mut stream = Stream::new(1, Purpose::Test, 0, batch as u64);
    (0..form.batch * RECORD_BYTES).map(|i| if i % RECORD_BYTES == 0 { stream.below(10) as u8 } else { stream.next_u32() as u8 }).collect()
}

pub(in crate::data) fn archive(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        // Written directly: the builder itself refuses paths with `..`.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn official(form: &Form) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("cifar-10-batches-bin/batches.meta.txt", b"airplane\n".to_vec()),
        ("cifar-10-batches-bin/data_batch_2.bin", record_bytes(1, form)),
        ("cifar-10-batches-bin/data_batch_1.bin", record_bytes(0, form)),
        ("cifar-10-batches-bin/test_batch.bin", record_bytes(2, form)),
    ]
}

fn sheet(records: &[u8], height: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, 1024, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    let pixels: Vec<u8> = records
        .chunks_exact(RECORD_BYTES)
        .flat_map(|r| (0..1024).flat_map(move |i| [r[1 + i], r[1025 + i], r[2049 + i]]))
        .take(height * 3072)
        .collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    out
}

fn labels(batches: &[usize], form: &Form) -> Vec<u8> {
    let all: Vec<u8> = batches.iter().flat_map(|&b| record_bytes(b, form).into_iter().step_by(RECORD_BYTES)).collect();
    serde_json::to_vec(&all).unwrap()
}

fn package(form: &Form) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("package/package.json", b"{}".to_vec()),
        ("package/data_batch_1.png", sheet(&record_bytes(0, form), form.batch)),
        ("package/data_batch_2.png", sheet(&record_bytes(1, form), form.batch)),
        ("package/test_batch.png", sheet(&record_bytes(2, form), form.batch)),
        ("package/train_lables.json", labels(&[0, 1], form)),
        ("package/test_lables.json", labels(&[2], form)),
    ]
}

fn error(form: &Form, bytes: &[u8]) -> String {
    form.from_archive("given.tar.gz", bytes).unwrap_err().to_string()
}

#[test]
fn official_archive_in_any_order() {
    let data = SMALL.from_archive("a", archive(&official(&SMALL)).as_slice()).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (6, 3));
    let second = record_bytes(1, &SMALL);
    assert_eq!(data.train.labels[3], u16::from(second[0]));
    assert_eq!(data.train.bytes[3 * IMAGE_BYTES..4 * IMAGE_BYTES], second[1..RECORD_BYTES]);
    assert_eq!(to_packed(&data), [record_bytes(0, &SMALL), second, record_bytes(2, &SMALL)].concat());
}

#[test]
fn package_and_packed_form_give_the_same_dataset() {
    let data = SMALL.from_archive("a", archive(&official(&SMALL)).as_slice()).unwrap();
    assert_eq!(SMALL.from_archive("b", archive(&package(&SMALL)).as_slice()).unwrap(), data);
    assert_eq!(SMALL.from_packed("c", to_packed(&data)).unwrap(), data);
}

#[test]
fn pixels_are_compared_with_the_published_sums() {
    let bytes = archive(&official(&SMALL));
    let data = SMALL.from_archive("a", bytes.as_slice()).unwrap();
    let sums: [&'static str; 2] = [record_sha256(&data.train), record_sha256(&data.test)].map(|s| &*s.leak());
    let strict = Form { sha256: Some(sums), ..SMALL };
    assert_eq!(strict.from_archive("a", bytes.as_slice()).unwrap(), data);
    assert_eq!(strict.from_packed("a", to_packed(&data)).unwrap(), data);
    let mut packed = to_packed(&data);
    let last = packed.len() - 1;
    packed[last] ^= 1;
    let message = strict.from_packed("cifar10.bin", packed).unwrap_err().to_string();
    assert!(message.starts_with("cifar10.bin: test images: expected SHA-256 ") && message.contains(sums[1]), "{message}");
    let mut other = official(&SMALL);
    other[1].1[7] ^= 1;
    assert!(error(&strict, &archive(&other)).contains("training images"));
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = archive(&official(&SMALL));
    for end in (0..bytes.len()).step_by(997).chain([bytes.len() - 1, bytes.len() - 9]) {
        let message = error(&SMALL, &bytes[..end]);
        assert!(message.starts_with("given.tar.gz"), "{end}: {message}");
    }
    let packed = to_packed(&SMALL.from_archive("a", bytes.as_slice()).unwrap());
    let message = SMALL.from_packed("p", packed[..100].to_vec()).unwrap_err().to_string();
    assert_eq!(message, format!("p: expected {} bytes, found 100 bytes", 9 * RECORD_BYTES));
}

#[test]
fn flipped_bits_never_pass() {
    let bytes = archive(&official(&SMALL));
    let good = SMALL.from_archive("a", bytes.as_slice()).unwrap();
    for at in (10..bytes.len()).step_by(211).chain(bytes.len() - 8..bytes.len()) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        if let Ok(data) = SMALL.from_archive("a", flipped.as_slice()) {
            assert_eq!(data, good, "a flip at {at} changed the images unseen");
        }
    }
    let mut picture = package(&SMALL);
    picture[1].1[3000] ^= 1;
    assert!(error(&SMALL, &archive(&picture)).contains("data_batch_1.png: expected a complete PNG picture"));
}

#[test]
fn wrong_archives_say_what_is_wrong() {
    assert!(error(&SMALL, b"<html>not found</html>").contains("expected a complete gzip-compressed tar archive"));
    let mut missing = official(&SMALL);
    missing.pop();
    assert!(error(&SMALL, &archive(&missing)).ends_with("found no test_batch"));
    let mut short = official(&SMALL);
    short[2].1.pop();
    let message = error(&SMALL, &archive(&short));
    assert_eq!(message, "given.tar.gz: cifar-10-batches-bin/data_batch_1.bin: expected 9219 bytes, found 9218 bytes");
    let mut label = official(&SMALL);
    label[3].1[RECORD_BYTES] = 10;
    assert!(error(&SMALL, &archive(&label)).ends_with("test_batch.bin: label of image 1: expected 0 to 9, found 10"));
    let mut twice = official(&SMALL);
    twice.push(("cifar-10-batches-bin/test_batch.bin", record_bytes(2, &SMALL)));
    assert!(error(&SMALL, &archive(&twice)).contains("a second time"));
    let mut picture = package(&SMALL);
    picture[3].1 = sheet(&record_bytes(2, &SMALL), 2);
    assert!(error(&SMALL, &archive(&picture)).contains("expected 1024x3 Rgb of Eight bits, found 1024x2 Rgb"));
    let mut unlabelled = package(&SMALL);
    unlabelled.pop();
    assert!(error(&SMALL, &archive(&unlabelled)).ends_with("found no test_lables.json"));
    let mut few = package(&SMALL);
    few[5].1 = b"[1,2]".to_vec();
    assert!(error(&SMALL, &archive(&few)).ends_with("test_lables.json: expected 3 labels, found 2"));
}

#[test]
fn traversal_and_links_are_ignored() {
    let mut entries = official(&SMALL);
    entries.push(("../cifar-10-batches-bin/test_batch.bin", vec![9; 10]));
    entries.push(("cifar-10-batches-bin/../../test_batch.bin", vec![9; 10]));
    entries.push(("/etc/test_batch.bin", vec![9; 10]));
    assert_eq!(
        SMALL.from_archive("a", archive(&entries).as_slice()).unwrap(),
        SMALL.from_archive("a", archive(&official(&SMALL)).as_slice()).unwrap()
    );
}

#[test]
fn a_bomb_is_refused_early() {
    let mut entries = vec![("cifar-10-batches-bin/readme.html", vec![0; 64 << 20])];
    entries.extend(official(&SMALL));
    let bytes = archive(&entries);
    assert!(bytes.len() < 1 << 20);
    assert!(error(&SMALL, &bytes).contains("which CIFAR-10 never has"));
    // A lying size in a header is refused before anything is allocated.
    let mut lying = tar::Header::new_gnu();
    lying.set_path("cifar-10-batches-bin/test_batch.bin").unwrap();
    lying.set_size(1 << 40);
    lying.set_cksum();
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(lying.as_bytes()).unwrap();
    assert!(error(&SMALL, &gz.finish().unwrap()).ends_with("expected 9219 bytes, found 1099511627776 bytes"));
}

#[test]
fn checksums_name_both_values() {
    assert!(super::archive::check_md5("f", b"abc", "900150983cd24fb0d6963f7d28e17f72").is_ok());
    let message = super::archive::check_md5("f", b"abd", "900150983cd24fb0d6963f7d28e17f72").unwrap_err().to_string();
    assert!(message.starts_with("f: expected MD5 9001") && message.contains("found 4911e516"), "{message}");
    assert!(check_package_sha512("f", b"abc", NPM_SHA512).unwrap_err().to_string().contains("found ddaf35a1"));
}
