//! Finds the sparse layers of any Burn module by their places in it, and gives their parameters new contents.
//!
//! Burn walks parameters, not layers, and never changes a type; but a parameter's length may change, and that is all a topology needs.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Int, Tensor, TensorData};

use crate::error::{Error, Result};
use crate::layer;
use crate::topology::Topology;

/// The structs whose fields are a sparse layer's, as Burn's paths name them.
const CONV: &str = "Struct:SparseConv2d";
const LINEAR: &str = "Struct:SparseLinear";

/// A sparse layer of a module.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it stands, e.g. `stage1.0.conv1`.
    pub path: String,
    pub values: ParamId,
    pub topology: ParamId,
    pub probe: ParamId,
    /// Where its values stand.
    pub at: Topology,
    /// Whether it is a linear layer.
    pub linear: bool,
}

impl Found {
    /// Extents of the dense tensor, as PyTorch has them.
    pub fn dims(&self) -> Vec<usize> {
        let s = self.at.shape();
        if self.linear { vec![s.c_out, s.c_in] } else { vec![s.c_out, s.c_in, s.kh, s.kw] }
    }
}

/// All sparse layers, in the order of the module's fields; a layer that is used in several places once.
///
/// # Errors
/// Where a topology cannot be read, or is none.
pub fn layers<M: Module>(model: &M) -> Result<Vec<Found>> {
    let mut finder = Finder::default();
    model.visit(&mut finder);
    finder.found.into_iter().collect()
}

#[derive(Default)]
struct Finder {
    path: Vec<String>,
    /// What has the field being visited, where that is a layer.
    ours: Vec<Option<&'static str>>,
    seen: HashSet<ParamId>,
    values: Option<ParamId>,
    topology: Option<(ParamId, Result<Topology>)>,
    found: Vec<Result<Found>>,
}

impl Finder {
    fn field(&self) -> Option<&str> {
        let ours = self.ours.last().copied().flatten();
        self.path.last().filter(|_| ours.is_some()).map(String::as_str)
    }
}

impl ModuleVisitor for Finder {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push(name.to_owned());
        self.ours.push([CONV, LINEAR].into_iter().find(|layer| *layer == container));
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
        self.ours.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        match self.field() {
            Some("values") => self.values = Some(param.id),
            // The last of the three.
            Some("probe") => {
                let (Some(values), Some((topology, at))) = (self.values.take(), self.topology.take()) else { return };
                let path = self.path[..self.path.len() - 1].join(".");
                let linear = self.ours.last() == Some(&Some(LINEAR));
                if self.seen.insert(values) {
                    self.found.push(at.map(|at| Found { path, values, topology, probe: param.id, at, linear }));
                }
            }
            _ => {}
        }
    }
    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        if self.field() == Some("topology") {
            let words = layer::integers(param.val(), || format!("the topology of {}", self.path[..self.path.len() - 1].join(".")));
            self.topology = Some((param.id, words.and_then(|words| Topology::from_words(&words))));
        }
    }
}

/// The path of a field of what stands at `path`.
pub fn joined(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// The floats of these parameters.
///
/// # Errors
/// Where one cannot be read or is not there.
pub fn read<M: Module>(model: &M, wanted: &HashSet<ParamId>) -> Result<HashMap<ParamId, Vec<f32>>> {
    let mut reader = Reader { wanted, read: HashMap::new() };
    model.visit(&mut reader);
    if reader.read.len() < wanted.len() {
        return Err(Error::Model("the model has not the layers that it had: start anew with this model".into()));
    }
    reader.read.into_iter().map(|(id, floats)| Ok((id, floats?))).collect()
}

struct Reader<'a> {
    wanted: &'a HashSet<ParamId>,
    read: HashMap<ParamId, Result<Vec<f32>>>,
}

impl ModuleVisitor for Reader<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.wanted.contains(&param.id) && !self.read.contains_key(&param.id) {
            self.read.insert(param.id, layer::floats(param.val(), || format!("parameter {}", param.id)));
        }
    }
}

/// What a parameter is to hold: as many numbers as before, or, if it has one dimension, any number of them.
pub enum New {
    Floats(Vec<f32>),
    Zeros(usize),
    Words(Vec<i32>),
}

/// The module with new contents in these parameters; ids, devices and what is trained stay as they were.
pub fn replaced<M: Module>(model: M, new: HashMap<ParamId, New>) -> M {
    model.map(&mut Replacer { new })
}

struct Replacer {
    new: HashMap<ParamId, New>,
}

impl ModuleMapper for Replacer {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        // A parameter of several places is met several times.
        let floats = match self.new.get(&param.id) {
            Some(New::Floats(floats)) => floats.clone(),
            Some(New::Zeros(len)) => vec![0.0; *len],
            _ => return param,
        };
        let (id, old, mapper) = param.consume();
        let dims = if old.shape().num_elements() == floats.len() { old.dims() } else { [floats.len(); D] };
        let tensor = Tensor::from_data(TensorData::new(floats, dims), (&old.device(), old.dtype()));
        let tensor = if old.is_require_grad() { tensor.require_grad() } else { tensor };
        Param::from_mapped_value(id, tensor, mapper)
    }
    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let Some(New::Words(words)) = self.new.get(&param.id) else { return param };
        let (id, old, mapper) = param.consume();
        Param::from_mapped_value(id, layer::topology_tensor(words.clone(), &old.device()), mapper)
    }
}
