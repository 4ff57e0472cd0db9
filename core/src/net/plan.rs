//! A network on a device: its buffers, and the programs that train and evaluate it.
//!
//! Everything is allocated and bound here, once; a step only writes its batch and runs. Sparse weights live as CSR values:
//! nothing of the dense tensor's size exists on the device, except while a topology update asks for a dense gradient.

mod arrays;
mod change;
mod memory;
mod norms;
mod pixels;
mod probe;
mod training;

pub use memory::Memory;
pub use norms::SampleNorms;
pub use training::Training;

use super::graph::{Graph, Layer, WeightInfo};
use super::io::Io;
use super::scratch::Scratch;
use super::tape::{Bound, Mode, Tape};
use crate::device::{Device, Program};
use crate::error::{Error, Result};
use crate::formats::{StateDict, Tensor};
use crate::ops::{BufferId, DenseFrom, Dtype, OptimizerName, StepParams, Weight};
use crate::sparse::csr::{gather, positions_mask};
use crate::sparse::{Csr, PositionSet, upload};
use training::TrainPrograms;

/// How a weight tensor is held. Positions are flat indices into the dense tensor, increasing.
#[derive(Clone, Debug, PartialEq)]
pub enum Placement {
    /// All of it.
    Dense,
    /// Only the values at these positions exist.
    Sparse(Vec<u32>),
    /// All of it, times a 0/1 mask that is one at these positions.
    Masked(Vec<u32>),
}

impl Placement {
    /// Number of active weights of a tensor with `total`.
    pub fn active(&self, total: usize) -> usize {
        match self {
            Self::Dense => total,
            Self::Sparse(p) | Self::Masked(p) => p.len(),
        }
    }
}

/// What an update needs besides the gradient: one or two moments, and where parts of a batch are summed.
#[derive(Clone, Copy, Debug)]
struct Moments {
    first: BufferId,
    second: Option<BufferId>,
    /// The gradient's sum over the parts of a batch.
    sum: Option<BufferId>,
}

impl Moments {
    fn buffers(&self) -> impl Iterator<Item = BufferId> {
        std::iter::once(self.first).chain(self.second).chain(self.sum)
    }
    fn free(self, device: &mut Device) {
        self.buffers().for_each(|buffer| device.free(buffer));
    }
}

/// A weight tensor on the device.
pub struct WeightSlot {
    /// Name, geometry.
    pub info: WeightInfo,
    /// How it is held; positions are kept current by topology updates.
    pub placement: Placement,
    weight: Weight,
    moments: Moments,
    mask: Option<BufferId>,
}

/// A bias or a BatchNorm's affine pair on the device.
struct VectorSlot {
    names: Vec<String>,
    words: usize,
    values: BufferId,
    moments: Moments,
}

/// Host copy of one weight tensor's training state, aligned with its values (CSR order or dense).
pub struct WeightState {
    /// The values.
    pub values: Vec<f32>,
    /// Momentum or first moment.
    pub first: Vec<f32>,
    /// Second moment (Adam).
    pub second: Option<Vec<f32>>,
}

/// What a network is to be.
pub struct NetConfig {
    /// Its description.
    pub graph: Graph,
    /// Padded batch of its programs.
    pub n: usize,
    /// How each weight tensor is held, in network order.
    pub placements: Vec<Placement>,
    /// How it is trained.
    pub training: Training,
}

/// A network on a device.
pub struct Net {
    /// Its description.
    pub graph: Graph,
    /// Padded batch of its programs.
    pub n: usize,
    /// Weight tensors, in network order.
    pub weights: Vec<WeightSlot>,
    biases: Vec<VectorSlot>,
    affines: Vec<VectorSlot>,
    running: Vec<(Vec<String>, BufferId, usize)>,
    io: Io,
    training: Training,
    train: TrainPrograms,
    eval: Program,
    /// Whether BatchNorms are left to the convolutions that load their output ([`Device::norms_on_load`]).
    norms_on_load: bool,
    /// From which density on layers are computed as dense ones ([`Device::dense_from`]).
    dense_from: DenseFrom,
    /// Adam's step count.
    steps: u64,
    /// How often its programs were compiled.
    build: u64,
}

fn moments(device: &mut Device, label: &str, words: usize, training: Training) -> Result<Moments> {
    Ok(Moments {
        first: device.alloc(&format!("{label} momentum"), words, Dtype::F32)?,
        sum: match training.in_parts {
            false => None,
            true => Some(device.alloc(&format!("{label} gradient"), words, Dtype::F32)?),
        },
        second: match training.optimizer {
            OptimizerName::Sgd => None,
            OptimizerName::Adam => Some(device.alloc(&format!("{label} second moment"), words, Dtype::F32)?),
        },
    })
}

