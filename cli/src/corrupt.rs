//! `corrupt`: a corrupted test set in CIFAR-10-C's layout, a contact sheet of every kind, and how long each takes.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::json;
use sparring_core::corrupt::{Corruption, CorruptionSet, Severity, corrupt_all, corrupt_samples};
use sparring_core::data::limit::Limited;
use sparring_core::data::{Dataset, DatasetName, Images};
use sparring_core::platform::{cpu_name, threads};
use sparring_figures::number;

use crate::args::Usage;
use crate::console::{Stopped, stop_on_interrupt, stopping};
use crate::npy::Npy;
use crate::output::{Outputs, Together, no_stream, try_folder};
use crate::{data, rundir, source};

/// How many times a sheet enlarges a pixel, and the pixels between its images.
const ENLARGED: usize = 2;
const GAP: usize = 2;

/// Flags of `corrupt`.
#[derive(clap::Args)]
pub struct CorruptArgs {
    /// Images, as --dataset of race names them
    #[arg(long, default_value = "cifar10")]
    dataset: DatasetName,
    /// Difficulty of the built-in set, 0 to 1
    #[arg(long, default_value_t = 0.5)]
    difficulty: f32,
    #[command(flatten)]
    own: data::OwnImages,
    /// Which kinds: all (19), standard (15), or names as gaussian-noise,fog
    #[arg(long, default_value = "all")]
    corruption: CorruptionSet,
    /// Seed of the random kinds
    #[arg(long, default_value_t = 15)]
    seed: u64,
    /// Only N test images (0 = all): of CIFAR the first, of others as many of every class, always the same ones
    #[arg(long, value_name = "N", default_value_t = 0)]
    limit: usize,
    /// Folder for NAME.npy (five severities after each other) and labels.npy
    #[arg(long, value_name = "DIR", required_unless_present_any = ["sheet", "bench"])]
    out: Option<PathBuf>,
    /// Draw one test image under every kind (a row each, clean first, then five severities) into this picture (- for standard output)
    #[arg(long, value_name = "FILE.png")]
    sheet: Option<PathBuf>,
    /// The test image of the sheet
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    image: usize,
    /// Measure how long each kind takes, writing nothing
    #[arg(long)]
    bench: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Loads, corrupts, writes.
pub fn corrupt(args: &CorruptArgs) -> Result<()> {
    no_stream("--out", args.out.as_deref())?;
    let console = Outputs::new(args.json).images(&args.own.folder).output("--sheet", args.sheet.as_deref()).check()?;
    let kinds: Vec<Corruption> = args.corruption.iter().collect();
    if kinds.is_empty() {
        return Err(Usage("--corruption none leaves nothing to do".into()).into());
    }
    args.out.as_deref().map_or(Ok(()), try_folder)?;
    stop_on_interrupt()?;
    let data = source::exactly(console, args.dataset, args.difficulty, &args.own)?;
    let chosen = Limited::test(&data, args.limit)?;
    let count = chosen.samples.len();
    let sample = source::sample(&chosen);
    let mut result =
        json!({ "dataset": args.dataset, "images": count, "sample": sample, "seed": args.seed, "cpu": cpu_name(), "threads": threads() });
    if let Some(path) = &args.sheet {
        if args.image >= data.test.len() {
            return Err(Usage(format!("--image {} of {} test images", args.image, data.test.len())).into());
        }
        sheet(&data, &kinds, args, path)?;
        let rows = kinds.iter().map(|k| k.name()).collect::<Vec<_>>().join(", ");
        console.tell(format_args!("sheet     {}: rows {rows}; clean, then severities 1 to 5", path.display()));
        result["sheet"] = json!(path);
    }
    if args.bench || args.out.is_some() {
        console.say(format_args!("images    {chosen}"));
        let mut files = args.out.as_deref().map(Together::new).transpose()?;
        let mut seconds = serde_json::Map::new();
        let start = Instant::now();
        for kind in kinds {
            let began = Instant::now();
            let mut all = Vec::new();
            for severity in Severity::ALL {
                if stopping() {
                    let nothing = args.out.as_ref().map_or_else(String::new, |out| format!("; nothing was written into {}", out.display()));
                    bail!(Stopped(format!("stopped{nothing}")));
                }
                let corrupted = corrupt_samples(&data.test.bytes, data.extent, &chosen.samples, kind, severity, args.seed)?;
                if files.is_some() {
                    channels_last(&corrupted, data.extent, &mut all);
                }
            }
            let took = began.elapsed().as_secs_f64();
            if let Some(files) = &mut files {
                let (c, h, w) = data.extent;
                files.write(kind.file_stem() + ".npy", &Npy::u8(vec![5 * count, h, w, c], all).to_file())?;
            }
            console.say(format_args!("{:<18} {took:>7.2} s for five severities of {count} images", kind.name()));
            seconds.insert(kind.name().into(), json!(took));
        }
        let total = start.elapsed().as_secs_f64();
        console.say(format_args!("all       {} ({}, {} threads)", number::duration(total), cpu_name(), threads()));
        (result["seconds"], result["total_seconds"]) = (seconds.into(), json!(total));
        if let Some((mut files, out)) = files.zip(args.out.as_deref()) {
            files.write("labels.npy".into(), &labels(&data.test, &chosen.samples).to_file())?;
            files.finish()?;
            console.tell(format_args!("output    {}", out.display()));
            result["out"] = json!(out);
        }
    }
    console.result(&result);
    Ok(())
}

/// The labels five times over, as the archives have them; wider than a byte where a byte does not hold them.
fn labels(test: &Images, samples: &[u32]) -> Npy {
    let labels = samples.iter().map(|i| test.labels[*i as usize]).collect::<Vec<u16>>().repeat(5);
    let bytes: Option<Vec<u8>> = labels.iter().map(|l| u8::try_from(*l).ok()).collect();
    match bytes {
        Some(bytes) => Npy::u8(vec![labels.len()], bytes),
        None => {
            Npy { descr: "<i8".into(), shape: vec![labels.len()], bytes: labels.iter().flat_map(|l| u64::from(*l).to_le_bytes()).collect() }
        }
    }
}

/// Appends images `[c][h][w]` as `[h][w][c]`.
fn channels_last(images: &[u8], (c, h, w): (usize, usize, usize), out: &mut Vec<u8>) {
    for image in images.chunks_exact(c * h * w) {
        out.extend((0..h * w * c).map(|i| image[i % c * h * w + i / c]));
    }
}

/// One image under every kind: a row each, clean and five severities.
fn sheet(data: &Dataset, kinds: &[Corruption], args: &CorruptArgs, path: &Path) -> Result<()> {
    let (extent, size) = (data.extent, data.image_bytes());
    let (c, h, w) = extent;
    // Every random kind draws for the image by its place in this run of one.
    let clean = &data.test.bytes[args.image * size..(args.image + 1) * size];
    let (cell_h, cell_w) = (h * ENLARGED + GAP, w * ENLARGED + GAP);
    let (height, width) = (cell_h * kinds.len() - GAP, cell_w * 6 - GAP);
    let mut pixels = vec![255u8; height * width * 3];
    for (row, kind) in kinds.iter().enumerate() {
        for column in 0..6 {
            let image = match column {
                0 => clean.to_vec(),
                _ => corrupt_all(clean, extent, *kind, Severity::ALL[column - 1], args.seed)?,
            };
            for y in 0..h * ENLARGED {
                for x in 0..w * ENLARGED {
                    let to = ((row * cell_h + y) * width + column * cell_w + x) * 3;
                    let at = y / ENLARGED * w + x / ENLARGED;
                    let channel = |k: usize| image[k.min(c - 1) * h * w + at];
                    pixels[to..to + 3].copy_from_slice(&[channel(0), channel(1), channel(2)]);
                }
            }
        }
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().context("the sheet")?;
    writer.write_image_data(&pixels).context("the sheet")?;
    writer.finish().context("the sheet")?;
    rundir::write(path, &file)
}
