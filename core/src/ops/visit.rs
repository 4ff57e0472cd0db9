//! Walks the buffers of an op: the planner finds live ranges with it and replaces virtual buffers by real ones.

use super::{BufferId, Op, SparseTopology, Weight};

impl Weight {
    /// The buffer of the values.
    pub fn values(&self) -> BufferId {
        match self {
            Self::Dense { values } | Self::Sparse { values, .. } => *values,
        }
    }
    fn visit(&mut self, f: &mut impl FnMut(&mut BufferId)) {
        match self {
            Self::Dense { values } => f(values),
            Self::Sparse { values, topology } => {
                f(values);
                let SparseTopology { row_ptr, index, t_row_ptr, t_index, t_value, row, nnz: _ } = topology;
                for id in [row_ptr, index, t_row_ptr, t_index, t_value, row] {
                    f(id);
                }
            }
        }
    }
}

impl Op {
    /// Calls `f` with every buffer this op reads or writes.
    pub fn visit_buffers(&mut self, mut f: impl FnMut(&mut BufferId)) {
        fn each<'a>(f: &mut impl FnMut(&mut BufferId), ids: impl IntoIterator<Item = &'a mut BufferId>) {
            ids.into_iter().for_each(f);
        }
        match self {
            Self::Augment(o) => each(&mut f, [&mut o.bytes, &mut o.params, &mut o.out]),
            Self::Normalize(o) => each(&mut f, [&mut o.x, &mut o.y]),
            Self::ConvForward(o) => {
                each(&mut f, [&mut o.x, &mut o.y]);
                each(&mut f, &mut o.bias);
                o.weight.visit(&mut f);
            }
            Self::ConvInputGrad(o) => {
                each(&mut f, [&mut o.dy, &mut o.dx]);
                o.weight.visit(&mut f);
            }
            Self::ConvWeightGrad(o) => {
                each(&mut f, [&mut o.x, &mut o.dy, &mut o.dw]);
                o.weight.visit(&mut f);
            }
            Self::BiasGrad(o) => each(&mut f, [&mut o.dy, &mut o.dbias]),
            Self::BatchNormStats(o) => each(&mut f, [&mut o.x, &mut o.saved, &mut o.running]),
            Self::BatchNormApply(o) => {
                each(&mut f, [&mut o.x, &mut o.stats, &mut o.affine, &mut o.y]);
                each(&mut f, &mut o.residual);
            }
            Self::BatchNormReduceGrad(o) => each(&mut f, [&mut o.dy, &mut o.y, &mut o.x, &mut o.stats, &mut o.daffine]),
            Self::BatchNormInputGrad(o) => {
                each(&mut f, [&mut o.dy, &mut o.y, &mut o.x, &mut o.stats, &mut o.affine, &mut o.daffine, &mut o.dx]);
                each(&mut f, o.dresidual.as_mut().map(|(id, _)| id));
            }
            Self::Add(o) => each(&mut f, [&mut o.x, &mut o.y]),
            Self::Relu(o) => each(&mut f, [&mut o.x, &mut o.y]),
            Self::ReluGrad(o) => each(&mut f, [&mut o.dy, &mut o.y, &mut o.dx]),
            Self::MaxPool(o) => each(&mut f, [&mut o.x, &mut o.y]),
            Self::MaxPoolGrad(o) => each(&mut f, [&mut o.x, &mut o.y, &mut o.dy, &mut o.dx]),
            Self::AvgPool(o) => each(&mut f, [&mut o.x, &mut o.y]),
            Self::AvgPoolGrad(o) => each(&mut f, [&mut o.dy, &mut o.dx]),
            Self::ShortcutA(o) => each(&mut f, [&mut o.x, &mut o.y]),
            Self::ShortcutAGrad(o) => each(&mut f, [&mut o.dy, &mut o.dx]),
            Self::SoftmaxCrossEntropy(o) => {
                each(&mut f, [&mut o.logits, &mut o.labels, &mut o.samples, &mut o.totals]);
                each(&mut f, &mut o.dlogits);
            }
            Self::ConvSampleNorm(o) => {
                each(&mut f, [&mut o.x, &mut o.dy, &mut o.sums]);
                o.weight.visit(&mut f);
            }
            Self::BatchNormSampleNorm(o) => each(&mut f, [&mut o.dy, &mut o.y, &mut o.x, &mut o.stats, &mut o.sums]),
            Self::SgdUpdate(o) => {
                each(&mut f, [&mut o.values, &mut o.grad, &mut o.momentum]);
                each(&mut f, &mut o.mask);
            }
            Self::AdamUpdate(o) => {
                each(&mut f, [&mut o.values, &mut o.grad, &mut o.first, &mut o.second]);
                each(&mut f, &mut o.mask);
            }
            Self::Fill(o) => f(&mut o.buffer),
            #[cfg(feature = "autoattack")]
            Self::Lane(o) => o.slots().into_iter().for_each(|slot| f(slot.id)),
            Self::LaneNorm(o) => {
                each(&mut f, [&mut o.x, &mut o.norms]);
                each(&mut f, &mut o.minus);
            }
            Self::StepLinf(o) => each(&mut f, [&mut o.x, &mut o.clean, &mut o.grad]),
            Self::StepL2(o) => each(&mut f, [&mut o.x, &mut o.grad, &mut o.norms]),
            Self::ProjectL2(o) => each(&mut f, [&mut o.x, &mut o.clean, &mut o.norms]),
        }
    }
}
