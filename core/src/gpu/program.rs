//! Programs: dispatches with prebuilt bind groups, cut into submissions below 100 ms by what earlier ones took.
//!
//! Operating systems kill a submission that runs for a second or two; a page should stay responsive meanwhile.

use std::collections::HashMap;
use std::rc::Rc;

use web_time::Instant;

use super::memory::Scratch;
use crate::ops::Op;

/// What one submission should take, in seconds: work of another mix than the measured one may take half as long again.
const TARGET_SECONDS: f64 = 0.06;
/// Shorter waits say more about latency than about throughput, in seconds.
const LEAST_MEASURED: f64 = 0.005;

/// One dispatch.
pub struct Dispatch {
    /// What runs.
    pub pipeline: wgpu::ComputePipeline,
    /// Its buffers.
    pub bind_group: wgpu::BindGroup,
    /// Where its arguments begin, in bytes.
    pub args: u32,
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
    /// The step's parameters, and the arguments of all dispatches.
    pub(super) numbers: wgpu::BindGroup,
    /// Ops that work where the step says.
    pub(super) open: Vec<Op>,
    /// Keeps the scratch memory its bind groups refer to counted as allocated.
    pub(super) _scratch: Option<Rc<Scratch>>,
}

/// The arguments of a program's dispatches, each block where a uniform may begin; equal ones once.
#[derive(Default)]
pub struct Args {
    words: Vec<u32>,
    known: HashMap<Vec<u32>, u32>,
}

impl Args {
    /// A block in words: where WebGPU's default limits let a uniform begin, and more than any shader asks for.
    const BLOCK: usize = 64;
    /// A block in bytes.
    pub const BLOCK_BYTES: u64 = 4 * Self::BLOCK as u64;

    /// Where these words stand, in bytes.
    pub fn place(&mut self, words: Vec<u32>) -> u32 {
        debug_assert!(words.len() <= Self::BLOCK, "{} arguments", words.len());
        *self.known.entry(words).or_insert_with_key(|words| {
            let at = self.words.len();
            self.words.extend(words);
            self.words.resize(at + Self::BLOCK, 0);
            4 * at as u32
        })
    }
    /// All blocks, at least one.
    pub fn words(mut self) -> Vec<u32> {
        let len = self.words.len().max(Self::BLOCK);
        self.words.resize(len, 0);
        self.words
    }
}

/// Seconds per unit of work on this device, learned from waits.
pub struct Pace {
    seconds_per_cost: f64,
    pending: f64,
    since: Instant,
}

impl Pace {
    /// A cautious first guess, of the slowest phone or of one core: it only makes the first submissions shorter.
    pub fn new(software: bool) -> Self {
        Self { seconds_per_cost: if software { 2e-9 } else { 2e-10 }, pending: 0.0, since: Instant::now() }
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
        self.learn(cost, self.since.elapsed().as_secs_f64());
        self.pending = (self.pending - cost).max(0.0);
        self.since = Instant::now();
    }
    /// `cost` took at most `seconds`. A short wait is mostly latency, so it can only show that the device is faster.
    fn learn(&mut self, cost: f64, seconds: f64) {
        let measured = seconds / cost;
        if cost > 0.0 && (seconds > LEAST_MEASURED || measured < self.seconds_per_cost) {
            self.seconds_per_cost = measured;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step's dispatches, each three times as dear as the one before, over and over: submissions and the seconds of the longest.
    fn step(pace: &mut Pace, seconds_per_cost: f64, whole: f64) -> (usize, f64) {
        let costs: Vec<f64> = (0..180).map(|i| f64::from(3u32.pow(i % 5))).collect();
        let unit = whole / costs.iter().sum::<f64>();
        let (mut rest, mut submissions, mut longest) = (&costs[..], 0, 0.0f64);
        while !rest.is_empty() {
            let (count, cost) = pace.portion(rest.iter().map(|c| c * unit));
            rest = &rest[count..];
            submissions += 1;
            longest = longest.max(cost * seconds_per_cost);
        }
        pace.learn(whole, whole * seconds_per_cost + 5e-4);
        (submissions, longest)
    }

    #[test]
    fn submissions_grow_to_the_speed_of_the_device_within_three_steps_and_stay_below_100_ms() {
        // ResNet-20's step at a batch of 128, dense, is about 1.6e10; the devices: a large GPU, a small one, a phone, two cores.
        for (software, seconds_per_cost) in [(false, 1e-13), (false, 1e-12), (false, 1e-11), (false, 1e-10), (true, 3e-10), (true, 1e-9)] {
            let mut pace = Pace::new(software);
            let steps: Vec<_> = (0..4).map(|_| step(&mut pace, seconds_per_cost, 1.6e10)).collect();
            let whole = 1.6e10 * seconds_per_cost;
            let dearest = 81.0 / 121.0 * 5.0 * whole / 180.0;
            assert!(steps.iter().all(|(_, longest)| *longest <= f64::max(0.1, 1.001 * dearest)), "{seconds_per_cost}: {steps:?}");
            // Twice as many as the target asks for, since a dispatch is not divided.
            let most = 1 + (2.0 * whole / TARGET_SECONDS) as usize;
            assert!(steps[3].0 <= most.min(180), "{seconds_per_cost}: {steps:?}, at most {most}");
        }
    }

    #[test]
    fn long_programs_are_cut_by_what_a_wait_took() {
        let mut pace = Pace::new(true);
        let second = 1.0 / 2e-9; // by the first guess
        assert_eq!(pace.portion([0.03, 0.02, 0.03, 0.01].map(|s| s * second).into_iter()).0, 2);
        assert_eq!(pace.portion([3.0 * second, second].into_iter()).0, 1, "a single long dispatch still runs");
        pace.submitted(second);
        std::thread::sleep(std::time::Duration::from_millis(10)); // what should take a second took 10 ms
        pace.finished(pace.pending());
        assert!(pace.portion([1.0; 5].map(|s| s * second).into_iter()).0 > 1);
        assert_eq!(pace.pending(), 0.0);
    }

    #[test]
    fn a_device_that_slows_down_gets_shorter_submissions() {
        let mut pace = Pace::new(false);
        pace.learn(1e9, 0.01);
        assert_eq!(pace.portion(std::iter::repeat_n(9e7, 1000)).0, 66);
        pace.learn(1e9, 0.1);
        assert_eq!(pace.portion(std::iter::repeat_n(9e7, 1000)).0, 6);
        pace.learn(1e6, 0.004);
        assert_eq!(pace.portion(std::iter::repeat_n(9e7, 1000)).0, 6, "latency");
    }
}
