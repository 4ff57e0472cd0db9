//! A network as a list of layers over earlier layers: names, extents, parameters and costs, no device.
//!
//! The zoo builds graphs, the plan turns one into programs, and everything that counts (parameters, MACs, densities)
//! reads it here, so that no number is computed twice.

use crate::error::{Error, Result};
use crate::ops::{ConvShape, Dtype, PoolShape, Precision, Shape};

/// Index of a node in [`Graph::nodes`].
pub type NodeId = usize;

/// How a weight tensor and its bias (if any) are drawn at the start. fan_in = c_in kh kw, fan_out = c_out kh kw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normal, std sqrt(2 / fan_in); bias as PyTorch's default.
    KaimingNormalFanIn,
    /// Normal, std sqrt(2 / fan_out); bias 0.
    KaimingNormalFanOut,
    /// Normal with this std; bias 0.
    Normal(f32),
    /// PyTorch's default: uniform within 1/sqrt(fan_in), for weight and bias.
    TorchDefault,
    /// PyTorch's default weight; bias 0.
    TorchZeroBias,
}

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    /// Pixels in 0..=1; normalised by the graph's mean and standard deviation.
    Input,
    /// A convolution; a linear layer is one with `linear`, over its flattened input.
    Conv {
        /// Module name, e.g. `layer1.0.conv1`.
        name: String,
        /// Geometry at batch 0; the plan sets `n`.
        shape: ConvShape,
        /// Whether it has a bias.
        bias: bool,
        /// True where PyTorch holds it as a rank-2 weight.
        linear: bool,
        /// Initial distribution.
        init: Init,
    },
    /// BatchNorm, then the residual (if any), then ReLU (if asked).
    BatchNorm {
        /// Module name.
        name: String,
        /// Added before ReLU.
        residual: Option<NodeId>,
        /// Whether ReLU follows.
        relu: bool,
    },
    /// ReLU on its own.
    Relu,
    /// A sum that no BatchNorm follows: the input, a convolution that nothing else reads, plus another node.
    Add {
        /// The other summand.
        other: NodeId,
    },
    /// Max pooling.
    MaxPool(PoolShape),
    /// Average pooling.
    AvgPool(PoolShape),
    /// Option-A shortcut with this stride.
    ShortcutA {
        /// Subsampling step.
        stride: usize,
    },
}

/// A layer, what it reads and what it makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it does.
    pub layer: Layer,
    /// Its main input (itself for `Input`).
    pub input: NodeId,
    /// Extent of its output at n = 0 samples: `n` is set by the plan.
    pub shape: Shape,
}

impl Node {
    /// The nodes it reads.
    pub fn inputs(&self) -> impl Iterator<Item = NodeId> {
        let second = match &self.layer {
            Layer::BatchNorm { residual, .. } => *residual,
            Layer::Add { other } => Some(*other),
            _ => None,
        };
        std::iter::once(self.input).chain(second)
    }
}

/// Bytes that a training step moves for each weight: read forward and back, its gradient written and read, value and momentum changed.
pub const WEIGHT_BYTES: u64 = 4 * (2 + 2 + 4);

/// A network.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// In an order in which every node comes after what it reads.
    pub nodes: Vec<Node>,
    /// Normalisation mean by channel.
    pub mean: [f32; 4],
    /// Normalisation standard deviation by channel.
    pub std: [f32; 4],
    /// Number of classes.
    pub classes: usize,
}

/// A weight tensor of rank above 1: what sparsity applies to.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightInfo {
    /// Its node.
    pub node: NodeId,
    /// PyTorch's name, e.g. `conv1.weight`.
    pub name: String,
    /// Geometry of its convolution.
    pub shape: ConvShape,
    /// PyTorch's extents: 4 of them, or 2 for a linear layer.
    pub extents: Vec<usize>,
}

impl WeightInfo {
    /// Multiply-accumulates of one image per weight.
    pub fn positions(&self) -> u64 {
        (self.shape.h_out * self.shape.w_out) as u64
    }
}

