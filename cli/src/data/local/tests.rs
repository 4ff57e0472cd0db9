//! Folders as people have them: with a stray file, a cut picture, an empty class.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs::File;

use super::super::tests::scratch;
use super::*;

fn png(path: &Path, side: u32, value: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(&vec![value; (side * side) as usize]).unwrap();
}

fn lines(skipped: &[Skipped]) -> Vec<String> {
    skipped.iter().map(Skipped::to_string).collect()
}

#[test]
fn class_folders_become_a_dataset_and_stay_one_until_they_change() {
    let scratch = scratch("folder");
    let (root, store) = (scratch.0.join("mine"), Store { folder: scratch.0.join("data") });
    for i in 0..15u8 {
        png(&root.join(format!("cat/{i:02}.PNG")), 20, i);
        png(&root.join(format!("dog/{i:02}.png")), 12, 100 + i);
    }
    fs::create_dir_all(root.join("dog/deeper")).unwrap();
    fs::create_dir_all(root.join("empty")).unwrap();
    fs::write(root.join("readme.txt"), "hello").unwrap();
    fs::write(root.join("cat/notes.txt"), "hello").unwrap();
    fs::write(root.join("cat/none.png"), "").unwrap();
    fs::write(root.join("dog/99.jpg"), "no picture").unwrap();
    let whole = fs::read(root.join("dog/00.png")).unwrap();
    fs::write(root.join("dog/98.png"), &whole[..whole.len() / 2]).unwrap();

    let stored = folder(&store, &root, 16, None).unwrap();
    let data = &stored.dataset;
    assert_eq!((data.name.as_str(), data.extent, data.classes.clone()), ("folder", (3, 16, 16), vec!["cat".to_owned(), "dog".into()]));
    // Of 32 that are named as pictures every tenth, rounded up, is for testing; two of all give no image.
    assert_eq!(data.train.len() + data.test.len(), 30);
    assert!((2..=4).contains(&data.test.len()), "{}", data.test.len());
    for images in [&data.train, &data.test] {
        for (image, label) in images.bytes.chunks_exact(768).zip(&images.labels) {
            assert!(image.iter().all(|v| *v == image[0]) && (image[0] >= 100) == (*label == 1));
        }
    }
    let mut report = lines(&stored.header.origin.skipped);
    report.sort();
    assert_eq!(
        report,
        [
            "1 a folder inside a class folder: dog/deeper",
            "1 class folders without pictures: empty",
            "1 damaged: dog/98.png",
            "1 empty: cat/none.png",
            "1 neither PNG nor JPEG: dog/99.jpg",
            "1 not in a class folder: readme.txt",
            "1 not named .png, .jpg or .jpeg: cat/notes.txt",
        ]
    );
    stored.verify().unwrap();

    // Again: from the store. After a change: anew.
    let path = stored.path.clone();
    let written = || fs::metadata(&path).unwrap().modified().unwrap();
    let first = written();
    assert_eq!(folder(&store, &root, 16, None).unwrap().dataset, stored.dataset);
    assert_eq!(written(), first);
    assert!(current(&store, &root, 16).unwrap().is_some());
    png(&root.join("cat/77.png"), 20, 77);
    assert!(current(&store, &root, 16).unwrap().is_none());
    assert_eq!(folder(&store, &root, 16, None).unwrap().dataset.train.len() + 1, stored.dataset.train.len() + 2);
    // Another size is another file.
    assert_ne!(folder(&store, &root, 8, None).unwrap().path, path);
    // Asked to fail, it names the first picture.
    let message = format!("{:#}", folder(&store, &root, 16, Some(Damaged::Fail)).unwrap_err());
    assert!(message.contains("dog/9") && message.contains("expected a whole PNG or JPEG picture"), "{message}");
}

