//! Writes a network's forward and backward pass as ops over buffers.
//!
//! One writer serves training, evaluation and gradients for topology, so that no two passes can disagree. Gradients go to
//! their weight as soon as they exist and the update follows at once, so a gradient lives no longer than two ops.

use super::graph::{Graph, Layer, NodeId};
use super::io::Io;
use super::recompute;
use super::scratch::Virtual;
use crate::error::{Error, Result};
use crate::ops::*;

/// BatchNorm's epsilon (PyTorch's default).
pub const BN_EPS: f32 = 1e-5;
/// Weight of a batch in BatchNorm's running statistics (PyTorch's default).
pub const BN_MOMENTUM: f32 = 0.1;

/// Which statistics BatchNorm uses, and whether it moves the running ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics; running statistics move.
    Train,
    /// Batch statistics; running statistics stay.
    Probe,
    /// Running statistics.
    Eval,
}

/// The persistent buffers that a pass reads.
pub struct Bound<'a> {
    /// One a weight tensor.
    pub weights: &'a [Weight],
    /// One a convolution with a bias, in order.
    pub biases: &'a [BufferId],
    /// One a BatchNorm, in order: `[2][C]` gamma, beta.
    pub affines: &'a [BufferId],
    /// One a BatchNorm, in order: `[2][C]` mean, variance.
    pub running: &'a [BufferId],
    /// Batch buffers.
    pub io: Io,
}

/// A trainable tensor's place in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Index among the weight tensors.
    Weight(usize),
    /// Index among the biases.
    Bias(usize),
    /// Index among the BatchNorms.
    Affine(usize),
}

/// A pass being written.
pub struct Tape<'a> {
    graph: &'a Graph,
    bound: &'a Bound<'a>,
    n: usize,
    mode: Mode,
    precision: Precision,
    dense_from: DenseFrom,
    names: Virtual,
    ops: Vec<Op>,
    /// Output of each node.
    values: Vec<BufferId>,
    /// What each BatchNorm applies.
    norms: Vec<Option<NormOnLoad>>,
    dlogits: Option<BufferId>,
    /// Number of readers of each node.
    readers: Vec<usize>,
    /// Ordinal of each node among weights, biases and BatchNorms.
    ordinal: Vec<(usize, usize, usize)>,
    /// What is computed again before the backward pass of each node; empty where everything is kept.
    again: Vec<Vec<NodeId>>,
    /// Which BatchNorms are applied where their output is loaded: their value is their input's, and nothing is written.
    on_load: Vec<bool>,
    /// Where squared gradient norms by sample go, if they are what the backward pass is for.
    sample_norms: Option<BufferId>,
}

impl<'a> Tape<'a> {
    /// An empty pass at this padded batch.
    pub fn new(graph: &'a Graph, bound: &'a Bound<'a>, n: usize, mode: Mode) -> Self {
        let mut ordinal = Vec::with_capacity(graph.nodes.len());
        let (mut weights, mut biases, mut norms) = (0, 0, 0);
        for node in &graph.nodes {
            ordinal.push((weights, biases, norms));
            match &node.layer {
                Layer::Conv { bias, .. } => {
                    weights += 1;
                    biases += usize::from(*bias);
                }
                Layer::BatchNorm { .. } => norms += 1,
                _ => {}
            }
        }
        Self {
            graph,
            bound,
            n,
            mode,
            precision: Precision::F32,
            dense_from: DenseFrom::NEVER,
            names: Virtual::default(),
            ops: Vec::new(),
            values: Vec::new(),
            norms: vec![None; graph.nodes.len()],
            dlogits: None,
            readers: graph.readers(),
            ordinal,
            again: Vec::new(),
            on_load: graph.norms_on_load(),
            sample_norms: None,
        }
    }
    /// How activations and their gradients are stored ([`Graph::dtype`]); in f32 unless said otherwise.
    pub fn storing(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }
    /// From which density on sparse layers are computed as dense ones; never unless said otherwise.
    pub fn dense_from(mut self, from: DenseFrom) -> Self {
        self.dense_from = from;
        self
    }
    /// Writes the output of every BatchNorm, also where all of its readers could apply it as they load its input. Before
    /// [`Tape::recomputing`].
    pub fn writing_norms(mut self) -> Self {
        self.on_load.fill(false);
        self
    }
    /// Keeps few activations and computes the others again in the backward pass.
    pub fn recomputing(mut self, recompute: bool) -> Self {
        self.again = if recompute { recompute::plan(self.graph, &self.on_load) } else { Vec::new() };
        self
    }

