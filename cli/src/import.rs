//! `import`: somebody else's weights become a checkpoint, checked tensor by tensor against a network of the zoo.
//!
//! Without it every program's names, wrappers and masks would be the reader's to sort out. What is not taken is said.

mod fit;
mod masks;
mod names;
mod normalization;
mod sparse;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::json;
use sparring_core::data::{MeanStd, Normalization};
use sparring_core::formats::{self, StateDict, Weights, safetensors, torch};
use sparring_core::net::Graph;
use sparring_core::net::zoo::{Architecture, Input, Model, Stem};

use crate::args::{Usage, as_asked};
use crate::output::{DASH, Outputs};
use crate::rundir;
use crate::text;
use fit::{Fit, Wanted};
pub use sparse::placements;

/// Flags of `import`.
#[derive(clap::Args)]
pub struct ImportArgs {
    /// Weights as torch.save wrote them, or .safetensors of another program (- for standard input); wrapper dictionaries and prefixes are understood
    file: PathBuf,
    #[arg(long, help = format!("Network they belong to: {}", Model::valid_names()))]
    model: Model,
    /// Which weights to take where a file has several: a key of its dictionaries (model_ema) or a prefix of its names (student; a point alone, ., for names without a prefix)
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Weights that are exactly 0 are not there: the checkpoint is sparse. Masks of torch.nn.utils.prune make it so by themselves
    #[arg(long)]
    sparse: bool,
    /// Factor on the network's hidden numbers of channels
    #[arg(long, default_value_t = 1.0)]
    width: f32,
    /// How a ResNet begins: auto (large with the normalisation of Tiny ImageNet), small or large
    #[arg(long, default_value = "auto")]
    stem: Stem,
    #[arg(long, help = format!("Normalisation it was trained with, stored in the checkpoint: {} [default: what the file's buffers say, else cifar10, of grey images mnist]", Normalization::valid_names()))]
    normalization: Option<Normalization>,
    /// Its mean by channel, of pixels from 0 to 1, in place of a name, like 0.5,0.5,0.5
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "std", conflicts_with = "normalization")]
    mean: Vec<f32>,
    /// Its standard deviation by channel, like 0.2,0.2,0.2
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "mean")]
    std: Vec<f32>,
    /// Side of the images it was trained on, pixels [default: 64 with tinyimagenet normalisation, else 32]
    #[arg(long, value_name = "PIXELS")]
    size: Option<usize>,
    /// Where to write the checkpoint (- for standard output)
    #[arg(long, value_name = "F.safetensors")]
    out: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// What a checkpoint of this program says of itself that its weights do not, and that stays true of them in another file.
const IDENTITY: [&str; 7] = ["learner", "subset", "dataset", "epochs", "config", "config_hash", formats::TRAINING_FLOPS];

impl ImportArgs {
    /// What its input is normalised by, where that is said.
    fn given(&self) -> Result<Option<Normalization>> {
        if self.mean.is_empty() {
            return Ok(self.normalization);
        }
        let own = MeanStd::new(&self.mean, &self.std).map_err(|e| Usage(e.to_string()))?;
        Ok(Some(Normalization::Own(own)))
    }
}

