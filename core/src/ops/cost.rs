//! What an op costs at least: the bytes it must move and its arithmetic. With a device's bandwidth and peak that is a floor for its time.
//!
//! Both follow from the contract and the geometry, so an op that is added is counted too.

use super::{BufferId, ConvShape, Gather, Held, NormOnLoad, Op, Scatter, Slot, SparseTopology};

impl Op {
    /// Bytes that it must move: every tensor it reads or writes once, twice where it changes what stands there. `held` says how buffers are
    /// stored; those that it does not know count as their tensors are computed with.
    pub fn bytes(&self, held: impl Fn(BufferId) -> Option<Held>) -> u64 {
        // Of a sparse weight's index each direction walks its own part.
        let passed_over: &[&str] = match self {
            Self::ConvForward(_) => &["t_row_ptr", "t_index", "t_value", "row"],
            Self::ConvInputGrad(_) => &["row_ptr", "index", "row"],
            Self::ConvWeightGrad(_) | Self::Scatter(_) | Self::Gather(_) => &["row_ptr", "t_row_ptr", "t_index", "t_value"],
            _ => &[],
        };
        let mut copy = *self;
        let slots = copy.slots();
        let touched = slots.iter().filter(|slot| slot.id.is_some() && !passed_over.contains(&slot.tensor));
        let bytes = |slot: &Slot<'_>| {
            let stored = slot.id.as_deref().and_then(|id| held(*id)).map_or(slot.dtype, |held| held.dtype);
            // Of the whole tensor only the places of the values are touched, and none is read and written.
            let (words, times) = match (self, slot.tensor) {
                (Self::Scatter(Scatter { topology, .. }) | Self::Gather(Gather { topology, .. }), "whole") => (topology.nnz, 1),
                _ => (slot.words, if slot.updates { 2 } else { 1 }),
            };
            (words * stored.bytes() * times) as u64
        };
        touched.map(bytes).sum()
    }

    /// Floating-point operations that it must do, a multiply-add as two; of ops without products one for each word that they write.
    pub fn flops(&self) -> u64 {
        let product = |shape: &ConvShape, topology: Option<&SparseTopology>| 2 * shape.values(topology) * shape.output().plane();
        // Centred, scaled and shifted.
        let norm = |norm: Option<NormOnLoad>, shape: &ConvShape| norm.map_or(0, |_| 3 * shape.input().len());
        let count = match self {
            Self::ConvForward(op) => product(&op.shape, op.weight.topology().as_ref()) + norm(op.norm, &op.shape),
            Self::ConvInputGrad(op) => product(&op.shape, op.weight.topology().as_ref()),
            Self::ConvWeightGrad(op) => product(&op.shape, op.topology.as_ref()) + norm(op.norm, &op.shape),
            // The sum, and the square added to another.
            Self::BatchNormStats(op) => 3 * op.shape.len(),
            Self::BatchNormApply(op) => (3 + usize::from(op.residual.is_some())) * op.shape.len(),
            // Centred, its product summed, and summed itself.
            Self::BatchNormReduceGrad(op) => 4 * op.shape.len(),
            // Scaled, shifted, and the centred input's share taken off.
            Self::BatchNormInputGrad(op) => 5 * op.shape.len(),
            // Decay, momentum, Nesterov's look ahead and the step: a multiply-add each.
            Self::SgdUpdate(op) => 8 * op.len,
            Self::AdamUpdate(op) => 14 * op.len,
            Self::Scatter(_) | Self::Gather(_) => 0,
            #[cfg(feature = "probe")]
            Self::Probe(op) => 2 * op.rounds as usize * op.len,
            _ => {
                let mut copy = *self;
                copy.slots().iter().filter(|slot| slot.written && slot.id.is_some()).map(|slot| slot.words).sum()
            }
        };
        count as u64
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::{Add, BufferId, ConvForward, ConvInputGrad, ConvShape, Dtype, Held, Op, Scatter, SparseTopology, Weight};

    fn f32s(_: BufferId) -> Option<Held> {
        None
    }

    #[test]
    fn costs_are_those_counted_by_hand() {
        let id = BufferId;
        let shape = ConvShape { c_in: 2, h_in: 4, w_in: 4, c_out: 3, h_out: 2, w_out: 2, kh: 3, kw: 3, stride: 2, pad: 1, n: 8 };
        let (x, y, dense) = (2 * 16 * 8, 3 * 4 * 8, 3 * 2 * 9);
        let weight = Weight::Dense { values: id(1) };
        let forward = Op::ConvForward(ConvForward { shape, x: id(0), norm: None, weight, bias: None, y: id(2) });
        assert_eq!((forward.bytes(f32s), forward.flops()), (4 * (x + dense + y), 2 * dense * 4 * 8));
        let back = |accumulate| Op::ConvInputGrad(ConvInputGrad { shape, dy: id(2), weight, dx: id(0), accumulate });
        assert_eq!(back(true).bytes(f32s) - back(false).bytes(f32s), 4 * x);
        // Five weights: their values and index, and the starts of the rows.
        let at = SparseTopology { nnz: 5, row_ptr: id(3), index: id(4), row: id(5), t_row_ptr: id(6), t_index: id(7), t_value: id(8) };
        let weight = Weight::Sparse { values: id(1), topology: at };
        let sparse = Op::ConvForward(ConvForward { shape, x: id(0), norm: None, weight, bias: None, y: id(2) });
        assert_eq!(sparse.flops(), 2 * 5 * 4 * 8);
        assert_eq!(sparse.bytes(f32s), 4 * (x + y + 5 + 5 + 4));
        assert_eq!(Op::Add(Add { len: 10, x: id(0), y: id(1) }).bytes(f32s), 4 * 30);
        // Its values put among zeros: value, entry, row and place.
        let scatter = Op::Scatter(Scatter { shape, topology: at, values: id(1), whole: id(9) });
        assert_eq!((scatter.bytes(f32s), scatter.flops()), (4 * 4 * 5, 0));
        // With x and y in 16 bits; the weights stay as they are.
        let halves = |at: BufferId| (at.0 != 1).then_some(Held { dtype: Dtype::Bf16, words: 1 << 20 });
        assert_eq!(forward.bytes(halves), 2 * (x + y) + 4 * dense);
    }
}
