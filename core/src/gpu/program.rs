//! Programs: dispatches with prebuilt bind groups, cut into submissions of about 100 ms by what earlier ones took.
//!
//! Operating systems kill a submission that runs for a second or two; a page should stay responsive meanwhile.

use std::rc::Rc;

use web_time::Instant;

use super::memory::Scratch;
use crate::ops::Op;

/// What one submission should take, in seconds.
const TARGET_SECONDS: f64 = 0.1;
/// Shorter waits say more about latency than about throughput, in seconds.
const LEAST_MEASURED: f64 = 0.005;

/// One dispatch.
pub struct Dispatch {
    /// What runs.
    pub pipeline: wgpu::ComputePipeline,
    /// Its buffers.
    pub bind_group: wgpu::BindGroup,
    /// Workgroups in x and y.
    pub grid: (u32, u32),
    /// Rough work.
    pub cost: f64,
}

/// Compiled ops.
pub struct GpuProgram {
    /// Shown by graphics debuggers.
    pub(super) label: String,
    /// In order.
    pub(super) dispatches: Vec<Dispatch>,
    /// Ops that work where the step says.
    pub(super) open: Vec<Op>,
    /// Keeps the scratch memory its bind groups refer to counted as allocated.
    pub(super) _scratch: Option<Rc<Scratch>>,
}

/// Seconds per unit of work on this device, learned from waits.
pub struct Pace {
    seconds_per_cost: f64,
    pending: f64,
    since: Instant,
}

impl Pace {
    /// A cautious first guess: it only makes the first submissions shorter.
    pub fn new(software: bool) -> Self {
        Self { seconds_per_cost: if software { 5e-10 } else { 2e-11 }, pending: 0.0, since: Instant::now() }
    }
    /// How many dispatches of these costs (at least one) go into the next submission, and their work.
    pub fn portion(&self, costs: impl Iterator<Item = f64>) -> (usize, f64) {
        let (mut count, mut sum) = (0, 0.0);
        for cost in costs {
            if count > 0 && (sum + cost) * self.seconds_per_cost > TARGET_SECONDS {
                break;
            }
            count += 1;
            sum += cost;
        }
        (count, sum)
    }
    /// Work was submitted.
    pub fn submitted(&mut self, cost: f64) {
        if self.pending == 0.0 {
            self.since = Instant::now();
        }
        self.pending += cost;
    }
    /// Work submitted and not yet known to be done.
    pub fn pending(&self) -> f64 {
        self.pending
    }
    /// The first `cost` of the pending work is done now.
    pub fn finished(&mut self, cost: f64) {
        let seconds = self.since.elapsed().as_secs_f64();
        if cost > 0.0 && seconds > LEAST_MEASURED {
            // The host may have dawdled before it waited, so a low figure counts more than a high one.
            let measured = seconds / cost;
            self.seconds_per_cost = if measured < self.seconds_per_cost { measured } else { 0.5 * (self.seconds_per_cost + measured) };
        }
        self.pending = (self.pending - cost).max(0.0);
        self.since = Instant::now();
    }
}