    /// The backward pass adds the squared norm of each sample's gradient over all parameters to `sums` (`[NORM_ROWS][n]`, emptied
    /// first) instead of handing gradients to a sink. Eval mode only: batch statistics tie samples together.
    ///
    /// Before [`Tape::recomputing`]: what these sums read is written.
    pub fn sample_norms(mut self, sums: BufferId) -> Self {
        self = self.writing_norms();
        self.ops.push(Op::Fill(Fill { len: NORM_ROWS * self.n, buffer: sums, value: 0.0 }));
        self.sample_norms = Some(sums);
        self
    }

    fn shape(&self, id: NodeId) -> Shape {
        Shape { n: self.n, ..self.graph.nodes[id].shape }
    }
    /// A buffer for the value of a node, or its gradient.
    fn take(&mut self, id: NodeId) -> BufferId {
        self.names.take_as(self.shape(id).len(), self.graph.dtype(id, self.precision))
    }
    fn conv_shape(&self, shape: &ConvShape) -> ConvShape {
        ConvShape { n: self.n, ..*shape }
    }
    fn pool_shape(&self, shape: &PoolShape) -> PoolShape {
        PoolShape { input: Shape { n: self.n, ..shape.input }, output: Shape { n: self.n, ..shape.output }, ..*shape }
    }

    /// Decodes the batch and runs every layer.
    pub fn forward(&mut self) {
        for id in 0..self.graph.nodes.len() {
            let value = self.emit(id, false);
            self.values.push(value);
        }
    }

    /// Writes the ops of one layer; its inputs have their values. `again`: in the backward pass, with the statistics that the
    /// forward pass saved, so that running ones move once.
    fn emit(&mut self, id: NodeId, again: bool) -> BufferId {
        let node = &self.graph.nodes[id];
        if matches!(node.layer, Layer::Input) {
            return self.decode();
        }
        let (x, shape) = (self.values[node.input], self.shape(id));
        if self.graph.overwrites_input(id, &self.readers) {
            let len = shape.len();
            self.ops.push(match &node.layer {
                Layer::Add { other } => Op::Add(Add { len, x: self.values[*other], y: x }),
                _ => Op::Relu(Relu { len, x, y: x }),
            });
            return x;
        }
        let norm = match node.layer {
            Layer::BatchNorm { relu, .. } => Some(self.norm(id, relu, x, again)),
            _ => None,
        };
        if self.on_load[id] {
            return x;
        }
        let y = self.take(id);
        let op = match &node.layer {
            Layer::Input => return y,
            Layer::Conv { shape, bias, .. } => {
                let (w, b, _) = self.ordinal[id];
                let (norm, bias) = (self.norm_on_load(node.input), bias.then(|| self.bound.biases[b]));
                Op::ConvForward(ConvForward { shape: self.conv_shape(shape), x, norm, weight: self.bound.weights[w], bias, y })
            }
            Layer::BatchNorm { residual, .. } => {
                let Some(NormOnLoad { stats, eval, eps, affine, relu }) = norm else { return y };
                let residual = residual.map(|r| self.values[r]);
                Op::BatchNormApply(BatchNormApply { shape, x, stats, eval, eps, affine, residual, relu, y })
            }
            Layer::Add { .. } | Layer::Relu => Op::Relu(Relu { len: shape.len(), x, y }),
            Layer::MaxPool(shape) => Op::MaxPool(MaxPool { shape: self.pool_shape(shape), x, y }),
            Layer::AvgPool(shape) => Op::AvgPool(AvgPool { shape: self.pool_shape(shape), x, y }),
            Layer::ShortcutA { stride } => Op::ShortcutA(ShortcutA { input: self.shape(node.input), output: shape, stride: *stride, x, y }),
        };
        self.push(op);
        y
    }

