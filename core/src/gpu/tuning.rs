//! Which of the kernels that make the same result is the fastest here: asked when a program meets a shape, answered by timing between a plan and its
//! first step. What a race meets later (a density that a method comes to) is made by the usual kernel unless it is known.
//!
//! What was chosen goes with a run and its checkpoint. The kernels add in one order, but a driver may contract their products differently: only
//! the same choice is sure to give the same numbers.

use std::collections::BTreeMap;

use web_time::Instant;

use super::encode::choices;
use super::{GpuDevice, GpuProgram};
use crate::device::info::{Kernel, Kernels};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::{BufferId, ConvForward, ConvInputGrad, ConvShape, ConvWeightGrad, Dtype, Op, SparseTopology, StepParams};

/// What one kernel took for one question.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// What was asked.
    pub question: String,
    /// Who answered.
    pub kernel: Kernel,
    /// Milliseconds of one dispatch.
    pub ms: f64,
    /// Multiply-adds of one dispatch.
    pub products: f64,
}

/// How much of the usual kernel's time another must save: less would be noise, and change a run's numbers for nothing.
const LEAST_GAIN: f64 = 0.05;
/// How long a measurement should last at least, in seconds: waiting for a device takes a part of a millisecond.
const LEAST_SECONDS: f64 = 0.002;
/// For how many seconds a race may time; the largest products come first, and what is left is not timed.
const MOST_SECONDS: f64 = 1.0;
/// For how many seconds a race may wait for it, compiling included, which on some drivers takes longer than the timing.
const MOST_WAITING: f64 = 3.0;
/// The most dispatches of a measurement.
const MOST_REPEATS: usize = 64;

/// What is known, what was asked, and what was asked and not yet answered.
pub struct Tuning {
    /// Whether questions are answered here at all.
    wanted: bool,
    /// Whether somebody asked, who will wait.
    patient: bool,
    known: Kernels,
    used: Kernels,
    open: BTreeMap<String, Op>,
    timings: Vec<Timing>,
}

impl Tuning {
    /// Nothing known. A software adapter is not tuned unless somebody asks: timing there takes longer than it could save.
    pub fn new(wanted: bool) -> Self {
        Self { wanted, patient: false, known: Kernels::new(), used: Kernels::new(), open: BTreeMap::new(), timings: Vec::new() }
    }
    /// Takes what was chosen before; it goes before what is known.
    pub fn know(&mut self, kernels: Kernels) {
        self.known.extend(kernels);
    }
    /// The kernel of every product that some program here asked for.
    pub fn used(&self) -> &Kernels {
        &self.used
    }
    /// What was measured, kernel after kernel of a question.
    pub fn timings(&self) -> &[Timing] {
        &self.timings
    }
    /// What was chosen by measuring here.
    pub fn measured(&self) -> Kernels {
        let measured = |question: &String| self.timings.iter().any(|timing| timing.question == *question);
        self.known.iter().filter(|(question, _)| measured(question)).map(|(question, kernel)| (question.clone(), *kernel)).collect()
    }
    /// The kernel of an op; a question that nobody has answered stays open.
    pub fn kernel(&mut self, op: &Op, dtype: impl Fn(BufferId) -> Option<Dtype>) -> Kernel {
        let Some((question, choices)) = question(op, dtype) else { return Kernel::Rows };
        // A choice that was written down by hand may name what cannot make it.
        let known = self.known.get(&question).copied().filter(|kernel| choices.contains(kernel));
        if known.is_none() && self.wanted {
            self.open.insert(question.clone(), *op);
        }
        let kernel = known.unwrap_or(choices[0]);
        self.used.insert(question, kernel);
        kernel
    }
}

/// A product: its direction, geometry, number of weights and input.
fn product(op: &Op) -> Option<(&'static str, ConvShape, usize, BufferId)> {
    let values = |shape: &ConvShape, topology: Option<SparseTopology>| topology.map_or(shape.weights(), |t| t.nnz);
    let (direction, shape, values, input) = match op {
        Op::ConvForward(ConvForward { shape, x, weight, .. }) => ("forward", shape, values(shape, weight.topology()), *x),
        Op::ConvInputGrad(ConvInputGrad { shape, dy, weight, .. }) => ("input gradient", shape, values(shape, weight.topology()), *dy),
        Op::ConvWeightGrad(ConvWeightGrad { shape, x, topology, .. }) => ("weight gradient", shape, values(shape, *topology), *x),
        _ => return None,
    };
    (values > 0).then_some((direction, *shape, values, input))
}

/// Multiply-adds of one dispatch.
fn products(op: &Op) -> Option<f64> {
    let (_, shape, values, _) = product(op)?;
    Some(values as f64 * shape.output().plane() as f64)
}

/// Layers of nearly one density are one question: these densities, the nearest in proportion.
const DENSITIES: [f64; 10] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0];