fn find<'a>(state: &'a StateDict, name: &str, words: usize) -> Result<&'a Tensor> {
    let tensor = state.tensors.get(name).ok_or_else(|| Error::format("state", format!("a tensor '{name}'"), "none"))?;
    if tensor.data.len() != words {
        return Err(Error::format(
            format!("state, tensor '{name}'"),
            format!("{words} values"),
            format!("{} ({:?})", tensor.data.len(), tensor.shape),
        ));
    }
    Ok(tensor)
}

impl Net {
    /// Plans a network: allocates what it holds, uploads its state, compiles its programs.
    ///
    /// `placements` has one entry a weight tensor.
    ///
    /// # Errors
    /// `Format` where the state does not fit the graph; `Limit` and `OutOfMemory` from the device.
    pub fn plan(device: &mut Device, scratch: &mut Scratch, io: Io, state: &StateDict, config: NetConfig) -> Result<Self> {
        let NetConfig { graph, n, placements, training } = config;
        let mut slots = Vec::new();
        for (info, placement) in graph.weights().into_iter().zip(placements) {
            slots.push(WeightSlot::from_state(device, info, placement, state, training)?);
        }
        let (mut biases, mut affines, mut running) = (Vec::new(), Vec::new(), Vec::new());
        for node in &graph.nodes {
            match &node.layer {
                Layer::Conv { name, shape, bias: true, .. } => {
                    biases.push(VectorSlot::allocate(device, vec![format!("{name}.bias")], shape.c_out, state, training)?);
                }
                Layer::BatchNorm { name, .. } => {
                    let c = node.shape.c;
                    affines.push(VectorSlot::allocate(device, vec![format!("{name}.weight"), format!("{name}.bias")], c, state, training)?);
                    let names = vec![format!("{name}.running_mean"), format!("{name}.running_var")];
                    let buffer = device.alloc(&names[0], 2 * c, Dtype::F32)?;
                    for (i, part) in names.iter().enumerate() {
                        device.write_f32(buffer, i * c, &find(state, part, c)?.data)?;
                    }
                    running.push((names, buffer, c));
                }
                _ => {}
            }
        }
        let empty = || Program::Cpu(Vec::new());
        let mut net = Self {
            graph,
            n,
            weights: slots,
            biases,
            affines,
            running,
            io,
            training,
            train: TrainPrograms { step: empty(), update: None },
            eval: empty(),
            norms_on_load: device.norms_on_load(),
            dense_from: device.dense_from(),
            steps: 0,
            build: 0,
        };
        net.compile(device, scratch)?;
        Ok(net)
    }

