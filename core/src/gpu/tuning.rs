//! Which of the kernels that make the same result is the fastest here: asked when a program first meets a shape, answered by timing them.
//!
//! What was chosen goes with a run and its checkpoint. The kernels add in one order, but a driver may contract their products differently: only
//! the same choice is sure to give the same numbers.

use std::collections::BTreeMap;

use web_time::Instant;

use super::GpuDevice;
use super::encode::Tile;
use crate::device::info::{Kernels, SparseKernel};
use crate::error::Result;
use crate::ops::{BufferId, ConvForward, ConvInputGrad, ConvShape, Dtype, Op, StepParams};

/// What one kernel took for one question.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// What was asked.
    pub question: String,
    /// Who answered.
    pub kernel: SparseKernel,
    /// Milliseconds of one dispatch.
    pub ms: f64,
    /// Multiply-adds of one dispatch.
    pub products: f64,
}

/// How much of the time of the kernel without tiles another must save: less would be noise, and change a run's numbers for nothing.
const LEAST_GAIN: f64 = 0.05;
/// How long a measurement should last at least, in seconds: waiting for a device takes a part of a millisecond.
const LEAST_SECONDS: f64 = 0.002;
/// How long a race may wait for its choices, in seconds; the largest products come first, and what is left is not timed.
const MOST_SECONDS: f64 = 1.0;
/// The most dispatches of a measurement.
const MOST_REPEATS: usize = 64;

/// What is known, and what was asked and not yet answered.
pub struct Tuning {
    /// Whether questions are answered here at all.
    wanted: bool,
    /// Whether somebody asked, who will wait.
    asked: bool,
    known: Kernels,
    open: BTreeMap<String, Op>,
    timings: Vec<Timing>,
}

impl Tuning {
    /// Nothing known. A software adapter is not tuned unless somebody asks: timing there takes longer than it could save.
    pub fn new(wanted: bool) -> Self {
        Self { wanted, asked: false, known: Kernels::new(), open: BTreeMap::new(), timings: Vec::new() }
    }
    /// Takes what was chosen before.
    pub fn use_kernels(&mut self, kernels: Kernels) {
        self.known = kernels;
    }
    /// What is known.
    pub fn known(&self) -> &Kernels {
        &self.known
    }
    /// What was measured, in the order of the questions.
    pub fn timings(&self) -> &[Timing] {
        &self.timings
    }
    /// The kernel of an op; a question that nobody has answered stays open.
    pub fn kernel(&mut self, op: &Op, dtype: impl Fn(BufferId) -> Option<Dtype>) -> SparseKernel {
        let Some(question) = question(op, dtype) else { return SparseKernel::Rows };
        if let Some(kernel) = self.known.get(&question) {
            return *kernel;
        }
        if self.wanted {
            self.open.insert(question, *op);
        }
        SparseKernel::Rows
    }
}

/// A sparse product for which there is a choice: its direction, geometry and number of values.
fn product(op: &Op) -> Option<(&'static str, ConvShape, usize, BufferId)> {
    let (direction, shape, weight, input, written) = match op {
        Op::ConvForward(ConvForward { shape, x, weight, .. }) => ("forward", shape, weight, *x, shape.output()),
        Op::ConvInputGrad(ConvInputGrad { shape, dy, weight, .. }) => ("input gradient", shape, weight, *dy, shape.input()),
        _ => return None,
    };
    let nnz = weight.topology()?.nnz;
    let tile = Tile::of(shape, (written.h, written.w))?;
    (nnz > 0 && tile.suits(written.h, written.w, shape.n / 4)).then_some((direction, *shape, nnz, input))
}

/// Multiply-adds of one dispatch.
fn products(op: &Op) -> Option<f64> {
    let (_, shape, nnz, _) = product(op)?;
    Some(nnz as f64 * shape.output().plane() as f64)
}

/// Layers of nearly one density are one question: these densities, the nearest in proportion.
const DENSITIES: [f64; 10] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0];

/// A choice, in words that tell it from every other.
fn question(op: &Op, dtype: impl Fn(BufferId) -> Option<Dtype>) -> Option<String> {
    let (direction, s, nnz, input) = product(op)?;
    let stored = if dtype(input)? == Dtype::Bf16 { "bf16" } else { "f32" };
    let density = nnz as f64 / s.weights() as f64;
    let apart = |class: &f64| (density / class).ln().abs();
    let class = DENSITIES.into_iter().min_by(|a, b| apart(a).total_cmp(&apart(b)))?;
    Some(format!(
        "{direction} {}x{}x{}>{} k{}x{} p{} n{} density {class} {stored}",
        s.c_in, s.h_in, s.w_in, s.c_out, s.kh, s.kw, s.pad, s.n
    ))
}

impl GpuDevice {
    /// Tunes even where the adapter is software, however long it takes.
    pub fn want_tuning(&mut self) {
        (self.tuning.wanted, self.tuning.asked) = (true, true);
    }
    /// Times the kernels of every open question and keeps the fastest; whether some program should now be compiled again.
    ///
    /// The buffers of the asking ops are overwritten, as a step would: to be called between a plan and its first step.
    ///
    /// # Errors
    /// What the device says.
    pub async fn tune(&mut self) -> Result<bool> {
        if !self.tuning.wanted {
            return Ok(false);
        }
        let mut changed = false;
        let start = Instant::now();
        // A plan that is gone needs no answer.
        let open = std::mem::take(&mut self.tuning.open).into_iter().filter(|(_, op)| op.check_buffers(|id| self.held(id)).is_ok());
        let mut open: Vec<_> = open.filter_map(|(question, op)| Some((question, op, products(&op)?))).collect();
        open.sort_by(|a, b| b.2.total_cmp(&a.2));
        for (question, op, products) in open {
            if !self.tuning.asked && start.elapsed().as_secs_f64() > MOST_SECONDS {
                self.tuning.known.insert(question, SparseKernel::Rows);
                continue;
            }
            let mut best = (SparseKernel::Rows, f64::INFINITY);
            for &kernel in SparseKernel::ALL {
                let seconds = self.time(&op, kernel).await?;
                self.tuning.timings.push(Timing { question: question.clone(), kernel, ms: 1e3 * seconds, products });
                let must = if best.0 == SparseKernel::Rows { (1.0 - LEAST_GAIN) * best.1 } else { best.1 };
                if seconds < must {
                    best = (kernel, seconds);
                }
            }
            changed |= best.0 != SparseKernel::Rows;
            self.tuning.known.insert(question, best.0);
        }
        Ok(changed)
    }
    /// Seconds of one dispatch, the least of two measurements.
    async fn time(&mut self, op: &Op, kernel: SparseKernel) -> Result<f64> {
        let program = self.compile_with("tuning", &[*op], Some(kernel))?;
        let step = StepParams::default();
        let mut least = f64::INFINITY;
        let mut repeats = 1;
        self.run(&program, &step)?;
        self.sync().await?;
        let mut measurements = 0;
        while measurements < 2 {
            let start = Instant::now();
            for _ in 0..repeats {
                self.run(&program, &step)?;
            }
            self.sync().await?;
            let seconds = start.elapsed().as_secs_f64();
            if seconds < LEAST_SECONDS && repeats < MOST_REPEATS {
                repeats *= 4;
                continue;
            }
            measurements += 1;
            least = least.min(seconds / repeats as f64);
        }
        Ok(least)
    }
}
