//! Small valid files of every form that is read, one folder a fuzz target: what the fuzzer begins to change.
//!
//! An example of the core package, so that it needs no compiler of its own: `cargo run --release --example fuzz_seeds -- FOLDER`.
#![allow(missing_docs, reason = "a program")]

#[path = "../cli/src/npy.rs"]
#[allow(dead_code, reason = "a module of the program")]
mod npy;
#[path = "../core/tests/torch_files/mod.rs"]
mod torch_files;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use npy::Npy;
use sparring_core::config::ExperimentConfig;
use sparring_core::data::{builtin, chunks, packed};
use sparring_core::formats::safetensors;
use sparring_core::formats::{StateDict, Tensor};
use sparring_core::hardness::{Column, ScoreName, Scores};
use torch_files::{Pickler, both, description};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const IMAGE: usize = 3072;
/// Bytes of a file that is worth changing.
const MOST: usize = 20_000;

/// Files of a target, in the order they are written.
struct Seeds<'a> {
    folder: &'a Path,
    written: BTreeMap<&'static str, usize>,
}

impl Seeds<'_> {
    fn add(&mut self, target: &'static str, bytes: &[u8]) -> Result<()> {
        let count = self.written.entry(target).or_default();
        *count += 1;
        let folder = self.folder.join(target);
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join(format!("seed-{count}")), bytes)?)
    }
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes)?;
    Ok(out.finish()?)
}

fn tar_of(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        out.append_data(&mut header, name, bytes.as_slice())?;
    }
    Ok(out.into_inner()?)
}

/// Records with these labels before each image.
fn records(labels: &[&[u8]]) -> Vec<u8> {
    labels.iter().flat_map(|l| l.iter().copied().chain((0..IMAGE).map(|i| (i * 7) as u8))).collect()
}

/// Two pieces, the length of the first before it.
fn joined(first: &[u8], rest: &[u8]) -> Vec<u8> {
    [&(first.len() as u16).to_le_bytes(), first, rest].concat()
}

/// A dictionary of lists: small numbers and names.
fn lists(entries: &[(&str, Vec<String>)]) -> Vec<u8> {
    let mut p = Pickler::new();
    p.op(b"}(");
    for (key, values) in entries {
        p.text(key).op(b"](");
        for value in values {
            match value.parse() {
                Ok(number) => p.int(number),
                Err(_) => p.text(value),
            };
        }
        p.op(b"e");
    }
    p.op(b"u").done()
}

/// An array of NumPy's as protocol 2 pickles it.
fn array(p: &mut Pickler, shape: &[i32], bytes: &[u8]) {
    p.op(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01").ints(shape);
    p.op(b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T");
    p.op(&(bytes.len() as u32).to_le_bytes()).op(bytes).op(b"tb");
}

fn weights(seeds: &mut Seeds, files: &Path) -> Result<()> {
    // As other programs wrote them; the smaller a file, the more often it can be changed.
    let mut names = fs::read_dir(files)?.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        let bytes = fs::read(name)?;
        if bytes.len() <= MOST {
            seeds.add(if safetensors::recognises(&bytes) { "safetensors" } else { "weights" }, &bytes)?;
        }
    }
    for container in both() {
        seeds.add("weights", &container)?;
    }
    for legacy in [true, false] {
        seeds.add("pickle", &description(legacy))?;
    }
    let tensors = BTreeMap::from([
        ("conv1.weight".to_owned(), Tensor { shape: vec![1, 1, 2, 2], data: vec![0.5, 0.0, -1.0, 2.0] }),
        ("linear.bias".to_owned(), Tensor { shape: vec![2], data: vec![0.1, 0.2] }),
    ]);
    let metadata = BTreeMap::from([("model".to_owned(), "tiny".to_owned()), ("density".to_owned(), "0.5".to_owned())]);
    seeds.add("safetensors", &safetensors::write(&StateDict { tensors, metadata })?)?;
    let columns = vec![Column { score: ScoreName::El2n, train: vec![0.1, 0.2], test: vec![0.3] }];
    seeds.add("safetensors", &Scores { columns, ..Scores::default() }.to_bytes()?)
}

fn arrays(seeds: &mut Seeds) -> Result<()> {
    seeds.add("npy", &Npy::u8(vec![2, 3], vec![7; 6]).to_file())?;
    seeds.add("npy", &Npy::f32(vec![3], &[0.5, 1.0, 2.0]).to_file())?;
    seeds.add("npy", &Npy::indices(&[0, 7, 9]).to_file())?;
    let images = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 4][..], &[9; 32]].concat();
    let labels = [0, 0, 8, 1, 0, 0, 0, 2, 3, 1];
    for (images, labels) in [(images.clone(), labels.to_vec()), (gzip(&images)?, gzip(&labels)?)] {
        let files = [&images, &labels, &images, &labels].map(|file| joined(file, &[]));
        seeds.add("idx", &files.concat())?;
    }
    Ok(())
}

