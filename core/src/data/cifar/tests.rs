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

/// A batch as Python 2 pickled it: what the official archive has.
fn pickled(batch: usize, form: &Form) -> Vec<u8> {
    let records = record_bytes(batch, form);
    let mut out = b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x08training".to_vec();
    out.extend(b"q\x03U\x06labelsq\x04]q\x05(");
    records.iter().step_by(RECORD_BYTES).for_each(|label| out.extend([b'K', *label]));
    out.extend(b"eU\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85q\tU\x01b\x87Rq\n(K\x01");
    out.extend([b'K', form.batch as u8, b'M', 0, 0x0c, 0x86]);
    out.extend(b"cnumpy\ndtype\nq\x0bU\x02u1K\x00K\x01\x87Rq\x0c(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T");
    out.extend(((form.batch * IMAGE_BYTES) as u32).to_le_bytes());
    records.chunks_exact(RECORD_BYTES).for_each(|record| out.extend(&record[1..]));
    out.extend(b"tbU\tfilenamesq\r](U\x05a.pngU\x05b.pngeu.");
    out
}

fn python(form: &Form) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("cifar-10-batches-py/batches.meta", b"not read".to_vec()),
        ("cifar-10-batches-py/test_batch", pickled(2, form)),
        ("cifar-10-batches-py/data_batch_1", pickled(0, form)),
        ("cifar-10-batches-py/data_batch_2", pickled(1, form)),
    ]
}

fn plain(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(archive(entries).as_slice()), &mut out).unwrap();
    out
}

#[test]
fn zeros_after_a_compressed_archive_are_passed_over() {
    let good = SMALL.from_archive("a", archive(&official(&SMALL)).as_slice()).unwrap();
    let mut padded = archive(&official(&SMALL));
    padded.resize(padded.len() + 70_000, 0);
    assert_eq!(SMALL.from_archive("a", padded.as_slice()).unwrap(), good);
    padded.push(7);
    assert!(error(&SMALL, &padded).contains("a complete gzip-compressed tar archive"), "other bytes are a fault");
}