/// Reads, checks and writes.
pub fn import(args: &ImportArgs) -> Result<()> {
    let console = Outputs::new(args.json).input("the weights", Some(&args.file)).output("--out", Some(&args.out)).check()?;
    let given = args.given()?;
    let (file, bytes) = read(&args.file)?;
    let Weights { state, key, keys, masks, mut unread } = formats::open(&bytes, &file, args.key.as_deref())?;
    drop(bytes);
    let mut notes = Vec::new();
    let prefix = prefix(args.key.as_deref(), &key, &keys, &state).with_context(|| file.clone())?;
    if keys.len() > 1 && args.key.is_none() {
        let taken = if key.is_empty() { "the whole file" } else { &key };
        notes.push(format!("several sets of weights: {}; {taken} is taken, --key NAME chooses another", keys.join(", ")));
    }
    let StateDict { mut tensors, metadata } = state;
    let own = own_normalization(&metadata).with_context(|| file.clone())?;
    for (key, masks) in masks {
        let placed = masks::place(&mut tensors, masks);
        if placed > 0 {
            notes.push(format!("'{key}' holds the masks of {placed} weights, which are kept"));
        }
    }
    let masked = masks::resolve(&mut tensors).with_context(|| file.clone())?;
    let buffers = normalization::told(&tensors);
    let channels = args.model.usual_extent().0;
    let normalization = match (given.or(own), &buffers) {
        (Some(given), _) => given,
        (None, Some(buffers)) => buffers.normalization().with_context(|| file.clone())?,
        (None, None) => Normalization::usual(channels)?,
    };
    normalization.check(channels).map_err(|e| Usage(format!("{}: {e}", args.model)))?;
    if let Some(own) = own.filter(|own| *own != normalization) {
        notes.push(format!("it is a checkpoint of this program and says {own} normalisation; {normalization} is taken, as asked"));
    }
    notes.extend(buffers.as_ref().and_then(|buffers| buffers.note(given, normalization)));
    let extent = match (args.size, normalization) {
        (Some(side), _) => (channels, side, side),
        (None, Normalization::TinyImageNet) => (3, 64, 64),
        (None, _) => args.model.usual_extent(),
    };
    // Whether there is such a network at all, whatever the file is.
    let own = Architecture { width: args.width, stem: args.stem, ..args.model.into() };
    let (mean, std) = normalization.mean_std();
    own.graph(Input { extent, classes: 10, mean, std }).map_err(as_asked)?;
    let wanted = Wanted { model: args.model, width: args.width, stem: args.stem, extent, prefix: prefix.as_deref() };
    let fit =
        fit::fit(&wanted, tensors, &unread).with_context(|| format!("{file} is no {} for {}x{} images", args.model, extent.1, extent.2))?;
    let Fit { architecture, classes, mut state, .. } = fit;
    if fit.prefixes.len() > 1 && prefix.is_none() {
        let all: Vec<&str> = fit.prefixes.iter().map(|prefix| names::shown(prefix)).collect();
        notes.push(format!(
            "several networks in one set of weights: {}; {} is taken, --key NAME chooses another",
            all.join(", "),
            names::shown(&fit.prefix)
        ));
    }
    if let Some((name, value)) = not_a_number(&state) {
        bail!("{file}: expected numbers, found {value} in '{name}': the network answers nothing; was it saved after training went wrong?");
    }
    if fit.torchvision && matches!(args.stem, Stem::Auto | Stem::Small) && architecture.has_bias_choice() {
        notes.push("names are torchvision's and the first convolution is 3x3: taken to have no pooling after it".into());
    }
    let graph = graph(architecture, normalization, classes, extent)?;
    let sparse = sparse::Zeros::of(&graph, &state);
    let is_masked = fit.named.iter().any(|(name, theirs)| masked.names.contains(theirs) && graph.weights().iter().any(|w| w.name == *name));
    let was_placed = metadata.get(formats::PLACEMENT).is_some_and(|placement| placement == formats::SPARSE) && sparse.density() < 1.0;
    let placed = args.sparse || is_masked || was_placed;
    notes.extend(sparse.note(placed, &masked).with_context(|| file.clone())?);
    unread.extend(fit.left_out.iter().map(|(name, tensor)| (name.clone(), format!("{:?}", tensor.shape))));
    if !unread.is_empty() {
        notes.push(format!("left out: {}", listed(unread.keys().map(String::as_str))));
    }
    // Of a checkpoint of this program: who it is stays known, so that a sparse learner is never taken for a dense parent.
    let is_own = is_own(&metadata);
    state.metadata = metadata.into_iter().filter(|(key, _)| is_own && IDENTITY.contains(&key.as_str())).collect();
    let own = [
        (formats::FORMAT, formats::CHECKPOINT_FORMAT.to_owned()),
        (formats::NORMALIZATION, normalization.to_string()),
        ("source", Path::new(&file).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()),
    ];
    let placement = [(formats::PLACEMENT, formats::SPARSE.to_owned()), (formats::DENSITY, sparse.density().to_string())];
    let all = own.into_iter().chain(architecture.metadata()).chain(placement.into_iter().filter(|_| placed));
    state.metadata.extend(all.map(|(key, value)| (key.to_owned(), value)));
    rundir::write(&args.out, &safetensors::write(&state)?)?;
    notes.iter().for_each(|note| console.message(format_args!("note      {note}")));
    console.tell(format_args!(
        "{}: {} tensors, {} parameters{}, {classes} classes, {normalization} normalisation",
        args.out.display(),
        state.tensors.len(),
        graph.parameters(),
        if placed { format!(", density {:.4}", sparse.density()) } else { String::new() },
    ));
    console.result(&json!({
        "out": args.out,
        "model": args.model,
        "width": architecture.width,
        "stem": architecture.stem,
        "classifier_bias": architecture.classifier_bias,
        "projections": architecture.projections,
        "normalization": normalization,
        "classes": classes,
        "tensors": state.tensors.len(),
        "parameters": graph.parameters(),
        "placement": if placed { formats::SPARSE } else { "dense" },
        "density": sparse.density(),
        "key": key,
        "keys": keys,
        "prefix": fit.prefix,
        "prefixes": fit.prefixes,
        "left_out": unread,
        "notes": notes,
    }));
    Ok(())
}