fn datasets(seeds: &mut Seeds, files: &Path) -> Result<()> {
    let batch = |file: usize| {
        let name = if file == 2 { "test_batch.bin".into() } else { format!("data_batch_{}.bin", file + 1) };
        (format!("cifar-10-batches-bin/{name}"), records(&[&[0], &[3], &[9]]))
    };
    let tar = tar_of(&[0, 1, 2].map(batch))?;
    seeds.add("cifar10_tar", &tar)?;
    seeds.add("cifar10_tar", &gzip(&tar)?)?;
    for protocol in 2..=5 {
        let packed = fs::read(files.join(format!("cifar-10-python-{protocol}.tar.gz")))?;
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
        for entry in archive.entries()? {
            let mut entry = entry?;
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes)?;
            if entry.path()?.ends_with("data_batch_1") {
                seeds.add("cifar10_pickle", &bytes)?;
            }
        }
        seeds.add("cifar10_tar", &packed)?;
    }

    let names = |what: &str, count: usize| (0..count).map(|i| format!("{what}{i}")).collect::<Vec<_>>();
    let (fine, coarse) = (names("fine", 100), names("coarse", 20));
    let all = (0..100u8).map(|label| [label / 5, label]).collect::<Vec<_>>();
    let all = all.iter().map(|labels| &labels[..]).collect::<Vec<_>>();
    let file = |name: &str, bytes: Vec<u8>| (format!("cifar-100-binary/{name}"), bytes);
    let tar = tar_of(&[
        file("fine_label_names.txt", fine.join("\n").into_bytes()),
        file("coarse_label_names.txt", coarse.join("\n").into_bytes()),
        file("train.bin", records(&all)),
        file("test.bin", records(&all[..2])),
    ])?;
    // Compressed alone: most of 300 kB that nobody has to change.
    seeds.add("cifar100_tar", &gzip(&tar)?)?;
    let few = tar_of(&[file("fine_label_names.txt", fine.join("\n").into_bytes()), file("train.bin", records(&all[..1]))])?;
    seeds.add("cifar100_tar", &few)?;
    let meta = lists(&[("fine_label_names", fine), ("coarse_label_names", coarse)]);
    let mut images = Pickler::new();
    images.op(b"}(").text("data");
    array(&mut images, &[1, IMAGE as i32], &[5; IMAGE]);
    images.text("fine_labels").op(b"](").int(7).op(b"e").text("coarse_labels").op(b"](").int(1).op(b"eu");
    seeds.add("cifar100_pickle", &joined(&meta, &images.done()))?;

    let tiny = builtin::builtin(0.5, 2, 1, 1);
    let mut whole = Vec::new();
    packed::write(&tiny, None, packed::Origin { source: "seeds".into(), fingerprint: String::new(), skipped: Vec::new() }, &mut whole)?;
    seeds.add("packed", &whole)?;
    let (manifest, _) = chunks::pack(&tiny, 2)?;
    seeds.add("packed", &serde_json::to_vec(&manifest)?)?;
    Ok(())
}