#[test]
fn train_and_test_folders_are_taken_as_they_are() {
    let scratch = scratch("split");
    let (root, store) = (scratch.0.join("mine"), Store { folder: scratch.0.join("data") });
    for (path, value) in [("train/b/0", 1), ("train/a/0", 2), ("train/a/1", 3), ("val/b/0", 4), ("val/a/0", 5), ("val/c/0", 6)] {
        png(&root.join(format!("{path}.png")), 8, value);
    }
    let stored = folder(&store, &root, 8, None).unwrap();
    let first = |images: &sparring_core::data::Images| images.bytes.chunks_exact(192).map(|image| image[0]).collect::<Vec<_>>();
    assert_eq!((stored.dataset.train.labels.clone(), first(&stored.dataset.train)), (vec![0, 0, 1], vec![2, 3, 1]));
    assert_eq!((stored.dataset.test.labels.clone(), first(&stored.dataset.test)), (vec![0, 1], vec![5, 4]));
    assert_eq!(lines(&stored.header.origin.skipped), ["1 of a class that train/ lacks: val/c/0.png"]);
}

fn first(images: &sparring_core::data::Images) -> Vec<u8> {
    images.bytes.chunks_exact(192).map(|image| image[0]).collect()
}

#[test]
fn a_held_out_folder_is_taken_by_any_of_its_names() {
    let scratch = scratch("names");
    let store = Store { folder: scratch.0.join("data") };
    for (i, (train, held_out)) in [
        ("train", "test"),
        ("Train", "VAL"),
        ("train", "valid"),
        ("training", "Validation"),
        ("TRAIN", "testing"),
        ("train", "dev"),
        ("train", "eval"),
    ]
    .iter()
    .enumerate()
    {
        let root = scratch.0.join(format!("f{i}"));
        for (path, value) in
            [(format!("{train}/a/0"), 1), (format!("{train}/b/0"), 2), (format!("{held_out}/a/0"), 3), (format!("{held_out}/b/0"), 4)]
        {
            png(&root.join(format!("{path}.png")), 8, value);
        }
        let data = folder(&store, &root, 8, None).unwrap().dataset;
        assert_eq!(
            (first(&data.train), first(&data.test), data.classes),
            (vec![1, 2], vec![3, 4], vec!["a".to_owned(), "b".into()]),
            "{train}, {held_out}"
        );
    }
}

#[test]
fn pictures_without_labels_are_not_tested_on() {
    let scratch = scratch("flat");
    let (root, store) = (scratch.0.join("mine"), Store { folder: scratch.0.join("data") });
    for (path, value) in [("train/a/0", 1), ("train/b/0", 2), ("val/a/0", 3), ("val/b/0", 4), ("test/0", 5), ("test/1", 6), ("dev/a/0", 7)]
    {
        png(&root.join(format!("{path}.png")), 8, value);
    }
    let stored = folder(&store, &root, 8, None).unwrap();
    assert_eq!((first(&stored.dataset.train), first(&stored.dataset.test)), (vec![1, 2], vec![3, 4]));
    assert_eq!(
        lines(&stored.header.origin.skipped),
        ["1 a held-out folder without class folders: its pictures have no labels: test/", "1 a further held-out folder: dev/"]
    );
    // With nothing else to test on, the person decides.
    for other in ["val", "dev"] {
        fs::remove_dir_all(root.join(other)).unwrap();
    }
    let message = format!("{:#}", folder(&store, &root, 8, None).unwrap_err());
    assert!(message.contains("test/ has no class folders") && message.contains("a tenth of train/"), "{message}");
    fs::remove_dir_all(root.join("test")).unwrap();
    for i in 1..9 {
        png(&root.join(format!("train/a/{i}.png")), 8, 10 + i);
    }
    assert_eq!(folder(&store, &root, 8, None).unwrap().dataset.test.len(), 1, "a tenth is drawn");
    png(&root.join("Test/a/0.png"), 8, 1);
    png(&root.join("test/a/0.png"), 8, 1);
    if fs::read_dir(&root).unwrap().count() == 3 {
        assert!(format!("{:#}", folder(&store, &root, 8, None).unwrap_err()).contains("are both there; keep one"));
    }
}