    /// A pass over these buffers, as this device runs it best.
    fn tape<'a>(&'a self, bound: &'a Bound<'a>, n: usize, mode: Mode) -> Tape<'a> {
        let tape = Tape::new(&self.graph, bound, n, mode).storing(self.training.precision).dense_from(self.dense_from);
        let tape = if self.norms_on_load { tape } else { tape.writing_norms() };
        tape.recomputing(self.training.recompute)
    }

    /// Writes and compiles the programs over the buffers as they are now.
    pub(crate) fn compile(&mut self, device: &mut Device, scratch: &mut Scratch) -> Result<()> {
        let train = self.compile_training(device, scratch)?;
        let lists = Lists::new(&self.weights, &self.biases, &self.affines, &self.running);
        let bound = lists.bound(self.io);
        let mut tape = self.tape(&bound, self.n, Mode::Eval);
        tape.forward();
        tape.loss(false, self.io.samples, self.io.totals);
        self.eval = compile(device, scratch, "evaluate", tape)?;
        self.train = train;
        self.build += 1;
        Ok(())
    }

    /// Changes whenever buffers move: programs compiled outside, over them, must then be compiled again.
    pub fn build(&self) -> u64 {
        self.build
    }

    /// Forward in eval mode on the batch in the io buffers; records go to `samples[sample_offset..]`.
    pub fn eval_step(&self, device: &mut Device, step: &StepParams) -> Result<()> {
        device.run(&self.eval, step)
    }

    /// Reads one weight tensor's values and moments.
    pub async fn read_weight(&self, device: &Device, index: usize) -> Result<WeightState> {
        let slot = &self.weights[index];
        let words = slot.words();
        Ok(WeightState {
            values: device.read_f32(slot.weight.values(), 0, words).await?,
            first: device.read_f32(slot.moments.first, 0, words).await?,
            second: match slot.moments.second {
                Some(buffer) => Some(device.read_f32(buffer, 0, words).await?),
                None => None,
            },
        })
    }

    /// The state as PyTorch would hold it: dense tensors with zeros where inactive, BatchNorm statistics.
    pub async fn state(&self, device: &Device) -> Result<StateDict> {
        let mut out = StateDict::default();
        for slot in &self.weights {
            let values = device.read_f32(slot.weight.values(), 0, slot.words()).await?;
            let data = match &slot.placement {
                Placement::Sparse(positions) => scatter(positions, &values, slot.info.shape.weights()),
                Placement::Dense | Placement::Masked(_) => values,
            };
            out.tensors.insert(slot.info.name.clone(), Tensor { shape: slot.info.extents.clone(), data });
        }
        let vectors = self.biases.iter().chain(&self.affines).map(|s| (&s.names, s.values, s.words));
        let running = self.running.iter().map(|(names, buffer, c)| (names, *buffer, *c));
        for (names, buffer, c) in vectors.chain(running) {
            for (i, name) in names.iter().enumerate() {
                let data = device.read_f32(buffer, i * c, c).await?;
                out.tensors.insert(name.clone(), Tensor { shape: vec![c], data });
            }
        }
        Ok(out)
    }

    /// Gives everything of its own back to the device; scratch and batch buffers stay.
    pub fn free(self, device: &mut Device) {
        for slot in self.weights {
            slot.free(device);
        }
        for slot in self.biases.into_iter().chain(self.affines) {
            device.free(slot.values);
            slot.moments.free(device);
        }
        for (_, buffer, _) in self.running {
            device.free(buffer);
        }
    }

    /// Device bytes of weights, their moments, masks and indices.
    pub fn weight_bytes(&self) -> u64 {
        let of = |s: &WeightSlot| {
            let arrays = 1 + s.moments.buffers().count() + usize::from(s.mask.is_some());
            4 * (arrays * s.words() + s.index_words()) as u64
        };
        self.weights.iter().map(of).sum()
    }

    /// Number of trainable parameters that exist.
    pub fn active_parameters(&self) -> u64 {
        self.graph.other_parameters() + self.weights.iter().map(|s| s.active() as u64).sum::<u64>()
    }

    /// Multiply-accumulates of one image's forward pass at the active weights.
    pub fn active_macs(&self) -> u64 {
        self.weights.iter().map(|s| s.active() as u64 * s.info.positions()).sum()
    }

    /// FLOPs of a training step over `batch` images: forward, weight gradient, and input gradient but for the first layer.
    pub fn flops_per_step(&self, batch: usize) -> u64 {
        let first = self.weights.first().map_or(0, |s| s.active() as u64 * s.info.positions());
        2 * batch as u64 * (3 * self.active_macs() - first)
    }

    /// FLOPs of the dense gradients of these weight tensors over `batch` images, in one pass: forward and input gradient at the active
    /// weights, weight gradient at all of them.
    pub fn dense_gradient_flops(&self, which: &[usize], batch: usize) -> u64 {
        let first = self.weights.first().map_or(0, |s| s.active() as u64 * s.info.positions());
        let dense: u64 = which.iter().map(|i| &self.weights[*i].info).map(|w| w.shape.weights() as u64 * w.positions()).sum();
        2 * batch as u64 * (2 * self.active_macs() - first + dense)
    }
}

impl WeightSlot {
    /// The positions that are active.
    pub fn active_set(&self) -> PositionSet {
        let mut set = PositionSet::new(self.info.shape.weights());
        match &self.placement {
            Placement::Dense => set.fill(),
            Placement::Sparse(positions) | Placement::Masked(positions) => set.mark(positions),
        }
        set
    }
    /// Holds what a dense state has of this tensor; moments are zero.
    fn from_state(device: &mut Device, info: WeightInfo, placement: Placement, state: &StateDict, training: Training) -> Result<Self> {
        let dense = &find(state, &info.name, info.shape.weights())?.data;
        let values = match &placement {
            Placement::Dense => dense.clone(),
            Placement::Sparse(positions) => gather(dense, positions),
            Placement::Masked(positions) => dense.iter().zip(positions_mask(positions, dense.len())).map(|(v, m)| v * m).collect(),
        };
        let slot = Self::allocate(device, info, placement, training)?;
        device.write_f32(slot.values(), 0, &values)?;
        Ok(slot)
    }

