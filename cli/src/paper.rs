//! `bench --model`: what a training step should take on a GPU that is not here, from the counts of its plan and public figures of the device.
//!
//! Each op takes as long as moving its bytes or as its arithmetic, whichever is longer, and the arithmetic as long as caches and workgroup memory
//! feed it. It decides designs and is no measurement.

use anyhow::{Result, bail};
use serde_json::{Value, json};
use sparring_core::Device;
use sparring_core::device::Kernel;
use sparring_core::gpu::encode::{encode, staged_bytes};
use sparring_core::net::zoo::Model;
use sparring_core::ops::{ConvForward, ConvInputGrad, ConvWeightGrad, Op, Precision};

use crate::args::Usage;
use crate::console::Console;
use crate::measure::{self, Case};

/// Public figures of a GPU: specifications, and micro-benchmarks rounded. Words are 4 bytes.
pub struct Card {
    /// As one asks for it.
    pub name: &'static str,
    /// GB/s of memory.
    memory: f64,
    /// TFLOP/s of float32, a multiply-add as two.
    peak: f64,
    /// Words that workgroup memory gives for each multiply-add of the peak.
    workgroup: f64,
    /// Words that the second-level cache gives for each multiply-add of the peak.
    cache: f64,
}

/// Per multiply-add: 32 of 128 words a clock and core from workgroup memory (RDNA2: 32 of 64; Apple: 16 to 32), 8 to 16 of 128 from the
/// second-level cache (RDNA2: 16 of 64).
/// Adreno publishes neither; it is taken to be as the others.
pub const CARDS: [Card; 7] = [
    Card { name: "apple-m1", memory: 68.0, peak: 2.6, workgroup: 0.19, cache: 0.09 },
    Card { name: "apple-m2", memory: 100.0, peak: 3.6, workgroup: 0.19, cache: 0.09 },
    Card { name: "iris-xe", memory: 60.0, peak: 2.2, workgroup: 0.25, cache: 0.12 },
    Card { name: "rtx-3060", memory: 360.0, peak: 12.7, workgroup: 0.25, cache: 0.09 },
    Card { name: "rx-6600", memory: 224.0, peak: 9.0, workgroup: 0.5, cache: 0.25 },
    Card { name: "h100", memory: 3350.0, peak: 60.0, workgroup: 0.25, cache: 0.09 },
    Card { name: "adreno-740", memory: 67.0, peak: 3.5, workgroup: 0.25, cache: 0.09 },
];

/// What a good dense product reaches of the peak.
const DENSE_SHARE: f64 = 0.5;
/// Seconds that a dispatch takes by itself.
const DISPATCH: f64 = 5e-6;

/// What an op takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Cost {
    /// Ops of the kind.
    pub count: usize,
    /// Bytes moved.
    pub bytes: f64,
    /// FLOPs.
    pub flops: f64,
    /// Milliseconds to move them.
    pub memory_ms: f64,
    /// Milliseconds of what bounds the arithmetic.
    pub compute_ms: f64,
    /// Milliseconds in all: the longer of the two, and the dispatches.
    pub ms: f64,
}

