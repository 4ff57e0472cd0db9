//! `data bench`: images a second, decoded from an archive of pictures and filled into batches.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use sparring_core::data::batch::{Augmentation, HostBatch, order};
use sparring_core::data::pictures::Damaged;
use sparring_core::data::{Dataset, builtin, tinyimagenet};
use sparring_core::platform::{cpu_name, threads};

use super::store::read_file;

/// Samples of a batch.
const BATCH: usize = 128;
/// The largest archive.
const MAX_ARCHIVE: u64 = 2 << 30;

/// What `--seconds` takes.
pub fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=3600.0).contains(seconds));
    seconds.ok_or_else(|| format!("expected 0 to 3600, found '{text}'"))
}

/// Measures each for at least `seconds`; prints lines, returns the numbers.
pub fn bench(archive: Option<&Path>, seconds: f64, say: impl Fn(&str)) -> Result<Value> {
    let least = Duration::from_secs_f64(seconds);
    let machine = format!("{}, {} threads", cpu_name(), threads());
    let mut out = json!({ "cpu": cpu_name(), "threads": threads() });
    let dataset = match archive {
        Some(path) => {
            let (name, bytes) = (path.display().to_string(), read_file(path, MAX_ARCHIVE)?);
            let mut dataset = None;
            let rate = rate(least, || {
                let (data, _) = tinyimagenet::from_zip(&name, &bytes, Damaged::Fail, &|_, _| {})?;
                let count = data.train.len() + data.test.len();
                dataset = Some(data);
                Ok(count)
            })?;
            say(&format!("decoding   {rate:>9.0} images/s of {name} ({machine})"));
            out["decode_images_per_second"] = json!(rate);
            dataset
        }
        None => {
            say("decoding   not measured: name a Tiny ImageNet archive with --from");
            None
        }
    };
    let dataset = dataset.unwrap_or_else(|| builtin::builtin(0.5, 2000, 1, builtin::SEED));
    let rate = fill(&dataset, least)?;
    let (c, h, w) = dataset.extent;
    say(&format!("batches    {rate:>9.0} images/s of {c}x{h}x{w}, augmented, {BATCH} a batch (one thread)"));
    out["batch_images_per_second"] = json!(rate);
    out["extent"] = json!(dataset.extent);
    Ok(out)
}

fn fill(data: &Dataset, least: Duration) -> Result<f64> {
    let all: Vec<u32> = (0..data.train.len() as u32).collect();
    let (mut batch, mut epoch) = (HostBatch::default(), 0);
    rate(least, || {
        let augmentation = Augmentation { seed: 1, epoch, transforms: data.augmentation };
        for samples in order(1, epoch, &all).chunks(BATCH) {
            batch.fill(data, &data.train, samples, BATCH, Some(&augmentation))?;
        }
        epoch += 1;
        Ok(all.len())
    })
}

/// Images a second of something that says how many it did, repeated for at least so long.
fn rate(least: Duration, mut work: impl FnMut() -> Result<usize>) -> Result<f64> {
    let (start, mut done) = (Instant::now(), 0);
    loop {
        done += work()?;
        if start.elapsed() >= least {
            return Ok(done as f64 / start.elapsed().as_secs_f64().max(1e-9));
        }
    }
}