impl Graph {
    /// Starts a network over images of this extent.
    pub fn new(extent: (usize, usize, usize), classes: usize, mean: [f32; 4], std: [f32; 4]) -> Self {
        let (c, h, w) = extent;
        let node = Node { layer: Layer::Input, input: 0, shape: Shape { c, h, w, n: 0 } };
        Self { nodes: vec![node], mean, std, classes }
    }
    /// Extent (channels, height, width) of a node's output.
    pub fn extent(&self, id: NodeId) -> (usize, usize, usize) {
        let Shape { c, h, w, .. } = self.shape_of(id);
        (c, h, w)
    }
    /// How a node's value and its gradient are stored at this precision. What a convolution writes may be stored in 16 bits, but for single
    /// pixels (pooled features and logits, hidden layers of an MLP): an answer hangs on them, and they are small beside images. Images stay as
    /// they are, for attacks. Every other layer stores as its input does.
    pub fn dtype(&self, id: NodeId, precision: Precision) -> Dtype {
        let node = &self.nodes[id];
        match node.layer {
            Layer::Input => Dtype::F32,
            _ if node.shape.h * node.shape.w == 1 => Dtype::F32,
            Layer::Conv { .. } => precision.dtype(),
            _ => self.dtype(node.input, precision),
        }
    }
    /// The node that was added last.
    pub fn last(&self) -> NodeId {
        self.nodes.len() - 1
    }
    fn shape_of(&self, id: NodeId) -> Shape {
        self.nodes[id].shape
    }
    fn push(&mut self, layer: Layer, input: NodeId, shape: Shape) -> NodeId {
        self.nodes.push(Node { layer, input, shape });
        self.last()
    }
    /// Adds a square convolution.
    ///
    /// # Errors
    /// `Shape` where the kernel does not fit the input.
    pub fn conv(
        &mut self,
        input: NodeId,
        name: &str,
        c_out: usize,
        [k, stride, pad]: [usize; 3],
        bias: bool,
        init: Init,
    ) -> Result<NodeId> {
        let from = self.shape_of(input);
        let shape = ConvShape::new(from, c_out, k, stride, pad).ok_or_else(|| {
            Error::shape(
                "convolution",
                name.to_owned(),
                format!("an input of at least {k}x{k} with padding {pad}"),
                format!("{}x{}", from.h, from.w),
            )
        })?;
        let layer = Layer::Conv { name: name.to_owned(), shape, bias, linear: false, init };
        Ok(self.push(layer, input, shape.output()))
    }
    /// Adds a linear layer over the flattened input (free in this layout: (c,h,w) are already contiguous above n),
    /// drawn as PyTorch's default.
    pub fn linear(&mut self, input: NodeId, name: &str, out: usize, bias: bool) -> NodeId {
        self.linear_drawn(input, name, out, bias, Init::TorchDefault)
    }
    /// Adds a linear layer that is drawn as `init` says.
    pub fn linear_drawn(&mut self, input: NodeId, name: &str, out: usize, bias: bool, init: Init) -> NodeId {
        let from = self.shape_of(input);
        let flat = from.c * from.h * from.w;
        let shape = ConvShape { c_in: flat, h_in: 1, w_in: 1, c_out: out, h_out: 1, w_out: 1, kh: 1, kw: 1, stride: 1, pad: 0, n: 0 };
        let layer = Layer::Conv { name: name.to_owned(), shape, bias, linear: true, init };
        self.push(layer, input, shape.output())
    }
    /// Adds BatchNorm with what follows it.
    pub fn batchnorm(&mut self, input: NodeId, name: &str, residual: Option<NodeId>, relu: bool) -> NodeId {
        self.push(Layer::BatchNorm { name: name.to_owned(), residual, relu }, input, self.shape_of(input))
    }
    /// Adds a ReLU.
    pub fn relu(&mut self, input: NodeId) -> NodeId {
        self.push(Layer::Relu, input, self.shape_of(input))
    }
    /// Adds `other` to a convolution that was added last.
    ///
    /// # Errors
    /// `Shape` where the two differ in extent; `Validation` where the last node is no convolution.
    pub fn add(&mut self, other: NodeId) -> Result<NodeId> {
        let (main, shape) = (self.last(), self.shape_of(self.last()));
        if !matches!(self.nodes[main].layer, Layer::Conv { .. }) || other == main {
            return Err(Error::validation(format!("layer {}: only another node can be added, and only to a convolution", main + 1)));
        }
        if self.shape_of(other) != shape {
            return Err(Error::shape("add", format!("layer {other}"), format!("{shape:?}"), format!("{:?}", self.shape_of(other))));
        }
        Ok(self.push(Layer::Add { other }, main, shape))
    }
    /// Adds 2x2 max pooling with step 2; an odd last row or column is left out.
    ///
    /// # Errors
    /// `Shape` where less than 2x2 is left.
    pub fn max_pool2(&mut self, input: NodeId) -> Result<NodeId> {
        let from = self.shape_of(input);
        if from.h < 2 || from.w < 2 {
            return Err(Error::shape(
                "max pooling",
                format!("layer {input}"),
                "at least 2x2 pixels; use larger images or a model with fewer poolings",
                format!("{}x{}", from.h, from.w),
            ));
        }
        let output = Shape { h: from.h / 2, w: from.w / 2, ..from };
        Ok(self.push(Layer::MaxPool(PoolShape { input: from, output, kh: 2, kw: 2, stride: 2, pad: 0 }), input, output))
    }
    /// Adds average pooling over the whole image.
    pub fn global_avg_pool(&mut self, input: NodeId) -> NodeId {
        let from = self.shape_of(input);
        let output = Shape { h: 1, w: 1, ..from };
        self.push(Layer::AvgPool(PoolShape { input: from, output, kh: from.h, kw: from.w, stride: 1, pad: 0 }), input, output)
    }
    /// Adds an option-A shortcut.
    pub fn shortcut_a(&mut self, input: NodeId, c_out: usize, stride: usize) -> NodeId {
        let from = self.shape_of(input);
        let output = Shape { c: c_out, h: from.h.div_ceil(stride), w: from.w.div_ceil(stride), n: 0 };
        self.push(Layer::ShortcutA { stride }, input, output)
    }