impl Card {
    /// The card of a name.
    pub fn find(name: &str) -> Result<&'static Self> {
        let Some(card) = CARDS.iter().find(|card| card.name == name) else {
            let names: Vec<_> = CARDS.iter().map(|card| card.name).collect();
            bail!(Usage(format!("--model must be one of {}, found '{name}'", names.join(", "))));
        };
        Ok(card)
    }
    /// Multiply-adds a second.
    fn products(&self) -> f64 {
        self.peak * 1e12 / 2.0
    }
    /// Seconds of a sparse product by a kernel: every product loads a word from a cache, or from workgroup memory, which is filled from one.
    fn sparse(&self, op: &Op, kernel: Kernel, products: f64) -> f64 {
        match staged_bytes(op, kernel) {
            // Of the weight gradient's values, eight in one row load the output's gradient once.
            None if matches!(op, Op::ConvWeightGrad(_)) => 1.125 * products / (self.cache * self.products()),
            None => products / (self.cache * self.products()),
            Some(staged) => {
                let filled = staged / 4.0 / (self.cache * self.products());
                filled + products / (self.workgroup * self.products())
            }
        }
    }
    /// Seconds of an op's arithmetic.
    fn compute(&self, op: &Op) -> f64 {
        let products = op.flops() as f64 / 2.0;
        let topology = match op {
            Op::ConvForward(ConvForward { weight, .. }) | Op::ConvInputGrad(ConvInputGrad { weight, .. }) => weight.topology(),
            Op::ConvWeightGrad(ConvWeightGrad { topology, .. }) => *topology,
            _ => return products / self.products(),
        };
        match topology {
            None => products / (DENSE_SHARE * self.products()),
            Some(_) => Kernel::ALL.iter().map(|kernel| self.sparse(op, *kernel, products)).fold(f64::INFINITY, f64::min),
        }
    }
    /// What an op of these bytes takes.
    fn cost(&self, op: &Op, bytes: f64) -> sparring_core::error::Result<Cost> {
        let dispatches = encode(op, Kernel::Rows)?.len() as f64;
        let (memory, compute) = (bytes / (self.memory * 1e9), self.compute(op));
        let ms = 1e3 * (memory.max(compute) + dispatches * DISPATCH);
        Ok(Cost { count: 1, bytes, flops: op.flops() as f64, memory_ms: 1e3 * memory, compute_ms: 1e3 * compute, ms })
    }
}

impl Cost {
    fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            bytes: self.bytes + other.bytes,
            flops: self.flops + other.flops,
            memory_ms: self.memory_ms + other.memory_ms,
            compute_ms: self.compute_ms + other.compute_ms,
            ms: self.ms + other.ms,
        }
    }
}

