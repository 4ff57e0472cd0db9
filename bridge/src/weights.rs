//! Weights between Burn's modules and Sparring's files, and through those PyTorch.
//!
//! Names are PyTorch's: a module whose fields are called as there (`conv1`, `layer1.0.bn1`, `fc`) takes a file as it is. Without this a trained
//! network would be stuck in the program that trained it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
pub use sparring_core::formats::StateDict;
use sparring_core::formats::{self, safetensors};
use sparring_core::sparse::csr::mask_positions;

use crate::error::{Error, Result};
use crate::topology::Topology;
use crate::walk::{self, Found, New};

/// The last part of names that PyTorch's BatchNorm has beside ours.
const COUNTER: &str = "num_batches_tracked";

/// Burn's layers whose `gamma` and `beta` are PyTorch's `weight` and `bias`.
const NORMS: [&str; 5] = ["Struct:BatchNorm", "Struct:LayerNorm", "Struct:GroupNorm", "Struct:InstanceNorm", "Struct:RmsNorm"];

/// What a parameter is called in a file, and how its numbers lie there.
#[derive(Clone, Debug)]
struct Named {
    id: ParamId,
    name: String,
    dims: Vec<usize>,
    /// Burn's `Linear` is `[in, out]`; a file's is `[out, in]`.
    transposed: bool,
}

/// Every float parameter but those of sparse weights.
struct Namer {
    path: Vec<String>,
    containers: Vec<String>,
    skipped: BTreeSet<String>,
    named: Vec<Named>,
}

impl Namer {
    fn of<M: Module>(model: &M, layers: &[Found]) -> Vec<Named> {
        let skipped = layers.iter().flat_map(|found| ["values", "probe"].map(|field| walk::joined(&found.path, field))).collect();
        let mut namer = Self { path: Vec::new(), containers: Vec::new(), skipped, named: Vec::new() };
        model.visit(&mut namer);
        namer.named
    }
}

impl ModuleVisitor for Namer {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push(name.to_owned());
        self.containers.push(container.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
        self.containers.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        if self.skipped.contains(&path) {
            return;
        }
        let container = self.containers.last().map_or("", String::as_str);
        let field = match (container, self.path.last().map_or("", String::as_str)) {
            (norm, "gamma") if NORMS.contains(&norm) => "weight",
            (norm, "beta") if NORMS.contains(&norm) => "bias",
            (_, field) => field,
        };
        let name = walk::joined(&self.path[..self.path.len().saturating_sub(1)].join("."), field);
        let transposed = container == "Struct:Linear" && field == "weight";
        self.named.push(Named { id: param.id, name, dims: param.val().dims().to_vec(), transposed });
    }
}

/// Rows become columns.
fn transposed(data: &[f32], rows: usize) -> Vec<f32> {
    let columns = data.len() / rows.max(1);
    (0..columns).flat_map(|c| (0..rows).map(move |r| data[r * columns + c])).collect()
}

/// A module's weights under PyTorch's names: dense tensors, zero where a sparse layer has no weight. A weight that exists and is exactly zero
/// is not told from these when the file is loaded; Burn's records keep it.
///
/// # Errors
/// Where a tensor cannot be read.
pub fn state_of(model: &impl Module) -> Result<StateDict> {
    let layers = walk::layers(model)?;
    let named = Namer::of(model, &layers);
    let wanted = layers.iter().map(|found| found.values).chain(named.iter().map(|named| named.id)).collect();
    let read = walk::read(model, &wanted)?;
    let floats = |id: &ParamId| read.get(id).cloned().unwrap_or_default();
    let mut state = StateDict::default();
    let mut put = |name: String, shape: Vec<usize>, data: Vec<f32>| state.tensors.insert(name, formats::Tensor { shape, data });
    let (mut has, mut all) = (0, 0);
    for found in &layers {
        let mut dense = vec![0.0; found.at.shape().len()];
        found.at.positions().iter().zip(floats(&found.values)).for_each(|(p, v)| dense[*p as usize] = v);
        (has, all) = (has + found.at.positions().len(), all + dense.len());
        put(walk::joined(&found.path, "weight"), found.dims(), dense);
    }
    for Named { id, name, dims, transposed: turned } in named {
        let data = floats(&id);
        match (turned, dims.as_slice()) {
            (true, &[rows, columns]) => put(name, vec![columns, rows], transposed(&data, rows)),
            _ => put(name, dims, data),
        };
    }
    if has < all {
        state.metadata.insert(formats::PLACEMENT.into(), formats::SPARSE.into());
        state.metadata.insert(formats::DENSITY.into(), (has as f64 / all as f64).to_string());
    }
    Ok(state)
}