    /// Buffers for this placement, its index or mask written, values and moments zero.
    fn allocate(device: &mut Device, info: WeightInfo, placement: Placement, training: Training) -> Result<Self> {
        let total = info.shape.weights();
        let label = info.name.as_str();
        let words = match &placement {
            Placement::Sparse(positions) => positions.len(),
            Placement::Dense | Placement::Masked(_) => total,
        };
        let values = device.alloc(label, words, Dtype::F32)?;
        let weight = match &placement {
            Placement::Dense | Placement::Masked(_) => Weight::Dense { values },
            Placement::Sparse(positions) => {
                let topology = upload::allocate(device, label, (&info.shape).into(), words)?;
                upload::write(device, &topology, &csr(&info, positions)?)?;
                Weight::Sparse { values, topology }
            }
        };
        let mask = match &placement {
            Placement::Masked(positions) => {
                let buffer = device.alloc(&format!("{label} mask"), total, Dtype::F32)?;
                device.write_f32(buffer, 0, &positions_mask(positions, total))?;
                Some(buffer)
            }
            Placement::Dense | Placement::Sparse(_) => None,
        };
        let moments = moments(device, label, words, training)?;
        Ok(Self { info, placement, weight, moments, mask })
    }

    /// Gives its buffers back.
    fn free(self, device: &mut Device) {
        device.free(self.values());
        if let Weight::Sparse { topology, .. } = &self.weight {
            upload::free(device, topology);
        }
        if let Some(mask) = self.mask {
            device.free(mask);
        }
        self.moments.free(device);
    }

    /// The buffer of its values.
    pub(crate) fn values(&self) -> BufferId {
        self.weight.values()
    }
    /// Number of values on the device.
    pub(crate) fn words(&self) -> usize {
        match &self.placement {
            Placement::Sparse(positions) => positions.len(),
            Placement::Dense | Placement::Masked(_) => self.info.shape.weights(),
        }
    }
    /// Words of a sparse weight's index.
    fn index_words(&self) -> usize {
        match &self.weight {
            Weight::Dense { .. } => 0,
            Weight::Sparse { topology, .. } => 4 * topology.nnz + self.info.shape.c_out + self.info.shape.c_in + 2,
        }
    }
    /// Number of active weights.
    pub fn active(&self) -> usize {
        self.placement.active(self.info.shape.weights())
    }
}

impl VectorSlot {
    fn allocate(device: &mut Device, names: Vec<String>, words: usize, state: &StateDict, training: Training) -> Result<Self> {
        let total = words * names.len();
        let values = device.alloc(&names[0], total, Dtype::F32)?;
        for (i, name) in names.iter().enumerate() {
            device.write_f32(values, i * words, &find(state, name, words)?.data)?;
        }
        let moments = moments(device, &names[0], total, training)?;
        Ok(Self { names, words, values, moments })
    }
}

/// Values at positions of an otherwise zero tensor.
pub fn scatter(positions: &[u32], values: &[f32], total: usize) -> Vec<f32> {
    let mut dense = vec![0.0; total];
    for (&p, &v) in positions.iter().zip(values) {
        dense[p as usize] = v;
    }
    dense
}

fn csr(info: &WeightInfo, positions: &[u32]) -> Result<Csr> {
    Csr::from_positions((&info.shape).into(), positions, vec![0.0; positions.len()])
}

fn compile(device: &mut Device, scratch: &mut Scratch, label: &str, tape: Tape) -> Result<Program> {
    let (mut ops, names) = tape.finish();
    scratch.place(device, &names, &mut ops)?;
    device.compile(label, &ops)
}

/// The buffers of a network as the tape wants them.
struct Lists {
    weights: Vec<Weight>,
    biases: Vec<BufferId>,
    affines: Vec<BufferId>,
    running: Vec<BufferId>,
}

impl Lists {
    fn new(slots: &[WeightSlot], biases: &[VectorSlot], affines: &[VectorSlot], running: &[(Vec<String>, BufferId, usize)]) -> Self {
        Self {
            weights: slots.iter().map(|s| s.weight).collect(),
            biases: biases.iter().map(|s| s.values).collect(),
            affines: affines.iter().map(|s| s.values).collect(),
            running: running.iter().map(|(_, buffer, _)| *buffer).collect(),
        }
    }
    fn bound(&self, io: Io) -> Bound<'_> {
        Bound { weights: &self.weights, biases: &self.biases, affines: &self.affines, running: &self.running, io }
    }
}