/// A choice, in words that tell it from every other, and among which kernels.
fn question(op: &Op, dtype: impl Fn(BufferId) -> Option<Dtype>) -> Option<(String, Vec<Kernel>)> {
    let (direction, s, values, input) = product(op)?;
    let choices = Some(choices(op)).filter(|choices| !choices.is_empty())?;
    let stored = if dtype(input)? == Dtype::Bf16 { "bf16" } else { "f32" };
    let density = values as f64 / s.weights() as f64;
    let apart = |class: &f64| (density / class).ln().abs();
    let class = DENSITIES.into_iter().min_by(|a, b| apart(a).total_cmp(&apart(b)))?;
    // A sparse layer may hold nearly all weights.
    let density = if choices.contains(&Kernel::Rows) { format!("density {class}") } else { "dense".into() };
    let words = format!(
        "{direction} {}x{}x{}>{} k{}x{} s{} p{} n{} {density} {stored}",
        s.c_in, s.h_in, s.w_in, s.c_out, s.kh, s.kw, s.stride, s.pad, s.n
    );
    Some((words, choices))
}

/// An op as often as it takes to measure it, by one kernel.
struct Candidate {
    kernel: Kernel,
    program: GpuProgram,
    repeats: usize,
    /// Seconds of one dispatch, the least of its measurements.
    least: f64,
}

impl GpuDevice {
    /// Tunes even where the adapter is software, however long it takes.
    pub fn want_tuning(&mut self) {
        (self.tuning.wanted, self.tuning.patient) = (true, true);
    }
    /// See [`crate::Device`].
    pub fn warm_choices(&mut self) -> Result<()> {
        self.tuning.used.clear();
        for op in std::mem::take(&mut self.tuning.open).into_values() {
            for kernel in choices(&op) {
                self.compile_with("choices", &[op], &[kernel])?;
            }
        }
        Ok(())
    }
    /// Times the kernels of every open question and keeps the fastest; whether some program should now be compiled again.
    ///
    /// The buffers of the asking ops are overwritten, as a step would: to be called between a plan and its first step.
    ///
    /// # Errors
    /// Where the device is lost or out of memory. A kernel that fails otherwise is not taken.
    pub async fn tune(&mut self) -> Result<bool> {
        // A plan that is gone needs no answer.
        let open = std::mem::take(&mut self.tuning.open).into_iter().filter(|(_, op)| op.check_buffers(|id| self.held(id)).is_ok());
        let mut open: Vec<_> = open.filter_map(|(question, op)| Some((question, op, products(&op)?))).collect();
        open.sort_by(|a, b| b.2.total_cmp(&a.2));
        let began = Instant::now();
        let (mut changed, mut spent) = (false, 0.0);
        for (question, op, products) in open {
            let choices = choices(&op);
            let Some(&default) = choices.first() else { continue };
            if !self.tuning.patient && (spent > MOST_SECONDS || began.elapsed().as_secs_f64() > MOST_WAITING) {
                break;
            }
            let mut candidates = Vec::new();
            for kernel in choices {
                match self.candidate(&op, kernel, &mut spent).await {
                    Ok(candidate) => candidates.push(candidate),
                    Err(e) if fatal(&e) || kernel == default => return Err(e),
                    Err(_) => {}
                }
            }
            // In turn, so that a device that speeds up favours none.
            for _ in 0..2 {
                for candidate in &mut candidates {
                    let seconds = self.measure(&candidate.program, &mut spent).await? / candidate.repeats as f64;
                    candidate.least = candidate.least.min(seconds);
                }
            }
            let usual = candidates.iter().find(|c| c.kernel == default).map_or(f64::INFINITY, |c| c.least);
            let gains = candidates.iter().filter(|c| c.least < (1.0 - LEAST_GAIN) * usual);
            let best = gains.min_by(|a, b| a.least.total_cmp(&b.least)).map_or(default, |c| c.kernel);
            let timing = |c: &Candidate| Timing { question: question.clone(), kernel: c.kernel, ms: 1e3 * c.least, products };
            self.tuning.timings.extend(candidates.iter().map(timing));
            changed |= best != default;
            self.tuning.known.insert(question, best);
        }
        Ok(changed)
    }
    /// A program that lasts long enough to be measured; its first runs warm up, and are not counted as time spent.
    async fn candidate(&mut self, op: &Op, kernel: Kernel, spent: &mut f64) -> Result<Candidate> {
        let mut repeats = 1;
        loop {
            let program = self.compile_with("tuning", &vec![*op; repeats], &[kernel])?;
            // What is left to compile waits here.
            self.measure(&program, &mut 0.0).await?;
            let seconds = self.measure(&program, spent).await?;
            if seconds >= LEAST_SECONDS || repeats >= MOST_REPEATS {
                return Ok(Candidate { kernel, program, repeats, least: seconds / repeats as f64 });
            }
            repeats *= 4;
        }
    }
    /// Seconds of one run.
    async fn measure(&mut self, program: &GpuProgram, spent: &mut f64) -> Result<f64> {
        let start = Instant::now();
        self.run(program, &StepParams::default())?;
        self.sync().await?;
        let seconds = start.elapsed().as_secs_f64();
        *spent += seconds;
        Ok(seconds)
    }
}

/// Whether nothing else will work after it.
fn fatal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::DeviceLost(_) | ErrorKind::OutOfMemory(_))
}
