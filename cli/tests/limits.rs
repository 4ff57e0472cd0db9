//! Limits on test images, files of corrupted images as people have them, and sets without images.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(missing_docs, reason = "tests")]

mod common;

use std::fs;

use common::{Folder, stderr, stdout};
use serde_json::Value;

/// A folder of three classes, in order, 30 test pictures each, and a small network trained on it.
fn sorted(folder: &Folder) -> (&'static str, &'static str) {
    for (part, count) in [("train", 12u8), ("test", 30)] {
        for (class, value) in [("a", 20u8), ("b", 120), ("c", 220)] {
            for i in 0..count {
                let path = folder.0.join(format!("sorted/{part}/{class}/{i:02}.png"));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), 16, 16);
                encoder.set_color(png::ColorType::Grayscale);
                encoder.write_header().unwrap().write_image_data(&[value + i % 8; 256]).unwrap();
            }
        }
    }
    let train = "train --dataset folder --folder sorted --image-size 16 --model tiny --learners dense --subset all --epochs 2 --batch-size 8 \
                 --lr 0.02 --device cpu --limit-test 9 --out trained";
    let output = folder.command(train).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("images    evaluated on 9 of 90 test images, as many of every class"), "{}", stdout(&output));
    ("--data folder --folder sorted --image-size 16 --device cpu", "--dataset folder --folder sorted --image-size 16")
}