    /// Number of layers that read each node.
    pub fn readers(&self) -> Vec<usize> {
        let mut readers = vec![0; self.nodes.len()];
        for node in self.nodes.iter().skip(1) {
            node.inputs().for_each(|id| readers[id] += 1);
        }
        readers
    }
    /// Whether a layer writes its output over its input: nobody else reads a convolution's, and its backward pass needs none.
    pub fn overwrites_input(&self, id: NodeId, readers: &[usize]) -> bool {
        let node = &self.nodes[id];
        let alone = readers[node.input] == 1 && matches!(self.nodes[node.input].layer, Layer::Conv { .. });
        match node.layer {
            Layer::Add { .. } => true,
            Layer::Relu => alone,
            _ => false,
        }
    }
    /// Which BatchNorms can be applied where their output is loaded, so that it need not exist: only convolutions read it.
    pub fn norms_on_load(&self) -> Vec<bool> {
        let alone = |node: &Node| matches!(node.layer, Layer::BatchNorm { residual: None, .. });
        let mut on_load: Vec<bool> = self.nodes.iter().map(alone).collect();
        on_load[self.last()] = false;
        for node in self.nodes.iter().filter(|node| !matches!(node.layer, Layer::Conv { linear: false, .. })) {
            node.inputs().for_each(|id| on_load[id] = false);
        }
        on_load
    }