    /// What a BatchNorm applies: the batch's statistics (which move the running ones in train mode), or the running ones.
    fn norm(&mut self, id: NodeId, relu: bool, x: BufferId, again: bool) -> NormOnLoad {
        if let (Some(norm), true) = (self.norms[id], again) {
            return norm;
        }
        let (shape, place) = (self.shape(id), self.ordinal[id].2);
        let (running, affine, eval, eps) = (self.bound.running[place], self.bound.affines[place], self.mode == Mode::Eval, BN_EPS);
        let stats = if eval {
            running
        } else {
            let saved = self.names.take(2 * shape.c);
            let running = if self.mode == Mode::Train { running } else { self.names.take(2 * shape.c) };
            self.ops.push(Op::BatchNormStats(BatchNormStats { shape, x, saved, running, momentum: BN_MOMENTUM, eps }));
            saved
        };
        let norm = NormOnLoad { stats, eval, eps, affine, relu };
        self.norms[id] = Some(norm);
        norm
    }

    /// What a convolution applies to this layer's value as it loads it.
    fn norm_on_load(&self, id: NodeId) -> Option<NormOnLoad> {
        self.norms[id].filter(|_| self.on_load[id])
    }

    fn decode(&mut self) -> BufferId {
        let shape = self.shape(0);
        let out = self.take(0);
        let io = self.bound.io;
        let x = io.pixels.unwrap_or(out);
        if io.pixels.is_none() {
            self.ops.push(Op::Augment(Augment { shape, bytes: io.bytes, augmentation: io.augmentation, out }));
        }
        let inv_std = self.graph.std.map(|s| 1.0 / s);
        self.ops.push(Op::Normalize(Normalize { shape, x, y: out, mean: self.graph.mean, inv_std }));
        out
    }

    /// The loss; with `gradient` also what the backward pass starts from.
    pub fn loss(&mut self, gradient: bool, samples: BufferId, totals: BufferId) {
        let classes = self.graph.classes;
        let logits = self.values[self.graph.last()];
        let dlogits = gradient.then(|| self.names.take(classes * self.n));
        self.dlogits = dlogits;
        let labels = self.bound.io.labels;
        self.ops.push(Op::SoftmaxCrossEntropy(SoftmaxCrossEntropy { classes, n: self.n, logits, labels, dlogits, samples, totals }));
    }

    /// Runs every layer backwards. The sink says where each gradient goes, and is told when it is there.
    ///
    /// # Errors
    /// `Validation` for graphs this planner does not support.
    pub fn backward(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.run_backward(Some(sink)).map(|_| ())
    }

    /// Runs every layer backwards down to the pixels in 0..=1, without any gradient of a parameter: `out` is the gradient of the
    /// loss with respect to them, as [`Tape::loss`] scales it.
    ///
    /// # Errors
    /// `Validation` for graphs this planner does not support.
    pub fn backward_to_pixels(&mut self, out: BufferId) -> Result<()> {
        let x = self.run_backward(None)?;
        let inv_std = self.graph.std.map(|s| 1.0 / s);
        self.ops.push(Op::Normalize(Normalize { shape: self.shape(0), x, y: out, mean: [0.0; 4], inv_std }));
        Ok(())
    }

