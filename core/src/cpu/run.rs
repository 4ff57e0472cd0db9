//! From an op's buffers to its kernel's slices. Every op that comes here has passed the check of its operands.

use super::batchnorm::{self, Norm};
use super::conv::{self, Csr, ForwardArgs, Index, InputGradArgs, WeightGradArgs};
use super::operands::{name, weight_len};
use super::{CpuDevice, Real, attack, elementwise, loss, optim, pool, sample_norm};
use crate::error::{Error, Result};
use crate::ops::loss::SAMPLE_WORDS;
use crate::ops::{BatchNormInputGrad, BufferId, ConvShape, Op, SoftmaxCrossEntropy, StepParams, Weight};

impl<T: Real> CpuDevice<T> {
    /// The index for kernels whose rows are output channels.
    fn forward_index(&self, shape: &ConvShape, weight: &Weight) -> Result<Index<'_>> {
        match weight {
            Weight::Dense { .. } => Ok(Index::Dense),
            Weight::Sparse { topology: t, .. } => {
                Ok(Index::Sparse(Csr::forward(shape, self.index(t.row_ptr)?, &self.index(t.index)?[..t.nnz])?))
            }
        }
    }
    /// The index for kernels whose rows are input channels.
    fn transposed_index(&self, shape: &ConvShape, weight: &Weight) -> Result<Index<'_>> {
        match weight {
            Weight::Dense { .. } => Ok(Index::Dense),
            Weight::Sparse { topology: t, .. } => {
                let (index, position) = (&self.index(t.t_index)?[..t.nnz], &self.index(t.t_value)?[..t.nnz]);
                Ok(Index::Sparse(Csr::transposed(shape, self.index(t.t_row_ptr)?, index, position)?))
            }
        }
    }
    fn values(&self, shape: &ConvShape, weight: &Weight) -> Result<&[T]> {
        let (Weight::Dense { values } | Weight::Sparse { values, .. }) = *weight;
        Ok(&self.real(values)?[..weight_len(shape, weight)])
    }
    /// A read buffer, or `None` where it is the written one: the kernel then works in place.
    fn unless(&self, id: BufferId, written: BufferId) -> Result<Option<&[T]>> {
        if id == written { Ok(None) } else { self.real(id).map(Some) }
    }
    fn some(&self, id: Option<BufferId>) -> Result<Option<&[T]>> {
        id.map(|id| self.real(id)).transpose()
    }

    pub(super) fn run_op(&mut self, op: &Op, step: &StepParams) -> Result<()> {
        let n_valid = step.n_valid as usize;
        match op {
            Op::Augment(o) => self.lend([o.out], |d, [out]| {
                elementwise::augment(o, n_valid, d.index(o.bytes)?, d.real(o.params)?, out);
                Ok(())
            }),
            Op::Normalize(o) => self.lend([o.y], |d, [y]| {
                elementwise::normalize(o, n_valid, d.unless(o.x, o.y)?, y);
                Ok(())
            }),
            Op::ConvForward(o) => self.lend([o.y], |d, [y]| {
                let (index, values) = (d.forward_index(&o.shape, &o.weight)?, d.values(&o.shape, &o.weight)?);
                let (x, bias) = (d.real(o.x)?, d.some(o.bias)?);
                T::conv_forward(ForwardArgs { shape: o.shape, x, index, values, bias, n_valid, y });
                Ok(())
            }),
            Op::ConvInputGrad(o) => self.lend([o.dx], |d, [dx]| {
                let (index, values) = (d.transposed_index(&o.shape, &o.weight)?, d.values(&o.shape, &o.weight)?);
                let (shape, dy, accumulate) = (o.shape, d.real(o.dy)?, o.accumulate);
                T::conv_input_grad(InputGradArgs { shape, dy, index, values, accumulate, dx });
                Ok(())
            }),
            Op::ConvWeightGrad(o) => self.lend([o.dw], |d, [dw]| {
                let index = d.forward_index(&o.shape, &o.weight)?;
                let dw = &mut dw[..index.len(&o.shape)];
                T::conv_weight_grad(WeightGradArgs { shape: o.shape, x: d.real(o.x)?, dy: d.real(o.dy)?, index, dw });
                Ok(())
            }),
            Op::BiasGrad(o) => self.lend([o.dbias], |d, [dbias]| {
                conv::bias_grad(o.shape, d.real(o.dy)?, dbias);
                Ok(())
            }),
            Op::BatchNormStats(o) => self.lend([o.saved, o.running], |d, [saved, running]| {
                let (momentum, eps) = (T::from_f32(o.momentum), T::from_f32(o.eps));
                batchnorm::stats(o.shape, n_valid, d.real(o.x)?, saved, running, momentum, eps);
                Ok(())
            }),
            Op::BatchNormApply(o) => self.lend([o.y], |d, [y]| {
                let norm = Norm {
                    shape: o.shape,
                    n_valid,
                    stats: d.real(o.stats)?,
                    eval: o.eval,
                    eps: T::from_f32(o.eps),
                    affine: Some(d.real(o.affine)?),
                };
                batchnorm::apply(norm, d.real(o.x)?, d.some(o.residual)?, o.relu, y);
                Ok(())
            }),
            Op::BatchNormReduceGrad(o) => self.lend([o.daffine], |d, [daffine]| {
                let (stats, eps) = (d.real(o.stats)?, T::from_f32(o.eps));
                let norm = Norm { shape: o.shape, n_valid, stats, eval: o.eval, eps, affine: None };
                let y = d.some(o.relu.then_some(o.y))?;
                batchnorm::reduce_grad(norm, d.real(o.dy)?, y, d.real(o.x)?, daffine);
                Ok(())
            }),
            Op::BatchNormInputGrad(o) => match o.dresidual {
                None => self.lend([o.dx], |d, [dx]| d.batch_norm_input_grad(o, n_valid, dx, None)),
                Some((id, accumulate)) => {
                    self.lend([o.dx, id], |d, [dx, dresidual]| d.batch_norm_input_grad(o, n_valid, dx, Some((dresidual, accumulate))))
                }
            },
            Op::Add(o) => self.lend([o.y], |d, [y]| {
                elementwise::add(d.real(o.x)?, &mut y[..o.len]);
                Ok(())
            }),
            Op::Relu(o) => self.lend([o.y], |d, [y]| {
                elementwise::relu(d.unless(o.x, o.y)?, &mut y[..o.len]);
                Ok(())
            }),
            Op::ReluGrad(o) => self.lend([o.dx], |d, [dx]| {
                elementwise::relu_grad(d.unless(o.dy, o.dx)?, d.real(o.y)?, o.accumulate, &mut dx[..o.len]);
                Ok(())
            }),
            Op::MaxPool(o) => self.lend([o.y], |d, [y]| {
                pool::max(&o.shape, d.real(o.x)?, y);
                Ok(())
            }),
            Op::MaxPoolGrad(o) => self.lend([o.dx], |d, [dx]| {
                pool::max_grad(&o.shape, d.real(o.x)?, d.real(o.dy)?, o.accumulate, dx);
                Ok(())
            }),
            Op::AvgPool(o) => self.lend([o.y], |d, [y]| {
                pool::avg(&o.shape, d.real(o.x)?, y);
                Ok(())
            }),
            Op::AvgPoolGrad(o) => self.lend([o.dx], |d, [dx]| {
                pool::avg_grad(&o.shape, d.real(o.dy)?, o.accumulate, dx);
                Ok(())
            }),
            Op::ShortcutA(o) => self.lend([o.y], |d, [y]| {
                elementwise::shortcut(o, d.real(o.x)?, y);
                Ok(())
            }),
            Op::ShortcutAGrad(o) => self.lend([o.dx], |d, [dx]| {
                elementwise::shortcut_grad(o, d.real(o.dy)?, dx);
                Ok(())
            }),
            Op::SoftmaxCrossEntropy(o) => match o.dlogits {
                None => self.lend([o.samples, o.totals], |d, [samples, totals]| d.cross_entropy(o, step, None, samples, totals)),
                Some(id) => self.lend([o.samples, o.totals, id], |d, [samples, totals, dlogits]| {
                    d.cross_entropy(o, step, Some(dlogits), samples, totals)
                }),
            },
            Op::ConvSampleNorm(o) => self.lend([o.sums], |d, [sums]| {
                let (x, dy, index) = (d.real(o.x)?, d.real(o.dy)?, d.forward_index(&o.shape, &o.weight)?);
                sample_norm::conv(sample_norm::ConvArgs { shape: o.shape, x, dy, index, bias: o.bias, sums });
                Ok(())
            }),
            Op::BatchNormSampleNorm(o) => self.lend([o.sums], |d, [sums]| {
                let (dy, y, x, stats) = (d.real(o.dy)?, d.some(o.relu.then_some(o.y))?, d.real(o.x)?, d.real(o.stats)?);
                sample_norm::batchnorm(sample_norm::BatchNormArgs { shape: o.shape, dy, y, x, stats, eps: T::from_f32(o.eps), sums });
                Ok(())
            }),
            Op::SgdUpdate(o) => self.lend([o.values, o.momentum], |d, [values, momentum]| {
                let (values, momentum) = (&mut values[..o.len], &mut momentum[..o.len]);
                optim::sgd(step, values, d.real(o.grad)?, momentum, d.some(o.mask)?, o.momentum_reset);
                Ok(())
            }),
            Op::AdamUpdate(o) => self.lend([o.values, o.first, o.second], |d, [values, first, second]| {
                let moments = [&mut first[..o.len], &mut second[..o.len]];
                optim::adam(step, &mut values[..o.len], d.real(o.grad)?, moments, d.some(o.mask)?);
                Ok(())
            }),
            Op::Fill(o) => self.lend([o.buffer], |_, [buffer]| {
                elementwise::fill(T::from_f32(o.value), &mut buffer[..o.len]);
                Ok(())
            }),
            #[cfg(feature = "autoattack")]
            Op::Lane(o) => self.run_lane_op(o, n_valid),
            Op::LaneNorm(o) => self.lend([o.norms], |d, [norms]| {
                attack::lane_norm(o.shape, d.real(o.x)?, d.some(o.minus)?, norms);
                Ok(())
            }),
            Op::StepLinf(o) => self.lend([o.x], |d, [x]| {
                attack::step_linf(o, x, d.real(o.clean)?, d.real(o.grad)?);
                Ok(())
            }),
            Op::StepL2(o) => self.lend([o.x], |d, [x]| {
                attack::step_l2(o, x, d.real(o.grad)?, d.real(o.norms)?);
                Ok(())
            }),
            Op::ProjectL2(o) => self.lend([o.x], |d, [x]| {
                attack::project_l2(o, x, d.real(o.clean)?, d.real(o.norms)?);
                Ok(())
            }),
        }
    }

    fn batch_norm_input_grad(
        &self,
        op: &BatchNormInputGrad,
        n_valid: usize,
        dx: &mut [T],
        dresidual: Option<(&mut [T], bool)>,
    ) -> Result<()> {
        let norm = Norm {
            shape: op.shape,
            n_valid,
            stats: self.real(op.stats)?,
            eval: op.eval,
            eps: T::from_f32(op.eps),
            affine: Some(self.real(op.affine)?),
        };
        batchnorm::input_grad(batchnorm::InputGrad {
            norm,
            dy: self.unless(op.dy, op.dx)?,
            y: self.some(op.relu.then_some(op.y))?,
            x: self.real(op.x)?,
            daffine: self.some((!op.eval).then_some(op.daffine))?,
            dx,
            accumulate: op.accumulate,
            dresidual,
        });
        Ok(())
    }

    fn cross_entropy(
        &self,
        op: &SoftmaxCrossEntropy,
        step: &StepParams,
        dlogits: Option<&mut [T]>,
        samples: &mut [T],
        totals: &mut [T],
    ) -> Result<()> {
        let (n_valid, found) = ((step.n_valid as usize).min(op.n), samples.len());
        let first = step.sample_offset as usize * SAMPLE_WORDS;
        let Some(samples) = samples.get_mut(first..first + n_valid * SAMPLE_WORDS) else {
            return Err(Error::shape(
                name(&Op::SoftmaxCrossEntropy(*op)),
                "samples",
                format!("at least {} floats", first + n_valid * SAMPLE_WORDS),
                format!("{found} floats"),
            ));
        };
        let out = loss::Outputs { dlogits, samples, totals };
        loss::softmax_cross_entropy(op, n_valid, step.divisor(), self.real(op.logits)?, self.index(op.labels)?, out);
        Ok(())
    }
}