fn json(folder: &Folder, arguments: &str) -> Value {
    let output = folder.command(&format!("{arguments} --json")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn indices(value: &Value) -> Vec<u64> {
    value["sample"]["indices"].as_array().unwrap().iter().map(|i| i.as_u64().unwrap()).collect()
}

/// The bytes of a .npy file after its header.
fn data(file: &std::path::Path) -> Vec<u8> {
    let bytes = fs::read(file).unwrap();
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[10 + header..].to_vec()
}

#[test]
fn every_limit_leaves_the_same_images_of_all_classes() {
    let folder = Folder::new("limits");
    let (by_data, by_dataset) = sorted(&folder);
    let weights = "trained/dense.safetensors";
    let eval = json(&folder, &format!("eval --checkpoint {weights} {by_data} --limit 9"));
    let drawn = indices(&eval);
    let per_class = |indices: &[u64]| [0u64, 1, 2].map(|class| indices.iter().filter(|i| **i / 30 == class).count());
    assert_eq!((eval["samples"].as_u64(), per_class(&drawn), &eval["sample"]["how"]), (Some(9), [3, 3, 3], &Value::from("balanced")));
    let summary: Value = serde_json::from_slice(&fs::read(folder.file("trained/summary.json")).unwrap()).unwrap();
    assert_eq!(summary["test_sample"], eval["sample"], "training evaluates on the same");
    assert_eq!(summary["summary"]["learners"][0]["test"]["accuracy"], eval["clean_accuracy"]);
    for attack in ["pgd2", "fgsm", "autoattack"] {
        let said = json(&folder, &format!("attack --checkpoint {weights} {by_data} --limit 9 --attack {attack} --eps 0 --export x.npy"));
        assert_eq!((indices(&said), &said["clean_accuracy"]), (drawn.clone(), &eval["clean_accuracy"]), "{attack}");
        // Pictures of one value each, in the order of the indices.
        let floats = data(&folder.0.join("x.npy"));
        let first: Vec<f32> = floats.chunks_exact(4 * 768).map(|image| f32::from_le_bytes(image[..4].try_into().unwrap())).collect();
        let classes: Vec<u64> = first.iter().map(|v| (v * 255.0 / 100.0) as u64).collect();
        assert_eq!(classes, drawn.iter().map(|i| i / 30).collect::<Vec<_>>(), "{attack}");
    }
    let said = json(&folder, &format!("corrupt {by_dataset} --limit 9 --corruption fog --out some"));
    assert_eq!(indices(&said), drawn);
    json(&folder, &format!("corrupt {by_dataset} --limit 0 --corruption fog --out whole"));
    let labels = data(&folder.0.join("some/labels.npy"));
    assert_eq!(labels[..9].iter().map(|l| u64::from(*l)).collect::<Vec<_>>(), drawn.iter().map(|i| i / 30).collect::<Vec<_>>());
    // The same image is corrupted alike, whether or not others are there.
    let (some, whole) = (data(&folder.0.join("some/fog.npy")), data(&folder.0.join("whole/fog.npy")));
    for (place, index) in drawn.iter().enumerate() {
        let of = |all: &[u8], severity: usize, each: usize, i: usize| all[(severity * each + i) * 768..][..768].to_vec();
        assert!((0..5).all(|s| of(&some, s, 9, place) == of(&whole, s, 90, *index as usize)), "image {index}");
    }
    // Zero is no limit, everywhere.
    for command in [
        format!("eval --checkpoint {weights} {by_data} --limit 0"),
        format!("attack --checkpoint {weights} {by_data} --limit 0 --attack fgsm"),
    ] {
        let said = json(&folder, &command);
        assert_eq!((said["samples"].as_u64(), said["sample"]["how"].as_str()), (Some(90), Some("all")), "{command}");
    }
    // The grid made here and the one read from the files are of the same images.
    let made = json(&folder, &format!("eval --checkpoint {weights} {by_data} --limit 9 --corruptions --seed 15"));
    let read = json(&folder, &format!("eval --checkpoint {weights} {by_data} --limit 9 --cifar-c whole"));
    assert_eq!(made["corruptions"]["errors"]["fog"], read["corruptions"]["errors"]["fog"]);
}

#[test]
fn a_partial_archive_says_over_what_its_mean_is() {
    let folder = Folder::new("partial");
    let (by_data, by_dataset) = sorted(&folder);
    let eval = format!("eval --checkpoint trained/dense.safetensors {by_data} --cifar-c");
    json(&folder, &format!("corrupt {by_dataset} --corruption fog,contrast,spatter --out three"));
    let output = folder.command(&format!("{eval} three")).output().unwrap();
    assert!(
        stdout(&output).contains("over 2 of 15 standard kinds") && stdout(&output).contains("over 3 of 19 kinds"),
        "{}",
        stdout(&output)
    );
    // Means over nothing are absent.
    for name in ["fog", "contrast"] {
        fs::remove_file(folder.file(&format!("three/{name}.npy"))).unwrap();
    }
    let output = folder.command(&format!("{eval} three")).output().unwrap();
    assert!(stdout(&output).contains("- over 0 of 15 standard kinds") && !stdout(&output).contains("-0.00"), "{}", stdout(&output));
    let said = json(&folder, &format!("{eval} three"));
    assert!(said["corruptions"]["mean_error_standard"].is_null() && said["corruptions"]["mean_error_all"].is_number());
    assert_eq!((&said["corruptions"]["kinds_standard"], &said["corruptions"]["kinds"]), (&Value::from(0), &Value::from(1)));

    // One severity: what stands in one fifth of a file, with its own labels.
    let cut = |name: &str| {
        let bytes = fs::read(folder.file(&format!("three/{name}.npy"))).unwrap();
        let head = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let header = String::from_utf8_lossy(&bytes[10..head]).replacen("(450,", "( 90,", 1);
        let size = (bytes.len() - head) / 5;
        assert_eq!(header.len() + 10, head);
        fs::create_dir_all(folder.file("one")).unwrap();
        fs::write(
            folder.file(&format!("one/{name}.npy")),
            [&bytes[..10], header.as_bytes(), &bytes[head + 2 * size..head + 3 * size]].concat(),
        )
        .unwrap();
    };
    cut("spatter");
    cut("labels");
    let output = folder.command(&format!("{eval} one")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("labels do not repeat five times") && stderr(&output).contains("--severity"), "{}", stderr(&output));
    let one = json(&folder, &format!("{eval} one --severity 3"));
    let errors = |v: &Value, kind: &str| v["corruptions"]["errors"][kind].as_array().unwrap().clone();
    assert_eq!(errors(&one, "spatter")[2], errors(&said, "spatter")[2]);
    assert!([0, 1, 3, 4].iter().all(|i| errors(&one, "spatter")[*i].is_null()));
    assert_eq!(errors(&json(&folder, &format!("{eval} three --severity 3")), "spatter"), errors(&one, "spatter"));
    let wrong = folder.command(&format!("{eval} one --severity 6")).output().unwrap();
    assert!(wrong.status.code() == Some(2) && stderr(&wrong).contains("expected 1 to 5"), "{}", stderr(&wrong));
}

#[test]
fn a_set_without_test_images_is_an_error() {
    let folder = Folder::new("empty");
    let weights = {
        let output = folder.race("--learners dense --epochs 1 --dataset builtin-grey --out trained").output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        "trained/dense.safetensors"
    };
    let idx = |magic: u32, extents: &[u32], content: Vec<u8>| -> Vec<u8> {
        [magic].iter().chain(extents).flat_map(|w| w.to_be_bytes()).chain(content).collect()
    };
    fs::create_dir_all(folder.file("digits")).unwrap();
    for (name, n) in [("train", 20u8), ("t10k", 0)] {
        let pixels = vec![7; usize::from(n) * 784];
        fs::write(folder.file(&format!("digits/{name}-images-idx3-ubyte")), idx(0x803, &[u32::from(n), 28, 28], pixels)).unwrap();
        fs::write(folder.file(&format!("digits/{name}-labels-idx1-ubyte")), idx(0x801, &[u32::from(n)], (0..n).map(|i| i % 10).collect()))
            .unwrap();
    }
    for command in [
        format!("eval --checkpoint {weights} --data mnist --folder digits --device cpu"),
        format!("attack --checkpoint {weights} --data mnist --folder digits --device cpu"),
        "corrupt --dataset mnist --folder digits --out x".to_owned(),
        "train --dataset mnist --folder digits --model tiny --learners dense --subset all --epochs 1 --device cpu".to_owned(),
    ] {
        let output = folder.command(&command).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}: {}", stdout(&output));
        assert!(stderr(&output).contains("no test images"), "{command}: {}", stderr(&output));
    }
}
