//! AutoAttack on a checkpoint: part after part on the samples that still stand, with a state file to go on from.
//!
//! The standard version takes hours on a CPU; the state is written after every batch, so that stopping costs one batch.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sparring_core::Device;
use sparring_core::attack::autoattack::{Arena, Attack, AutoAttack, AutoAttackConfig};
use sparring_core::data::Dataset;
use sparring_core::data::limit::Limited;
use sparring_core::formats::StateDict;
use sparring_core::net::Io;
use sparring_core::net::NetConfig;
use sparring_core::net::scratch::Scratch;
use sparring_core::net::{Graph, Net};
use sparring_core::ops::OptimizerName;
use sparring_core::ops::padded_batch;
use sparring_figures::number;

use super::victim::{Attacked, Attempt};
use crate::console::{Console, Stopped, stopping};
use crate::import::placements;
use crate::rundir;

/// What is kept between two batches, and what it belongs to.
#[derive(Serialize, Deserialize)]
struct Saved {
    /// SHA-256 of the checkpoint; the name of the data and the fingerprint of the images that are attacked.
    of: (String, String),
    run: AutoAttack,
}

/// What is attacked.
pub struct Target<'a> {
    pub graph: Graph,
    pub state: &'a StateDict,
    pub data: &'a Dataset,
    /// SHA-256 of the checkpoint's file.
    pub identity: String,
}

/// How.
pub struct Plan<'a> {
    pub config: AutoAttackConfig,
    /// One part alone.
    pub only: Option<Attack>,
    /// The images that are attacked.
    pub chosen: &'a Limited,
    pub batch: usize,
    /// Where the state is kept, if anywhere.
    pub save: Option<&'a Path>,
    /// Whether adversarial images are wanted.
    pub keep: bool,
}

/// Runs it to the end, or until a signal. The result, and the finished run with its reports.
pub fn run(console: Console, device: &mut Device, target: Target<'_>, plan: &Plan) -> Result<(Attacked, AutoAttack)> {
    let Target { graph, state, data, identity } = target;
    let n = padded_batch(plan.batch);
    let io = Io::new(device, data.extent, n, n)?;
    let placements = placements(&graph, state);
    let mut scratch = Scratch::default();
    let classes = graph.classes;
    let net = Net::plan(device, &mut scratch, io, state, NetConfig { graph, n, placements, training: OptimizerName::Sgd.into() })?;
    let mut arena = Arena::new(device, &mut scratch, &net, io, &plan.config)?;
    let samples = &plan.chosen.samples;
    let of = (identity, format!("{}, {}", data.name, fingerprint(data, samples)));
    let fresh = AutoAttack::new(plan.config, classes, samples.clone())?;
    let fresh = match plan.only {
        Some(part) => fresh.only(&[part]),
        None => fresh,
    };
    let mut run = match plan.save.map(|path| load(console, path, &of, &fresh)).transpose()?.flatten() {
        Some(run) if plan.keep => bail!(
            "--export and --sheet need the images of the whole run, and {} of {} samples were attacked before: start with another --state",
            run.total - run.robust().count(),
            run.total
        ),
        Some(run) => run,
        None => fresh,
    };
    let size: usize = data.image_bytes();
    let stands = |sample: &u32| Attempt { sample: *sample, clean: (0, true), robust: true, ..Attempt::default() };
    let mut attacked = Attacked { attempts: samples.iter().map(stands).collect(), ..Attacked::default() };
    if plan.keep {
        let pixels = samples.iter().flat_map(|i| &data.test.bytes[*i as usize * size..][..size]);
        attacked.adversarial = pixels.map(|b| f32::from(*b) / 255.0).collect();
    }
    let mut said = Instant::now();
    while !run.finished() {
        if stopping() {
            match plan.save {
                Some(path) => bail!(Stopped(format!("stopped; the same command goes on from {}", path.display()))),
                None => bail!(Stopped("stopped; with --state FILE the same command would go on from here".into())),
            }
        }
        for broken in pollster::block_on(run.advance(device, &mut arena, data, &data.test))? {
            // They are increasing.
            let Ok(i) = samples.binary_search(&broken.sample) else { continue };
            attacked.attempts[i].robust = false;
            attacked.attempts[i].clean.1 &= broken.part != Attack::Clean;
            if plan.keep {
                attacked.adversarial[i * size..][..size].copy_from_slice(&broken.image);
            }
        }
        if let Some(path) = plan.save {
            let saved = serde_json::to_vec(&Saved { of: of.clone(), run: run.clone() })?;
            rundir::write(path, &saved).with_context(|| format!("writing {}", path.display()))?;
        }
        if said.elapsed().as_secs_f64() > 5.0 {
            said = Instant::now();
            let part = run.reports.last().map_or("clean", |report| report.part.name());
            console.say(format_args!("{part:<8}  robust at most {}", number::percent(run.robust_accuracy(), 2)));
        }
    }
    arena.free(device);
    for warning in &run.warnings {
        console.message(format_args!("warning   {warning}"));
    }
    Ok((attacked, run))
}

/// What tells images from others under the same name: their labels, pixels and normalisation.
fn fingerprint(data: &Dataset, samples: &[u32]) -> String {
    let size = data.image_bytes();
    let mut bytes: Vec<u8> = [data.mean, data.std].iter().flatten().flat_map(|v| v.to_le_bytes()).collect();
    for &i in samples {
        let i = i as usize;
        bytes.extend(data.test.labels[i].to_le_bytes());
        bytes.extend(&data.test.bytes[i * size..][..size]);
    }
    sparring_core::data::sha256(&bytes)
}

/// The state of the same run, if there is one.
fn load(console: Console, path: &Path, of: &(String, String), fresh: &AutoAttack) -> Result<Option<AutoAttack>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).with_context(|| format!("reading {}", path.display())),
    };
    let saved: Saved = serde_json::from_slice(&bytes).with_context(|| format!("{} is no state of AutoAttack", path.display()))?;
    if saved.of != *of || saved.run.config != fresh.config || saved.run.parts() != fresh.parts() || saved.run.total != fresh.total {
        bail!("{} is of another checkpoint, other data or other settings; name another file, or remove it", path.display());
    }
    console.say(format_args!("resumed   {} of {} samples stand", saved.run.robust().count(), saved.run.total));
    Ok(Some(saved.run))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sparring_core::data::builtin::builtin;

    #[test]
    fn other_images_labels_or_normalisation_have_another_fingerprint() {
        let data = builtin(0.5, 1, 6, 1);
        let of = |data: &Dataset| fingerprint(data, &[1, 4]);
        assert_eq!(of(&data), of(&builtin(0.5, 2, 6, 1)), "the images that are attacked count, not those they were trained on");
        assert_ne!(of(&data), fingerprint(&data, &[1, 5]));
        assert_ne!(of(&data), of(&builtin(0.5, 1, 6, 2)));
        let mut other = data.clone();
        other.test.labels[4] += 1;
        assert_ne!(of(&data), of(&other));
        assert_ne!(of(&data), of(&Dataset { mean: [0.0; 4], ..data.clone() }));
    }
}