    /// With a sink: gradients of the parameters, and none of the input. Without: only the gradient of the input, which is returned.
    fn run_backward(&mut self, mut sink: Option<&mut dyn Sink>) -> Result<BufferId> {
        let mut grads: Vec<Option<BufferId>> = vec![None; self.graph.nodes.len()];
        grads[self.graph.last()] = self.dlogits;
        for (id, node) in self.graph.nodes.iter().enumerate().skip(1).rev() {
            let Some(dy) = grads[id] else {
                return Err(Error::validation(format!("layer {id} has no gradient: nothing reads it")));
            };
            for lost in self.again.get_mut(id).map(std::mem::take).unwrap_or_default() {
                self.values[lost] = self.emit(lost, true);
            }
            let (x, y) = (self.values[node.input], self.values[id]);
            // Where the gradient of the main input goes: into the buffer of an earlier consumer, or a new one.
            let accumulate = grads[node.input].is_some();
            match &node.layer {
                Layer::Input => {}
                Layer::Conv { shape, bias, .. } => {
                    let (w, b, _) = self.ordinal[id];
                    let shape = self.conv_shape(shape);
                    if node.input != 0 || sink.is_none() {
                        let dx = self.grad_of(&mut grads, node.input);
                        let op = ConvInputGrad { shape, dy, weight: self.bound.weights[w], dx, accumulate };
                        self.push(Op::ConvInputGrad(op));
                    }
                    if let Some(sums) = self.sample_norms {
                        let topology = self.bound.weights[w].topology();
                        self.ops.push(Op::ConvSampleNorm(ConvSampleNorm { shape, x, dy, topology, bias: *bias, sums }));
                        continue;
                    }
                    let Some(sink) = sink.as_deref_mut() else { continue };
                    let topology = self.bound.weights[w].topology().filter(|_| !sink.dense(w));
                    let dw = sink.buffer(Target::Weight(w)).unwrap_or_else(|| self.names.take(shape.values(topology.as_ref())));
                    let norm = self.norm_on_load(node.input);
                    self.push(Op::ConvWeightGrad(ConvWeightGrad { shape, x, norm, dy, topology, dw }));
                    sink.done(Target::Weight(w), dw, &mut self.ops);
                    if *bias {
                        let dbias = sink.buffer(Target::Bias(b)).unwrap_or_else(|| self.names.take(shape.c_out));
                        self.ops.push(Op::BiasGrad(BiasGrad { shape: shape.output(), dy, dbias }));
                        sink.done(Target::Bias(b), dbias, &mut self.ops);
                    }
                }
                Layer::BatchNorm { residual, relu, .. } => {
                    let target = Target::Affine(self.ordinal[id].2);
                    let shape = self.shape(id);
                    let norm = self.norms[id].ok_or_else(|| Error::validation(format!("layer {id}: backward before forward")))?;
                    let NormOnLoad { stats, eval, eps, affine, .. } = norm;
                    let daffine = sink.as_deref_mut().and_then(|sink| sink.buffer(target));
                    let daffine = daffine.unwrap_or_else(|| self.names.take(2 * shape.c));
                    let y = relu.then_some(y);
                    let gate = if *relu && self.on_load[id] { Gate::Again } else { y.into() };
                    // In eval mode only the parameters' gradient needs these sums.
                    if let Some(sums) = self.sample_norms {
                        self.ops.push(Op::BatchNormSampleNorm(BatchNormSampleNorm { shape, dy, y, x, stats, eps, sums }));
                    } else if sink.is_some() || !eval {
                        let op = BatchNormReduceGrad { shape, dy, gate, x, stats, eval, eps, affine, daffine };
                        self.ops.push(Op::BatchNormReduceGrad(op));
                    }
                    let dresidual = residual.map(|r| {
                        let add = grads[r].is_some();
                        (self.grad_of(&mut grads, r), add)
                    });
                    // In place where it can be: dy is not needed once this op has read it.
                    let dx = *grads[node.input].get_or_insert(dy);
                    self.ops.push(Op::BatchNormInputGrad(BatchNormInputGrad {
                        shape,
                        dy,
                        gate,
                        x,
                        stats,
                        eval,
                        eps,
                        affine,
                        daffine,
                        dx,
                        accumulate,
                        dresidual,
                    }));
                    if let Some(sink) = sink.as_deref_mut().filter(|_| self.sample_norms.is_none()) {
                        sink.done(target, daffine, &mut self.ops);
                    }
                }
                Layer::Relu => {
                    let len = self.shape(id).len();
                    let dx = if accumulate { self.grad_of(&mut grads, node.input) } else { dy };
                    grads[node.input] = Some(dx);
                    self.ops.push(Op::ReluGrad(ReluGrad { len, dy, y, dx, accumulate }));
                }
                Layer::Add { other } => {
                    if self.readers[node.input] != 1 {
                        return Err(Error::validation(format!("layer {id}: a sum must be the only reader of its convolution")));
                    }
                    // The convolution, which comes next, only reads this gradient; so the other summand's may be the same.
                    grads[node.input] = Some(dy);
                    if *other == 0 && sink.is_some() {
                        continue; // nobody asks for the gradient of an image
                    }
                    let (len, dtype) = (self.shape(id).len(), |id| self.graph.dtype(id, self.precision));
                    if grads[*other].is_none() && dtype(*other) == dtype(id) {
                        grads[*other] = Some(dy);
                        continue;
                    }
                    if grads[*other].is_none() {
                        let buffer = self.grad_of(&mut grads, *other);
                        self.ops.push(Op::Fill(Fill { len, buffer, value: 0.0 }));
                    }
                    let y = self.grad_of(&mut grads, *other);
                    self.ops.push(Op::Add(Add { len, x: dy, y }));
                }
                Layer::MaxPool(shape) => {
                    let (shape, dx) = (self.pool_shape(shape), self.grad_of(&mut grads, node.input));
                    self.ops.push(Op::MaxPoolGrad(MaxPoolGrad { shape, x, y, dy, dx, accumulate }));
                }
                Layer::AvgPool(shape) => {
                    let (shape, dx) = (self.pool_shape(shape), self.grad_of(&mut grads, node.input));
                    self.ops.push(Op::AvgPoolGrad(AvgPoolGrad { shape, dy, dx, accumulate }));
                }
                Layer::ShortcutA { stride } => {
                    let dx = self.grad_of(&mut grads, node.input);
                    let (input, output) = (self.shape(node.input), self.shape(id));
                    self.ops.push(Op::ShortcutAGrad(ShortcutAGrad { input, output, stride: *stride, dy, dx, accumulate }));
                }
            }
        }
        Ok(grads[0].unwrap_or(self.values[0]))
    }