/// Whether what is said beside weights is said by a checkpoint of this program.
fn is_own(metadata: &BTreeMap<String, String>) -> bool {
    metadata.get(formats::FORMAT).is_some_and(|format| format == formats::CHECKPOINT_FORMAT)
}

/// The normalisation that a checkpoint of this program says; `None` of any other file.
fn own_normalization(metadata: &BTreeMap<String, String>) -> Result<Option<Normalization>> {
    let said = metadata.get(formats::NORMALIZATION).filter(|_| is_own(metadata));
    Ok(said.map(|name| name.parse()).transpose()?)
}

/// The first tensor that holds a value that is no finite number, and the value.
fn not_a_number(state: &StateDict) -> Option<(&str, f32)> {
    state.tensors.iter().find_map(|(name, tensor)| Some((name.as_str(), *tensor.data.iter().find(|v| !v.is_finite())?)))
}

/// A file by its name in messages, and its bytes.
fn read(path: &Path) -> Result<(String, Vec<u8>)> {
    let (name, bytes) = if path == Path::new(DASH) {
        let mut bytes = Vec::new();
        ("standard input".to_owned(), std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes))
    } else {
        (path.display().to_string(), std::fs::read(path))
    };
    let bytes = bytes.with_context(|| format!("reading {name}"))?;
    Ok((name, bytes))
}

/// What `--key` names where it is no key of the file's dictionaries: a prefix of its names, with its point; a point alone is none.
fn prefix(asked: Option<&str>, key: &str, keys: &[String], state: &StateDict) -> Result<Option<String>> {
    let Some(asked) = asked.filter(|asked| *asked != key) else { return Ok(None) };
    let prefix = match asked.trim_end_matches('.') {
        "" => return Ok(Some(String::new())),
        name => format!("{name}."),
    };
    if !state.tensors.keys().any(|name| name.starts_with(&prefix)) {
        bail!("no set of weights '{asked}', and no tensor's name begins so; sets: {}", keys.join(", "));
    }
    Ok(Some(prefix))
}

/// A network of the zoo for images of this extent.
///
/// # Errors
/// Where the normalisation is of other channels; as [`Architecture::graph`].
pub fn graph(architecture: Architecture, normalization: Normalization, classes: usize, extent: (usize, usize, usize)) -> Result<Graph> {
    normalization.check(extent.0)?;
    let (mean, std) = normalization.mean_std();
    Ok(architecture.graph(Input { extent, classes, mean, std })?)
}

/// The same, to look at its shapes.
fn shaped(architecture: Architecture, classes: usize, extent: (usize, usize, usize)) -> Result<Graph> {
    graph(architecture, Normalization::None, classes, extent)
}

/// Number of classes: the rows of the last weight tensor.
pub fn classes(architecture: Architecture, extent: (usize, usize, usize), state: &StateDict) -> Result<usize> {
    let (graph, model) = (shaped(architecture, 10, extent)?, architecture.model);
    let last = graph.weights().pop().map(|w| w.name).unwrap_or_default();
    match state.tensors.get(&last).map(|t| t.shape.as_slice()) {
        Some(&[classes, _]) if classes > 0 => Ok(classes),
        Some(shape) => bail!("{model}: expected '{last}' of shape [classes, features], found {shape:?}"),
        None => bail!("{model}: expected a tensor '{last}', found {}", listed(state.tensors.keys().map(String::as_str))),
    }
}

/// Checks names and shapes; PyTorch's step counters (`num_batches_tracked`) are dropped.
///
/// # Errors
/// One that lists tensors that are missing, unexpected, or of another shape, the first few of each.
pub fn check(graph: &Graph, state: &mut StateDict) -> Result<()> {
    state.tensors.retain(|name, _| !name.ends_with("num_batches_tracked"));
    differences(graph, state).map_or(Ok(()), |wrong| bail!("{wrong}"))
}