#[test]
fn folders_beside_train_of_no_known_name_are_told_every_time() {
    let scratch = scratch("beside");
    let (store, root) = (Store { folder: scratch.0.join("data") }, scratch.0.join("pictures"));
    for i in 0..20 {
        png(&root.join(format!("train/{}/{i}.png", ["a", "b"][i % 2])), 8, 10 + i as u8);
    }
    png(&root.join("evaluation/a/0.png"), 8, 1);
    for _ in 0..2 {
        let stored = folder(&store, &root, 8, None).unwrap();
        let told = lines(&stored.header.origin.skipped);
        assert_eq!(
            told,
            ["1 beside train/ and under no name of a held-out folder (test, testing, val, valid, validation, dev, eval): evaluation/"]
        );
    }
}

#[test]
fn trains_may_be_a_class() {
    let scratch = scratch("trains");
    let (root, store) = (scratch.0.join("mine"), Store { folder: scratch.0.join("data") });
    for i in 0..10 {
        png(&root.join(format!("train/{i}.png")), 8, i);
        png(&root.join(format!("plane/{i}.png")), 8, 100 + i);
    }
    assert_eq!(folder(&store, &root, 8, None).unwrap().dataset.classes, ["plane", "train"]);
}

#[test]
fn folders_that_programs_leave_are_no_classes() {
    let scratch = scratch("hidden");
    let (root, store) = (scratch.0.join("mine"), Store { folder: scratch.0.join("data") });
    for i in 0..10 {
        png(&root.join(format!("b/{i}.png")), 8, i);
        png(&root.join(format!("c/{i}.png")), 8, 100 + i);
    }
    for name in [".ipynb_checkpoints/b-checkpoint.png", "__MACOSX/b.png", "__pycache__/b.png", ".git/b.png"] {
        png(&root.join(name), 8, 200);
    }
    fs::write(root.join("b/._0.png"), [0, 5, 22, 7]).unwrap();
    // Named as pictures, and none: not a class without images, which a network could never learn.
    fs::create_dir_all(root.join("a")).unwrap();
    fs::write(root.join("a/0.png"), "nothing").unwrap();
    let stored = folder(&store, &root, 8, None).unwrap();
    let data = &stored.dataset;
    assert_eq!((data.classes.clone(), data.train.len() + data.test.len()), (vec!["b".to_owned(), "c".into()], 20));
    for images in [&data.train, &data.test] {
        assert!(first(images).iter().zip(&images.labels).all(|(value, label)| (*value >= 100) == (*label == 1)));
    }
    let mut report = lines(&stored.header.origin.skipped);
    report.sort();
    assert_eq!(
        report,
        [
            "1 classes without a readable picture to train on: a",
            "1 hidden files, such as macOS puts beside others: b/._0.png",
            "1 neither PNG nor JPEG: a/0.png",
            "4 folders whose name begins with . or __, which are no classes: .git, .ipynb_checkpoints, __MACOSX, __pycache__",
        ]
    );
    stored.verify().unwrap();
    assert!(current(&store, &root, 8).unwrap().is_some());
}

#[test]
fn test_pictures_of_a_class_that_is_left_out_are_left_out_too() {
    let scratch = scratch("leftout");
    let (root, store) = (scratch.0.join("mine"), Store { folder: scratch.0.join("data") });
    for (path, value) in [("train/b/0", 1), ("train/c/0", 2), ("test/a/0", 3), ("test/b/0", 4), ("test/c/0", 5)] {
        png(&root.join(format!("{path}.png")), 8, value);
    }
    fs::create_dir_all(root.join("train/a")).unwrap();
    fs::write(root.join("train/a/0.png"), "nothing").unwrap();
    let stored = folder(&store, &root, 8, None).unwrap();
    let data = &stored.dataset;
    assert_eq!(
        (data.classes.clone(), data.train.labels.clone(), data.test.labels.clone()),
        (vec!["b".to_owned(), "c".into()], vec![0, 1], vec![0, 1])
    );
    assert_eq!(first(&data.test), [4, 5]);
    assert!(lines(&stored.header.origin.skipped).contains(&"1 of a class without a readable picture to train on: a".to_owned()));
}

