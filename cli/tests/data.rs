//! Datasets as a person brings them: archives at hand, a folder of pictures, a folder of IDX files; fetched, trained on, evaluated.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A folder with a data folder and runs of its own, gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sparring-data-e2e-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    fn run(&self, arguments: &[&str]) -> Output {
        let data = self.0.join("data");
        Command::new(env!("CARGO_BIN_EXE_sparring")).args(arguments).env("SPARRING_DATA", data).current_dir(&self.0).output().unwrap()
    }
    /// The JSON of a command that must succeed.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
    /// A short training run, and its weights evaluated on the same images: the same accuracy.
    fn train_and_evaluate(&self, dataset: &str, scratch: &[&str]) {
        let train = ["train", "--dataset", dataset, "--model", "tiny", "--learners", "set@0.3", "--subset", "all", "--device", "cpu"];
        let short = ["--epochs", "1", "--batch-size", "32", "--limit-train", "64", "--limit-test", "40", "--out", dataset];
        let summary = self.json(&[&train, scratch, &short].concat());
        let accuracy = summary["summary"]["learners"][0]["test"]["accuracy"].as_f64().unwrap();
        let weights = self.0.join(dataset).join(summary["weights"][0].as_str().unwrap());
        let eval = ["eval", "--checkpoint", weights.to_str().unwrap(), "--data", dataset, "--limit", "40", "--device", "cpu"];
        let result = self.json(&[&eval, scratch].concat());
        assert!((result["clean_accuracy"].as_f64().unwrap() - accuracy).abs() < 1e-9, "{dataset}: {result} after {accuracy}");
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn shared(name: &str) -> Option<String> {
    let shared = std::env::var("SPARRING_SHARED").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into());
    let path = Path::new(&shared).join("data").join(name);
    if !path.is_file() {
        println!("skipped: not present: {}", path.display());
    }
    path.is_file().then(|| path.display().to_string())
}

#[test]
fn the_cifar100_part() {
    let Some(archive) = shared("cifar-100-binary-part.tar.gz") else { return };
    let scratch = Scratch::new("cifar100");
    let fetched = scratch.json(&["data", "fetch", "cifar100", "--from", &archive]);
    assert_eq!(fetched[0]["state"], "verified");
    assert!(fetched[0]["found"].as_str().unwrap().starts_with("10000 + 5000 images of 100 classes"));
    scratch.train_and_evaluate("cifar100", &[]);
    scratch.train_and_evaluate("cifar100-coarse", &[]);
    let verified = scratch.json(&["data", "verify", "cifar100-coarse"]);
    assert!(verified[0]["found"].as_str().unwrap().starts_with("10000 + 5000 images of 20 classes"));
}

#[test]
fn the_tiny_imagenet_part() {
    let Some(archive) = shared("tiny-imagenet-200-part.zip") else { return };
    let scratch = Scratch::new("tinyimagenet");
    scratch.json(&["data", "fetch", "tinyimagenet", "--from", &archive]);
    scratch.train_and_evaluate("tinyimagenet", &[]);
    let numbers = scratch.json(&["data", "bench", "--from", &archive, "--seconds", "0"]);
    assert!(numbers["decode_images_per_second"].as_f64().unwrap() > 0.0 && numbers["extent"] == serde_json::json!([3, 64, 64]));
}

/// As in `tests/archives` of the shared files: pictures with what macOS puts beside them; and the same, unpacked.
#[test]
fn tiny_imagenet_with_apple_s_files_and_unpacked() {
    let Some(part) = shared("tiny-imagenet-200-part.zip") else { return };
    let archive = Path::new(&part).with_file_name("../files/archives/macosx.zip");
    if !archive.is_file() {
        println!("skipped: not present: {}", archive.display());
        return;
    }
    let scratch = Scratch::new("apple");
    let fetched = scratch.json(&["data", "fetch", "tinyimagenet", "--from", archive.to_str().unwrap()]);
    assert!(fetched[0]["found"].as_str().unwrap().starts_with("18 + 6 images of 3 classes"), "{fetched}");
    let verified = |scratch: &Scratch| fs::read(scratch.0.join("data/tinyimagenet.packed")).unwrap();
    let packed = verified(&scratch);
    if Command::new("unzip").arg("-q").arg(&archive).arg("-d").arg(&scratch.0).status().is_ok_and(|s| s.success()) {
        let folder = scratch.0.join("tiny-imagenet-200");
        scratch.json(&["data", "fetch", "tinyimagenet", "--from", folder.to_str().unwrap()]);
        assert_eq!(packed[packed.len() - 24 * 3 * 64 * 64..], verified(&scratch)[verified(&scratch).len() - 24 * 3 * 64 * 64..]);
    }
}

#[test]
fn a_folder_of_pictures_and_a_folder_of_digits() {
    let scratch = Scratch::new("own");
    let pictures = scratch.0.join("pictures");
    for i in 0..60u8 {
        let path = pictures.join(format!("{}/{i}.png", ["dark", "light"][usize::from(i % 2)]));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), 24, 30);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.write_header().unwrap().write_image_data(&[i + 150 * (i % 2); 720]).unwrap();
    }
    fs::write(pictures.join("dark/broken.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    let flags = ["--folder", pictures.to_str().unwrap(), "--image-size", "16"];
    let fetched = scratch.json(&[&["data", "fetch", "folder"], &flags[..]].concat());
    assert!(fetched[0]["found"].as_str().unwrap().contains("images of 2 classes"));
    assert_eq!(
        (fetched[0]["skipped"][0]["reason"].as_str(), fetched[0]["skipped"][0]["first"][0].as_str()),
        (Some("damaged"), Some("dark/broken.png"))
    );
    scratch.train_and_evaluate("folder", &flags);
    let failed = scratch.run(&[&["data", "fetch", "folder", "--damaged", "fail"], &flags[..]].concat());
    assert!(failed.status.code() == Some(1) && String::from_utf8_lossy(&failed.stderr).contains("dark/broken.png: expected a whole PNG"));

    let digits = scratch.0.join("digits");
    fs::create_dir_all(&digits).unwrap();
    for (name, n) in [("train", 80u8), ("t10k", 40)] {
        let idx = |magic: u32, extents: &[u32], content: Vec<u8>| -> Vec<u8> {
            [magic].iter().chain(extents).flat_map(|w| w.to_be_bytes()).chain(content).collect()
        };
        let pixels = (0..n).flat_map(|i| vec![25 * (i % 10); 784]).collect();
        fs::write(digits.join(format!("{name}-images-idx3-ubyte")), idx(0x803, &[u32::from(n), 28, 28], pixels)).unwrap();
        fs::write(digits.join(format!("{name}-labels-idx1-ubyte")), idx(0x801, &[u32::from(n)], (0..n).map(|i| i % 10).collect())).unwrap();
    }
    scratch.train_and_evaluate("mnist", &["--folder", digits.to_str().unwrap()]);
    let missing = scratch.run(&["train", "--dataset", "mnist", "--model", "tiny", "--learners", "dense", "--device", "cpu"]);
    assert!(missing.status.code() == Some(1) && String::from_utf8_lossy(&missing.stderr).contains("say where they are with --folder"));
}