#[test]
fn an_archive_of_other_paths_says_what_is_inside() {
    let elsewhere: Vec<(String, Vec<u8>)> = official(&SMALL).into_iter().map(|(path, bytes)| (format!("data/{path}"), bytes)).collect();
    let elsewhere: Vec<(&str, Vec<u8>)> = elsewhere.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    let message = error(&SMALL, &archive(&elsewhere));
    for part in ["in cifar-10-batches-py", "in cifar-10-batches-bin", "inside are data/cifar-10-batches-bin/batches.meta.txt, data/"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let many: Vec<(String, Vec<u8>)> = (0..9).map(|i| (format!("{i}{}", "x".repeat(90)), Vec::new())).collect();
    let many: Vec<(&str, Vec<u8>)> = many.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    let message = error(&SMALL, &archive(&many));
    assert!(message.ends_with("… and 4 more") && message.len() < 900, "{message}");
}

#[test]
fn bytes_of_a_damaged_header_are_not_shown() {
    let mut bytes = plain(&official(&SMALL));
    // The checksum of the first file's header, in octal digits.
    bytes[148..155].fill(0xb7);
    let message = error(&SMALL, &bytes);
    assert!(!message.contains(char::REPLACEMENT_CHARACTER) && !message.contains('\0') && message.len() < 200, "{message}");
}

#[test]
fn archives_and_folders_as_people_have_them_are_the_same_dataset() {
    let good = SMALL.from_archive("a", archive(&official(&SMALL)).as_slice()).unwrap();
    for entries in [official(&SMALL), python(&SMALL)] {
        let is_good = |bytes: &[u8]| assert_eq!(SMALL.from_archive("a", bytes).unwrap(), good);
        is_good(&archive(&entries));
        is_good(&plain(&entries));
        let dotted: Vec<(String, Vec<u8>)> = entries.iter().map(|(path, bytes)| (format!("./{path}"), bytes.clone())).collect();
        let dotted: Vec<(&str, Vec<u8>)> = dotted.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
        is_good(&archive(&dotted));
        // What macOS puts beside every file.
        let mut apple = vec![("./._cifar-10-batches-bin", vec![0; 9]), ("cifar-10-batches-py/._data_batch_1", vec![0; 9])];
        apple.extend(entries.clone());
        apple.push(("cifar-10-batches-bin/._data_batch_1.bin", vec![0; 9]));
        is_good(&archive(&apple));
        // Compressed in members, as pigz and bgzip do.
        let whole = plain(&entries);
        let members: Vec<u8> = whole
            .chunks(5000)
            .flat_map(|part| {
                let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
                gz.write_all(part).unwrap();
                gz.finish().unwrap()
            })
            .collect();
        is_good(&members);
        let cut = SMALL.from_archive("cut", &members[..members.len() - 9]).unwrap_err().to_string();
        assert!(cut.starts_with("cut"), "{cut}");
        let read = |name: &str, most: u64| {
            let found = entries.iter().find(|(path, _)| path.rsplit_once('/').unwrap().1 == name).map(|(_, bytes)| bytes.clone());
            assert!(found.as_ref().is_none_or(|bytes| bytes.len() as u64 <= most));
            Ok(found)
        };
        assert_eq!(SMALL.from_folder("folder", &read).unwrap(), good);
    }
    let none = SMALL.from_folder("folder", &|_, _| Ok(None)).unwrap_err().to_string();
    assert!(none.starts_with("folder: expected CIFAR-10") && none.ends_with("found no data_batch_1"), "{none}");
}

/// Written by NumPy 2.4 and Python 3.11 from the same pixels, in the protocols that there are; see `core/tests/files/README.md`.
#[test]
fn what_python_3_pickles_is_read_in_every_protocol() {
    let bytes = |name: &str| std::fs::read(format!("{}/tests/files/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    for protocol in 2..=5 {
        let name = format!("cifar-10-python-{protocol}.tar.gz");
        let data = SMALL.from_archive(&name, bytes(&name).as_slice()).unwrap();
        assert_eq!((data.train.labels.clone(), data.test.labels.clone()), (vec![0, 3, 9, 1, 4, 9], vec![2, 5, 9]), "{name}");
        for (i, image) in data.train.bytes.chunks_exact(IMAGE_BYTES).chain(data.test.bytes.chunks_exact(IMAGE_BYTES)).enumerate() {
            assert!(image.iter().enumerate().all(|(k, byte)| *byte == ((k / 16 * 3 + i * 29) % 256) as u8), "{name}, image {i}");
        }
    }
}

#[test]
fn wrong_pickles_say_what_is_wrong() {
    let with = |from: &[u8], to: &[u8]| {
        let mut entries = python(&SMALL);
        let batch = &mut entries[2].1;
        let at = batch.windows(from.len()).position(|w| w == from).unwrap();
        batch.splice(at..at + from.len(), to.iter().copied());
        error(&SMALL, &archive(&entries))
    };
    let label = record_bytes(0, &SMALL)[0];
    assert!(with(&[b'(', b'K', label], b"(K\x0a").contains("data_batch_1, 'labels': label of image 0: expected 0 to 9, found 10"));
    assert!(with(&[b'(', b'K', label], b"(").contains("expected 3 labels, one for each image, found 2"));
    assert!(with(b"M\0\x0c\x86", b"K\x20K\x20K\x03t").contains("data_batch_1"));
    assert!(with(b"U\x02u1", b"U\x02f4").contains("expected an array of bytes (uint8), found elements 'f4'"));
    assert!(with(b"numpy.core.multiarray\n_reconstruct", b"os\nsystem").contains("'os.system'"));
    let whole = pickled(0, &SMALL);
    for end in (0..whole.len()).step_by(97) {
        let mut entries = python(&SMALL);
        entries[2].1 = whole[..end].to_vec();
        assert!(error(&SMALL, &archive(&entries)).contains("data_batch_1"), "{end}");
    }
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
    let noise: Vec<u8> = (0..5000u32).map(|i| ((i * 7919 + (i >> 3)) % 251) as u8).collect();
    assert!(error(&SMALL, &noise).contains("or a plain one, found data of another kind, or damaged"), "{}", error(&SMALL, &noise));
    let mut missing = official(&SMALL);
    missing.pop();
    assert!(error(&SMALL, &archive(&missing)).contains("found no test_batch; inside are cifar-10-"));
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
    assert!(error(&SMALL, &archive(&unlabelled)).contains("found no test_lables.json; inside are package/"));
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