fn pictures(seeds: &mut Seeds) -> Result<()> {
    let mut square = Vec::new();
    let mut encoder = png::Encoder::new(&mut square, 64, 64);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(&[90; 3 * 64 * 64])?;
    seeds.add("picture", &square)?;
    // The smallest baseline JPEG: grey, 8x8, one block.
    let mut jpeg = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    jpeg.extend([1; 64]);
    jpeg.extend([0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
    for class in [0x00, 0x10] {
        // One code of one bit: no difference, or the end of the block.
        jpeg.extend([0xff, 0xc4, 0, 20, class, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    jpeg.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x3f, 0xff, 0xd9]);
    seeds.add("picture", &jpeg)?;

    let root = |name: &str| format!("tiny-imagenet-200/{name}");
    let mut files = vec![
        (root("wnids.txt"), b"n01\nn02\n".to_vec()),
        (root("words.txt"), b"n01\tcrane\nn02\tgoldfish\n".to_vec()),
        (root("val/val_annotations.txt"), b"val_0.JPEG\tn01\t0\t0\t9\t9\n".to_vec()),
        (root("val/images/val_0.JPEG"), square.clone()),
    ];
    for class in ["n01", "n02"] {
        files.push((root(&format!("train/{class}/images/{class}_0.JPEG")), square.clone()));
    }
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    seeds.add("tinyimagenet_zip", &torch_files::zip_with(&files))
}

fn texts(seeds: &mut Seeds, root: &Path) -> Result<()> {
    for table in [
        "file,index,label,el2n,loss\ntrain,0,1,0.5,1\ntest,2,1,0.25,3\n",
        "\u{feff},el2n\n0,0.5\n1,0.75\n2,1\n3,1\n4,1\n5,1\n6,1\n7,1\n8,1\n",
        "index;\"el2n\";prediction\n0;\"0,5\";3\n",
    ] {
        seeds.add("scores_csv", table.as_bytes())?;
    }
    // The first thousands of characters of a real run, cut at an event.
    let run = fs::read_to_string(root.join("public/runs/nature.json"))?;
    let mut run: serde_json::Value = serde_json::from_str(&run)?;
    if let Some(events) = run["events"].as_array_mut() {
        events.truncate(12);
    }
    seeds.add("run_file", serde_json::to_string(&run)?.as_bytes())?;
    seeds.add("run_file", format!("[{run},{run}]").as_bytes())?;
    let lines = run["events"].as_array().map(|events| events.iter().map(|e| format!("{e}\n")).collect::<String>()).unwrap_or_default();
    seeds.add("run_file", format!("{run}\0{lines}").as_bytes())?;
    for link in [
        "version=1&epochs=2&learners=dense,set@0.2+masked,rigl@0.1&model=tiny&dataset=builtin&subset=el2n-hard&control=false",
        "norm=l2&radius=0.5&step=0.1&adversarial=true&lr=0.1&seed=7&limit_train=64&limit_test=32&batch_size=16",
        "corruption=gaussian-noise&severity=3&subset=all&width=0.5&weight_decay=5e-4",
    ] {
        seeds.add("link", link.as_bytes())?;
    }
    let default = ExperimentConfig::default();
    let pairs = default.fields()?;
    let toml = pairs.iter().map(|(name, value)| format!("{name} = {value}\n")).collect::<String>();
    seeds.add("config_toml", toml.as_bytes())?;
    seeds.add("config_toml", b"learners = [\"dense\", \"set@0.2\"]\nepochs = 2\nnorm = \"l2\"\n")
}

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).ok_or("a folder for the seeds expected")?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seeds = Seeds { folder: Path::new(&folder), written: BTreeMap::new() };
    weights(&mut seeds, &root.join("tests/files/weights"))?;
    arrays(&mut seeds)?;
    datasets(&mut seeds, &root.join("core/tests/files"))?;
    pictures(&mut seeds)?;
    texts(&mut seeds, &root)
}