#[test]
fn folders_that_are_none_say_what_is_expected() {
    let scratch = scratch("nofolder");
    let store = Store { folder: scratch.0.join("data") };
    let error = |path: &Path| format!("{:#}", folder(&store, path, 16, None).unwrap_err());
    assert!(error(&scratch.0.join("nowhere")).contains("they belong there as CLASS/PICTURE.png"));
    let bare = scratch.0.join("bare");
    png(&bare.join("one.png"), 8, 1);
    let message = error(&bare);
    assert!(message.contains("found 0 classes") && message.contains("left out: 1 not in a class folder: one.png"), "{message}");
    let broken = scratch.0.join("broken");
    for name in ["a/0.png", "a/1.png", "b/0.png"] {
        fs::create_dir_all(broken.join(name).parent().unwrap()).unwrap();
        fs::write(broken.join(name), "nothing").unwrap();
    }
    assert!(error(&broken).contains("of 3 pictures too few can be read; left out: 3 neither PNG nor JPEG: "));
}

#[test]
fn mnist_files_by_either_name() {
    let scratch = scratch("mnist");
    let idx = |magic: u32, extents: &[u32], content: &[u8]| -> Vec<u8> {
        [magic].iter().chain(extents).flat_map(|w| w.to_be_bytes()).chain(content.iter().copied()).collect()
    };
    let write = |name: &str, bytes: Vec<u8>| fs::write(scratch.0.join(name), bytes).unwrap();
    let error = || format!("{:#}", mnist(&scratch.0).unwrap_err());
    assert!(error().contains("expected train-images-idx3-ubyte or train-images-idx3-ubyte.gz, found neither"));
    write("train-images-idx3-ubyte", idx(0x803, &[2, 2, 2], &[1, 2, 3, 4, 5, 6, 7, 8]));
    write("train-labels.idx1-ubyte", idx(0x801, &[2], &[0, 1]));
    write("t10k-images.idx3-ubyte", idx(0x803, &[1, 2, 2], &[9; 4]));
    assert!(error().contains("t10k-labels-idx1-ubyte"));
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, &idx(0x801, &[1], &[2])).unwrap();
    write("t10k-labels-idx1-ubyte.gz", gz.finish().unwrap());
    let data = mnist(&scratch.0).unwrap();
    assert_eq!((data.train.labels.clone(), data.test.labels.clone(), data.classes.len()), (vec![0, 1], vec![2], 3));
    // As torchvision has them below its root, and beside other things.
    let root = scratch.0.join("root");
    fs::create_dir_all(root.join("MNIST")).unwrap();
    fs::write(root.join("notes.txt"), "x").unwrap();
    assert!(format!("{:#}", mnist(&root).unwrap_err()).contains("there or into MNIST/raw below it"));
    let raw = root.join("MNIST/raw");
    fs::create_dir(&raw).unwrap();
    for file in fs::read_dir(&scratch.0).unwrap().flatten().filter(|file| file.path().is_file()) {
        fs::copy(file.path(), raw.join(file.file_name())).unwrap();
    }
    for place in [&root, &root.join("MNIST"), &raw] {
        assert_eq!(mnist(place).unwrap(), data, "{}", place.display());
    }
    fs::remove_file(raw.join("t10k-labels-idx1-ubyte.gz")).unwrap();
    assert!(format!("{:#}", mnist(&root).unwrap_err()).contains("MNIST/raw: expected t10k-labels-idx1-ubyte"));
    write("train-labels.idx1-ubyte", idx(0x801, &[2], &[0]));
    assert!(error().contains("train-labels.idx1-ubyte: expected 2 bytes after its header, found 1"));
}