    fn grad_of(&mut self, grads: &mut [Option<BufferId>], id: NodeId) -> BufferId {
        match grads[id] {
            Some(buffer) => buffer,
            None => {
                let buffer = self.take(id);
                grads[id] = Some(buffer);
                buffer
            }
        }
    }

    /// A virtual buffer for whoever reads it inside this pass.
    pub fn scratch(&mut self, words: usize) -> BufferId {
        self.names.take(words)
    }
    /// Adds an op.
    pub fn push(&mut self, op: Op) {
        let names = &mut self.names;
        self.ops.extend(self.dense_from.ops(op, |words| names.take(words)));
    }
    /// Says where the gradient of the logits is, `[classes][n]`, for a loss other than [`Self::loss`].
    pub fn start_backward_from(&mut self, dlogits: BufferId) {
        self.dlogits = Some(dlogits);
    }
    /// The logits' buffer.
    pub fn logits(&self) -> BufferId {
        self.values[self.graph.last()]
    }
    /// The finished ops and the virtual buffers they name.
    pub fn finish(self) -> (Vec<Op>, Virtual) {
        (self.ops, self.names)
    }
}

/// Where gradients go.
pub trait Sink {
    /// Whether weight `index` wants its gradient at every weight of the dense tensor, also where it has no value.
    fn dense(&self, index: usize) -> bool;
    /// A persistent buffer for this gradient, or `None` for a transient one.
    fn buffer(&mut self, target: Target) -> Option<BufferId>;
    /// The gradient is in `grad`: push what consumes it.
    fn done(&mut self, target: Target, grad: BufferId, ops: &mut Vec<Op>);
}
