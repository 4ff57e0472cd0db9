//! `import`: a PyTorch state dict becomes a checkpoint, checked tensor by tensor against a network of the zoo.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::json;
use sparring_core::data::{MeanStd, Normalization};
use sparring_core::formats::StateDict;
use sparring_core::formats::{self, safetensors, torch};
use sparring_core::net::Graph;
use sparring_core::net::zoo::{Architecture, Input, Model, Stem};

use crate::args::Usage;
use crate::output::Outputs;
use crate::rundir;

/// Flags of `import`.
#[derive(clap::Args)]
pub struct ImportArgs {
    /// The state dict as torch.save wrote it; wrapper dictionaries and `module.` prefixes are understood
    file: PathBuf,
    #[arg(long, help = format!("Network it belongs to: {}", Model::valid_names()))]
    model: Model,
    /// Factor on the network's hidden numbers of channels
    #[arg(long, default_value_t = 1.0)]
    width: f32,
    /// How a ResNet begins: auto (large with the normalisation of Tiny ImageNet), small or large
    #[arg(long, default_value = "auto")]
    stem: Stem,
    #[arg(long, help = format!("Normalisation it was trained with, stored in the checkpoint: {} [default: cifar10, of grey images mnist]", Normalization::valid_names()))]
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
    let console = Outputs::new(args.json).input("the state dict", Some(&args.file)).output("--out", Some(&args.out)).check()?;
    let given = args.given()?;
    let bytes = std::fs::read(&args.file).with_context(|| format!("reading {}", args.file.display()))?;
    let mut state = torch::read(&bytes, &args.file.display().to_string())?;
    let architecture = Architecture { model: args.model, width: args.width, stem: args.stem };
    let channels = args.model.usual_extent().0;
    let normalization = given.map_or_else(|| Normalization::usual(channels), Ok)?;
    normalization.check(channels).map_err(|e| Usage(format!("{}: {e}", args.model)))?;
    let extent = match (args.size, normalization) {
        (Some(side), _) => (channels, side, side),
        (None, Normalization::TinyImageNet) => (3, 64, 64),
        (None, _) => args.model.usual_extent(),
    };
    let classes = classes(architecture, extent, &state)?;
    let graph = graph(architecture, normalization, classes, extent)?;
    check(&graph, &mut state).with_context(|| format!("{} is no {} with {classes} classes", args.file.display(), args.model))?;
    for (key, value) in [
        (formats::FORMAT, formats::CHECKPOINT_FORMAT.to_owned()),
        (formats::MODEL, args.model.to_string()),
        (formats::WIDTH, args.width.to_string()),
        (formats::STEM, args.stem.to_string()),
        (formats::NORMALIZATION, normalization.to_string()),
        ("source", args.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()),
    ] {
        state.metadata.insert(key.to_owned(), value);
    }
    rundir::write(&args.out, &safetensors::write(&state)?)?;
    console.tell(format_args!(
        "{}: {} tensors, {} parameters, {classes} classes, {} normalisation",
        args.out.display(),
        state.tensors.len(),
        graph.parameters(),
        normalization
    ));
    console.result(&json!({
        "out": args.out,
        "model": args.model,
        "normalization": normalization,
        "classes": classes,
        "tensors": state.tensors.len(),
        "parameters": graph.parameters(),
    }));
    Ok(())
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

/// Number of classes: the rows of the last weight tensor.
pub fn classes(architecture: Architecture, extent: (usize, usize, usize), state: &StateDict) -> Result<usize> {
    let (graph, model) = (graph(architecture, Normalization::None, 10, extent)?, architecture.model);
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
    if wrong.is_empty() { Ok(()) } else { bail!("{}", wrong.join("; ")) }
}

/// A checkpoint of ours with what its metadata says.
pub fn read_checkpoint(path: &Path) -> Result<(StateDict, Architecture, Normalization)> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let state = safetensors::read(&bytes, &path.display().to_string())?;
    let metadata = |key: &str| {
        state.metadata.get(key).with_context(|| {
            format!("{}: expected the metadata '{key}', found none; write the checkpoint with race, train or import", path.display())
        })
    };
    let (model, normalization) = (metadata(formats::MODEL)?.parse::<Model>()?, metadata(formats::NORMALIZATION)?.parse()?);
    let mut architecture = Architecture::from(model);
    if let Some(width) = state.metadata.get(formats::WIDTH) {
        let wrong = || format!("{}: expected a number as metadata '{}', found '{width}'", path.display(), formats::WIDTH);
        architecture.width = width.parse().with_context(wrong)?;
    }
    if let Some(stem) = state.metadata.get(formats::STEM) {
        architecture.stem = stem.parse()?;
    }
    Ok((state, architecture, normalization))
}

/// The first few names.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = names.collect();
    let shown = all.iter().take(6).copied().collect::<Vec<_>>().join(", ");
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
            let built = graph(architecture, Normalization::None, 7, model.usual_extent()).unwrap();
            let mut state = initial_state(&built, 1);
            assert_eq!(classes(architecture, model.usual_extent(), &state).unwrap(), 7, "{model}");
            check(&built, &mut state).unwrap();
            let own = graph(model.into(), Normalization::None, 7, model.usual_extent()).unwrap();
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