/// A step's ops by kind, the longest first.
pub fn step(card: &Card, case: Case) -> Result<Vec<(&'static str, Cost)>> {
    let mut kinds: Vec<(&'static str, Cost)> = Vec::new();
    for (op, bytes) in measure::plan_of_a_gpu(&mut Device::cpu(), case)? {
        let cost = card.cost(&op, bytes as f64)?;
        match kinds.iter_mut().find(|(name, _)| *name == op.name()) {
            Some((_, sum)) => *sum = sum.and(cost),
            None => kinds.push((op.name(), cost)),
        }
    }
    kinds.sort_by(|a, b| b.1.ms.total_cmp(&a.1.ms));
    Ok(kinds)
}

/// Prints the steps of two networks on a card, dense and at a uniform density of 0.1.
pub fn predict(console: Console, card: &Card, batch: usize) -> Result<Value> {
    console.say(format_args!("model     {} on paper: {} GB/s, {} TFLOP/s; nothing is measured", card.name, card.memory, card.peak));
    let mut steps = Vec::new();
    for model in [Model::ResNet20, Model::ResNet18] {
        let mut dense = None;
        for density in [None, Some(0.1)] {
            let case = Case { model, batch, density, recompute: false, precision: Precision::F32 };
            let kinds = step(card, case)?;
            let all = kinds.iter().map(|(_, cost)| *cost).fold(Cost::default(), Cost::and);
            let row = |name: &str, cost: &Cost| {
                let Cost { count, bytes, flops, memory_ms, compute_ms, ms } = cost;
                let [bytes, flops] = [bytes, flops].map(|amount| format!("{:.0}", amount / 1e6));
                let [memory_ms, compute_ms, ms] = [memory_ms, compute_ms, ms].map(|ms| format!("{ms:.2}"));
                vec![name.to_owned(), count.to_string(), bytes, flops, memory_ms, compute_ms, ms]
            };
            let mut rows: Vec<_> = kinds.iter().map(|(name, cost)| row(name, cost)).collect();
            rows.push(row("all", &all));
            let speedup = dense.get_or_insert(all.ms).to_owned() / all.ms;
            let title = match density {
                None => format!("{model} dense, batch {batch}"),
                Some(density) => format!("{model} {density}, batch {batch}: {speedup:.1} times dense"),
            };
            console.table(&[&title, "ops", "MB", "MFLOP", "memory ms", "compute ms", "ms"], &rows);
            let ops: Vec<_> = kinds.iter().map(|(name, cost)| json!({ "op": name, "cost": cost })).collect();
            steps.push(
                json!({ "model": model, "density": density.unwrap_or(1.0), "batch": batch, "ms": all.ms, "speedup": speedup, "ops": ops }),
            );
        }
    }
    Ok(json!({ "device": card.name, "on_paper": true, "steps": steps }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use sparring_core::net::graph::WEIGHT_BYTES;
    use sparring_core::net::zoo::Input;

    fn total(card: &Card, model: Model, density: Option<f64>) -> Cost {
        let case = Case { model, batch: 32, density, recompute: false, precision: Precision::F32 };
        step(card, case).unwrap().into_iter().fold(Cost::default(), |sum, (_, cost)| sum.and(cost))
    }

    #[test]
    fn a_step_is_never_faster_than_what_bounds_it_and_sparse_is_faster_than_dense() {
        for card in &CARDS {
            let (dense, sparse) = (total(card, Model::ResNet20, None), total(card, Model::ResNet20, Some(0.1)));
            for cost in [dense, sparse] {
                assert!(cost.ms >= cost.memory_ms && cost.ms >= cost.compute_ms, "{}: {cost:?}", card.name);
                assert!((cost.memory_ms - cost.bytes / card.memory / 1e6).abs() < 1e-9 * cost.memory_ms, "{}", card.name);
            }
            assert!(sparse.ms < dense.ms && sparse.flops < 0.2 * dense.flops, "{}: {dense:?} {sparse:?}", card.name);
        }
        let flops = |density| total(&CARDS[0], Model::ResNet20, density).flops / 32.0;
        // 40.6 million multiply-adds a sample forward, and twice that back but for the image's gradient.
        assert!((flops(None) / (2.0 * 3.0 * 40.6e6) - 1.0).abs() < 0.05, "{}", flops(None));
    }

    #[test]
    fn a_card_twice_as_fast_in_everything_takes_half_but_for_its_dispatches() {
        let slow = &CARDS[0];
        let fast = Card { name: "twice", memory: 2.0 * slow.memory, peak: 2.0 * slow.peak, ..*slow };
        let [a, b] = [slow, &fast].map(|card| total(card, Model::ResNet20, Some(0.1)));
        assert!(
            (a.compute_ms - 2.0 * b.compute_ms).abs() < 1e-9 * a.compute_ms && (a.memory_ms - 2.0 * b.memory_ms).abs() < 1e-9 * a.memory_ms
        );
        assert!(b.ms < a.ms && 2.0 * b.ms > a.ms, "a dispatch takes what it takes");
    }

    #[test]
    fn what_a_network_says_it_moves_is_what_its_plan_moves() {
        for (model, precision) in [
            (Model::ResNet20, Precision::F32),
            (Model::ResNet20, Precision::Bf16),
            (Model::Vgg16, Precision::F32),
            (Model::ResNet18, Precision::F32),
        ] {
            let case = Case { model, batch: 32, density: None, recompute: false, precision };
            let plan: u64 = measure::plan_of_a_gpu(&mut Device::cpu(), case).unwrap().iter().map(|(_, bytes)| bytes).sum();
            let input = Input { extent: (3, 32, 32), classes: 10, mean: [0.0; 4], std: [1.0; 4] };
            let graph = model.graph(input).unwrap();
            let said = 32 * graph.training_bytes(precision) + WEIGHT_BYTES * graph.parameters();
            let ratio = said as f64 / plan as f64;
            assert!((0.9..1.1).contains(&ratio), "{model} {precision}: {said} bytes, the plan {plan}");
        }
    }

    #[test]
    fn an_unknown_card_is_answered_with_those_that_are_known() {
        let error = Card::find("voodoo-2").err().unwrap().to_string();
        assert!(error.contains("apple-m1, apple-m2") && error.contains("found 'voodoo-2'"), "{error}");
    }
}