    /// The weight tensors in network order: what sparsity applies to.
    pub fn weights(&self) -> Vec<WeightInfo> {
        let of = |(node, n): (NodeId, &Node)| match &n.layer {
            Layer::Conv { name, shape, linear, .. } => Some(WeightInfo {
                node,
                name: format!("{name}.weight"),
                shape: *shape,
                extents: if *linear { vec![shape.c_out, shape.c_in] } else { vec![shape.c_out, shape.c_in, shape.kh, shape.kw] },
            }),
            _ => None,
        };
        self.nodes.iter().enumerate().filter_map(of).collect()
    }
    /// Number of trainable parameters that are not in [`Self::weights`]: biases and BatchNorm.
    pub fn other_parameters(&self) -> u64 {
        let of = |n: &Node| match &n.layer {
            Layer::Conv { bias: true, shape, .. } => shape.c_out,
            Layer::BatchNorm { .. } => 2 * n.shape.c,
            _ => 0,
        };
        self.nodes.iter().map(|n| of(n) as u64).sum()
    }
    /// Number of trainable parameters of the dense network.
    pub fn parameters(&self) -> u64 {
        self.other_parameters() + self.weights().iter().map(|w| w.shape.weights() as u64).sum::<u64>()
    }
    /// Multiply-accumulates of one image through the dense network (convolutions and linear layers).
    pub fn macs(&self) -> u64 {
        self.weights().iter().map(|w| w.shape.weights() as u64 * w.positions()).sum()
    }
    /// FLOPs of training the dense network on one image: forward, weight gradient, and input gradient but for the first layer.
    pub fn training_flops(&self) -> u64 {
        let first = self.weights().first().map_or(0, |w| w.shape.weights() as u64 * w.positions());
        2 * (3 * self.macs() - first)
    }
    /// Bytes of images, activations and gradients that training on one image moves, each layer by itself: what it reads and writes, forward and
    /// back. With the weights' own it is what the ops of a GPU's plan move.
    pub fn training_bytes(&self, precision: Precision) -> u64 {
        let of = |id: NodeId| {
            (self.nodes[id].shape.c * self.nodes[id].shape.h * self.nodes[id].shape.w * self.dtype(id, precision).bytes()) as u64
        };
        let moved = |(id, node): (usize, &Node)| {
            let (input, output) = (of(node.input), of(id));
            // A gradient goes back to images only where somebody attacks.
            let back = !matches!(self.nodes[node.input].layer, Layer::Input);
            match &node.layer {
                Layer::Input => 2 * output,
                Layer::Conv { .. } => (if back { 3 } else { 2 }) * (input + output),
                // Statistics, then what it makes; sums of the gradient, then what goes back. ReLU's gate is read with the gradient.
                Layer::BatchNorm { residual, relu, .. } => {
                    (8 + if *relu { 2 } else { 0 } + if residual.is_some() { 2 } else { 0 }) * output
                }
                Layer::Relu => 5 * output,
                Layer::Add { .. } => 4 * output,
                Layer::MaxPool(_) | Layer::AvgPool(_) | Layer::ShortcutA { .. } => 2 * (input + output),
            }
        };
        self.nodes.iter().enumerate().map(moved).sum()
    }
    /// The BatchNorms that would take their statistics over one value, where a batch has this many images in training.
    pub fn single_value_norms(&self, images: usize) -> Vec<&str> {
        self.nodes
            .iter()
            .filter_map(|n| match &n.layer {
                Layer::BatchNorm { name, .. } if images * n.shape.h * n.shape.w == 1 => Some(name.as_str()),
                _ => None,
            })
            .collect()
    }
    /// Names and extents of every tensor of a state, as PyTorch lists them (without `num_batches_tracked`).
    pub fn state_shapes(&self) -> Vec<(String, Vec<usize>)> {
        let mut out = Vec::new();
        let weights = self.weights();
        let mut weights = weights.iter();
        for node in &self.nodes {
            match &node.layer {
                Layer::Conv { name, shape, bias, .. } => {
                    if let Some(w) = weights.next() {
                        out.push((w.name.clone(), w.extents.clone()));
                    }
                    if *bias {
                        out.push((format!("{name}.bias"), vec![shape.c_out]));
                    }
                }
                Layer::BatchNorm { name, .. } => {
                    for part in ["weight", "bias", "running_mean", "running_var"] {
                        out.push((format!("{name}.{part}"), vec![node.shape.c]));
                    }
                }
                _ => {}
            }
        }
        out
    }
}
