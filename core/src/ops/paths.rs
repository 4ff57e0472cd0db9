//! Whether a sparse layer is walked by its index or computed as a dense one, direction by direction.
//!
//! A dense product loads an input once for several output channels, a sparse one for each product; so from some density on all weights are
//! faster than those that exist. The layer stays sparse: its values, moments and gradients are those of its index.

use super::{BufferId, ConvForward, ConvInputGrad, ConvShape, ConvWeightGrad, Fill, Gather, Op, Scatter, SparseTopology, Weight};

/// From which share of its weights on a layer is computed with all of them. It follows from the device's kind, the geometry and the number
/// of weights alone, so that a run that is resumed computes as before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DenseFrom {
    /// Of any layer, in any direction.
    pub share: f64,
    /// At most this for the gradient of the weights of no more than [`NARROW`] input channels: few weights share the sums' end.
    pub narrow_gradient: f64,
    /// At most this for kernels of one tap, which have little to skip.
    pub one_tap: f64,
}

/// Input channels of a narrow layer.
const NARROW: usize = 64;

impl DenseFrom {
    /// Between densities of 0.5 and 0.2, at which `sparring bench` has timed 15 layers on the CPU, where the sparse product begins to lose: at
    /// 0.5 most layers still gain, kernels of one tap do not, nor do gradients of narrow layers' weights. Nothing above 0.5 was timed: there it
    /// is taken that what gains little at 0.5 gains nothing more.
    pub const CPU: Self = Self { share: 0.55, narrow_gradient: 0.45, one_tap: 0.25 };
    /// Timed on a software GPU alone, at the same densities.
    pub const GPU: Self = Self { share: 0.4, narrow_gradient: 0.4, one_tap: 0.25 };

    /// Every layer by its index.
    pub const NEVER: Self = Self { share: f64::INFINITY, narrow_gradient: f64::INFINITY, one_tap: f64::INFINITY };

    fn at(&self, shape: &ConvShape, of_weights: bool) -> f64 {
        let narrow = (of_weights && shape.c_in <= NARROW).then_some(self.narrow_gradient);
        let one_tap = (shape.kh * shape.kw == 1).then_some(self.one_tap);
        narrow.into_iter().chain(one_tap).fold(self.share, f64::min)
    }

    /// The topology of a layer that is to be computed as a dense one.
    fn dense(&self, shape: &ConvShape, topology: Option<SparseTopology>, of_weights: bool) -> Option<SparseTopology> {
        topology.filter(|t| t.nnz as f64 > self.at(shape, of_weights) * shape.weights() as f64)
    }

    /// What computes a direction of a convolution: the op itself, or the same over the whole tensor, which `take` gives a buffer for.
    pub fn ops(&self, op: Op, take: impl FnOnce(usize) -> BufferId) -> Vec<Op> {
        match op {
            Op::ConvForward(op) => self.product(&op.shape, op.weight, take, |weight| Op::ConvForward(ConvForward { weight, ..op })),
            Op::ConvInputGrad(op) => self.product(&op.shape, op.weight, take, |weight| Op::ConvInputGrad(ConvInputGrad { weight, ..op })),
            Op::ConvWeightGrad(op) => match self.dense(&op.shape, op.topology, true) {
                None => vec![Op::ConvWeightGrad(op)],
                Some(topology) => {
                    let whole = take(op.shape.weights());
                    let all = ConvWeightGrad { topology: None, dw: whole, ..op };
                    vec![Op::ConvWeightGrad(all), Op::Gather(Gather { shape: op.shape, topology, whole, values: op.dw })]
                }
            },
            other => vec![other],
        }
    }

    fn product(&self, shape: &ConvShape, weight: Weight, take: impl FnOnce(usize) -> BufferId, op: impl Fn(Weight) -> Op) -> Vec<Op> {
        let Some(topology) = self.dense(shape, weight.topology(), false) else { return vec![op(weight)] };
        let (len, values) = (shape.weights(), weight.values());
        let whole = take(len);
        vec![
            Op::Fill(Fill { len, buffer: whole, value: 0.0 }),
            Op::Scatter(Scatter { shape: *shape, topology, values, whole }),
            op(Weight::Dense { values: whole }),
        ]
    }
}