/// [`state_of`] as the bytes of a safetensors file.
///
/// # Errors
/// As [`state_of`].
pub fn to_safetensors(model: &impl Module) -> Result<Vec<u8>> {
    Ok(safetensors::write(&state_of(model)?)?)
}

/// The weights in the bytes of a file: safetensors, or a PyTorch checkpoint. `file` is what errors call it.
///
/// # Errors
/// Where it is no such file, or is damaged.
pub fn open(bytes: &[u8], file: &str) -> Result<StateDict> {
    Ok(formats::open(bytes, file, None)?.state)
}

/// What all names of a file begin with before those of a model, which has a tensor of this name: `module.` where a network was wrapped.
fn wrapper<'a>(state: &'a StateDict, own: &str) -> &'a str {
    if state.tensors.contains_key(own) {
        return "";
    }
    let prefix = |name: &'a String| name.strip_suffix(own).filter(|prefix| prefix.ends_with('.'));
    let of_all = |prefix: &&str| state.tensors.keys().all(|name| name.starts_with(prefix));
    state.tensors.keys().filter_map(prefix).find(of_all).unwrap_or("")
}

/// The model with the weights of a file whose names are those of its fields, perhaps behind that of a module that wraps them all.
///
/// Where the file says that its zeros are weights that are not there (`placement = sparse`), a sparse layer has the file's topology afterwards;
/// else it takes the weights at the places that it has, all of them at density 1.
///
/// # Errors
/// Where a parameter of the model is not in the file or has another shape there, or the file has tensors that no parameter takes.
pub fn load<M: Module>(model: M, state: &StateDict) -> Result<M> {
    let layers = walk::layers(&model)?;
    let named = Namer::of(&model, &layers);
    let sparse = state.metadata.get(formats::PLACEMENT).is_some_and(|placement| placement == formats::SPARSE);
    let first = layers.first().map(|found| walk::joined(&found.path, "weight")).or_else(|| named.first().map(|named| named.name.clone()));
    let wrapper = first.map_or("", |first| wrapper(state, &first));
    let mut left: BTreeMap<&str, &formats::Tensor> = state.tensors.iter().map(|(name, tensor)| (&name[wrapper.len()..], tensor)).collect();
    let mut take = |name: &str, dims: &[usize]| match left.remove(name) {
        Some(tensor) if tensor.shape == dims => Ok(tensor.data.as_slice()),
        Some(tensor) => Err(Error::Model(format!("{name} should be {dims:?}, as the model has it, and is {:?} in the file", tensor.shape))),
        None => {
            let some: Vec<_> = state.tensors.keys().take(5).cloned().collect();
            Err(Error::Model(format!(
                "the file has no '{name}', only e.g. {}: call the fields of the model as the file does",
                some.join(", ")
            )))
        }
    };
    let mut new = HashMap::new();
    for found in &layers {
        let dense = take(&walk::joined(&found.path, "weight"), &found.dims())?;
        let mut positions = found.at.positions().to_vec();
        if sparse {
            positions = mask_positions(dense);
            if positions.is_empty() {
                // A layer has at least one weight; this one is zero.
                positions = vec![0];
            }
            new.insert(found.topology, New::Words(Topology::new(found.at.shape(), positions.clone())?.words()?));
        }
        new.insert(found.values, New::Floats(positions.iter().map(|p| dense[*p as usize]).collect()));
    }
    for Named { id, name, dims, transposed: turned } in &named {
        let data = match (turned, dims.as_slice()) {
            (true, &[rows, columns]) => transposed(take(name, &[columns, rows])?, columns),
            _ => take(name, dims)?.to_vec(),
        };
        new.insert(*id, New::Floats(data));
    }
    left.retain(|name, _| name.rsplit('.').next() != Some(COUNTER));
    if let Some(name) = left.keys().next() {
        return Err(Error::Model(format!(
            "nothing of the model takes '{name}' ({} such tensors): it is another network's file",
            left.len()
        )));
    }
    Ok(walk::replaced(model, new))
}

/// What a layer of a model has.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerSummary {
    /// Where it stands, e.g. `stage1.0.conv1`.
    pub path: String,
    /// Weights of the dense layer.
    pub dense: usize,
    /// Weights that exist.
    pub weights: usize,
}

/// What the sparse layers of a model have.
///
/// # Errors
/// Where a topology cannot be read.
pub fn summary(model: &impl Module) -> Result<Vec<LayerSummary>> {
    let of = |found: Found| LayerSummary { dense: found.at.shape().len(), weights: found.at.positions().len(), path: found.path };
    Ok(walk::layers(model)?.into_iter().map(of).collect())
}