/// The tensors that are missing, unexpected, or of another shape, in the network's order and the first few of each.
fn differences(graph: &Graph, state: &StateDict) -> Option<String> {
    let expected = graph.state_shapes();
    let missing = expected.iter().filter(|(name, _)| !state.tensors.contains_key(name)).map(|(name, _)| name.clone());
    let unexpected = state.tensors.keys().filter(|name| !expected.iter().any(|(e, _)| e == *name)).cloned();
    let misshapen = expected.iter().filter_map(|(name, shape)| {
        let found = &state.tensors.get(name)?.shape;
        (found != shape).then(|| format!("'{name}': expected shape {shape:?}, found {found:?}"))
    });
    let kinds: [(&str, Vec<String>); 3] =
        [("missing", missing.collect()), ("not in the network:", unexpected.collect()), ("misshapen", misshapen.collect())];
    let wrong: Vec<String> = kinds
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what} {}", listed(names.iter().map(String::as_str))))
        .collect();
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

/// A checkpoint of ours with what its metadata says.
///
/// # Errors
/// Where the file is none of ours; the message says what to do with it.
pub fn read_checkpoint(path: &Path) -> Result<(StateDict, Architecture, Normalization)> {
    let file = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("reading {file}"))?;
    let foreign = |what: &str| format!("{file}: {what}; sparring import {file} --model MODEL --out F.safetensors makes a checkpoint of it");
    if !safetensors::recognises(&bytes) && torch::recognises(&bytes) {
        bail!(foreign("expected a checkpoint of this program, found a file of PyTorch's"));
    }
    let state = safetensors::read(&bytes, &file)?;
    let missing = [formats::MODEL, formats::NORMALIZATION].into_iter().find(|key| !state.metadata.contains_key(*key));
    if let Some(key) = missing {
        bail!(foreign(&format!("expected the metadata '{key}' that race, train and import write, found none")));
    }
    let architecture = Architecture::from_metadata(&state.metadata, &file)?;
    let normalization = state.metadata.get(formats::NORMALIZATION).map_or("", String::as_str).parse().with_context(|| file.clone())?;
    Ok((state, architecture, normalization))
}

/// Characters of a tensor's name in a message.
const LONGEST_NAME: usize = 120;

/// The first few names.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = names.collect();
    let shown = all.iter().take(6).map(|name| text::cut(name, LONGEST_NAME)).collect::<Vec<_>>().join(", ");
    if all.len() > 6 { format!("{shown} and {} more", all.len() - 6) } else { shown }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use sparring_core::net::init::initial_state;

    #[test]
    fn every_model_of_the_zoo_is_recognised_by_its_tensors() {
        for &model in Model::ALL {
            let architecture = Architecture { width: 0.05, ..model.into() };
            let built = shaped(architecture, 7, model.usual_extent()).unwrap();
            let mut state = initial_state(&built, 1);
            assert_eq!(classes(architecture, model.usual_extent(), &state).unwrap(), 7, "{model}");
            check(&built, &mut state).unwrap();
            let own = shaped(model.into(), 7, model.usual_extent()).unwrap();
            let error = check(&own, &mut state).unwrap_err().to_string();
            assert!(error.contains("shape") || error.contains("missing"), "{model}: {error}");
        }
    }

    #[test]
    fn a_checkpoint_says_its_width_and_stem() {
        let folder = std::env::temp_dir().join(format!("sparring-import-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("c.safetensors");
        let write = |pairs: &[(&str, &str)]| {
            let mut state = StateDict::default();
            state.metadata.extend(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
            std::fs::write(&path, safetensors::write(&state).unwrap()).unwrap();
            read_checkpoint(&path)
        };
        let base = [(formats::MODEL, "wrn-16-4"), (formats::NORMALIZATION, "cifar10")];
        let (_, architecture, _) = write(&base).unwrap();
        assert_eq!(architecture, Architecture::from("wrn-16-4".parse::<Model>().unwrap()));
        let (_, architecture, _) = write(&[base[0], base[1], (formats::WIDTH, "0.25"), (formats::STEM, "large")]).unwrap();
        assert_eq!((architecture.width, architecture.stem), (0.25, Stem::Large));
        let error = write(&[base[0], base[1], (formats::WIDTH, "wide")]).unwrap_err();
        assert!(format!("{error:#}").contains("'wide'"), "{error:#}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
