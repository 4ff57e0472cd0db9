//! `import`: a PyTorch state dict becomes a checkpoint, checked tensor by tensor against a network of the zoo.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::json;
use sparring_core::data::Normalization;
use sparring_core::formats::{self, safetensors, torch};
use sparring_core::net::zoo::{Input, Model};
use sparring_core::net::{Graph, StateDict};

use crate::console::Console;
use crate::rundir;

/// Flags of `import`.
#[derive(clap::Args)]
pub struct ImportArgs {
    /// The state dict as torch.save wrote it; wrapper dictionaries and `module.` prefixes are understood
    file: PathBuf,
    /// Network it belongs to: tiny, resnet20, resnet32, resnet44, resnet56, resnet18, resnet34, vgg16, mlp
    #[arg(long)]
    model: Model,
    /// Normalisation it was trained with: cifar10, cifar100, tinyimagenet, imagenet or builtin; stored in the checkpoint
    #[arg(long, default_value = "cifar10")]
    normalization: Normalization,
    /// Side of the images it was trained on, pixels [default: 64 with tinyimagenet normalisation, else 32]
    #[arg(long, value_name = "PIXELS")]
    size: Option<usize>,
    /// Where to write the checkpoint
    #[arg(long, value_name = "F.safetensors")]
    out: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Reads, checks and writes.
pub fn import(args: &ImportArgs) -> Result<()> {
    let console = Console::new(args.json);
    let bytes = std::fs::read(&args.file).with_context(|| format!("reading {}", args.file.display()))?;
    let mut state = torch::read(&bytes, &args.file.display().to_string())?;
    let classes = classes(args.model, &state)?;
    let side = args.size.unwrap_or(if args.normalization == Normalization::TinyImageNet { 64 } else { 32 });
    let graph = graph(args.model, args.normalization, classes, (3, side, side))?;
    check(&graph, &mut state).with_context(|| format!("{} is no {} with {classes} classes", args.file.display(), args.model))?;
    for (key, value) in [
        (formats::FORMAT, formats::CHECKPOINT_FORMAT.to_owned()),
        (formats::MODEL, args.model.to_string()),
        (formats::NORMALIZATION, args.normalization.to_string()),
        ("source", args.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()),
    ] {
        state.metadata.insert(key.to_owned(), value);
    }
    rundir::write(&args.out, &safetensors::write(&state)?)?;
    console.say(format_args!(
        "{}: {} tensors, {} parameters, {classes} classes, {} normalisation",
        args.out.display(),
        state.tensors.len(),
        graph.parameters(),
        args.normalization
    ));
    console.result(&json!({
        "out": args.out,
        "model": args.model,
        "normalization": args.normalization,
        "classes": classes,
        "tensors": state.tensors.len(),
        "parameters": graph.parameters(),
    }));
    Ok(())
}

/// A network of the zoo for images of this extent.
pub fn graph(model: Model, normalization: Normalization, classes: usize, extent: (usize, usize, usize)) -> Result<Graph> {
    let (mean, std) = normalization.mean_std();
    Ok(model.graph(Input { extent, classes, mean, std })?)
}

/// Number of classes: the rows of the last weight tensor.
pub fn classes(model: Model, state: &StateDict) -> Result<usize> {
    let graph = graph(model, Normalization::Cifar10, 10, (3, 32, 32))?;
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
pub fn read_checkpoint(path: &Path) -> Result<(StateDict, Model, Normalization)> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let state = safetensors::read(&bytes, &path.display().to_string())?;
    let metadata = |key: &str| {
        state.metadata.get(key).with_context(|| {
            format!("{}: expected the metadata '{key}', found none; write the checkpoint with race, train or import", path.display())
        })
    };
    let (model, normalization) = (metadata(formats::MODEL)?.parse()?, metadata(formats::NORMALIZATION)?.parse()?);
    Ok((state, model, normalization))
}

/// The first few names.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = names.collect();
    let shown = all.iter().take(6).copied().collect::<Vec<_>>().join(", ");
    if all.len() > 6 { format!("{shown} and {} more", all.len() - 6) } else { shown }
}
