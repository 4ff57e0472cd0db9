//! The buffers of a batch, shared by all programs of a session: what goes in, and what a pass leaves of every sample.

use crate::data::batch::HostBatch;
use crate::data::{Dataset, Images};
use crate::device::Device;
use crate::error::Result;
use crate::ops::{BufferId, Dtype, SAMPLE_WORDS, StepParams, TOTAL_WORDS};

/// Batches that are queued before a GPU is waited for, so that an evaluation keeps to its slice.
const QUEUED: usize = 4;

/// The buffers of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Io {
    /// Packed bytes of the images, u32.
    pub bytes: BufferId,
    /// Augmentation, f32 `[n][8]`.
    pub augmentation: BufferId,
    /// Pixels in 0..=1, f32 `[c][h][w][n]`. Where given, they are the input, and bytes and augmentation are not read.
    pub pixels: Option<BufferId>,
    /// Labels, u32 `[n]`.
    pub labels: BufferId,
    /// Per-sample records.
    pub samples: BufferId,
    /// Totals.
    pub totals: BufferId,
}

/// What one sample's evaluation gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleRecord {
    /// Cross-entropy.
    pub loss: f32,
    /// Squared norm of softmax minus one-hot.
    pub el2n: f32,
    /// Softmax probability of the true class.
    pub true_probability: f32,
    /// The answer.
    pub predicted: u16,
}

impl Io {
    /// Allocates them for batches of `n` images (a multiple of 4); `samples` is the largest number of samples that are evaluated in
    /// one pass over a file.
    ///
    /// # Errors
    /// What [`Device::alloc`] says.
    pub fn new(device: &mut Device, (c, h, w): (usize, usize, usize), n: usize, samples: usize) -> Result<Self> {
        Ok(Self {
            bytes: device.alloc("batch bytes", n * (c * h * w).div_ceil(4), Dtype::U32)?,
            augmentation: device.alloc("augmentation", n * 8, Dtype::F32)?,
            pixels: None,
            labels: device.alloc("labels", n, Dtype::U32)?,
            samples: device.alloc("sample records", samples.max(n) * SAMPLE_WORDS + n * SAMPLE_WORDS, Dtype::F32)?,
            totals: device.alloc("totals", TOTAL_WORDS, Dtype::F32)?,
        })
    }
    /// Gives them back.
    pub fn free(self, device: &mut Device) {
        for buffer in [self.bytes, self.augmentation, self.labels, self.samples, self.totals].into_iter().chain(self.pixels) {
            device.free(buffer);
        }
    }
    /// Writes a batch.
    ///
    /// # Errors
    /// `Shape` where it is larger than these buffers.
    pub fn upload(&self, device: &mut Device, batch: &HostBatch) -> Result<()> {
        device.write_u32(self.bytes, 0, &batch.words)?;
        device.write_f32(self.augmentation, 0, &batch.params)?;
        device.write_u32(self.labels, 0, &batch.labels)
    }
    /// The records of the first `count` samples of the latest evaluation.
    ///
    /// # Errors
    /// What the device says.
    pub async fn records(&self, device: &Device, count: usize) -> Result<Vec<SampleRecord>> {
        let words = device.read_f32(self.samples, 0, count * SAMPLE_WORDS).await?;
        let record = |w: &[f32]| SampleRecord { loss: w[0], el2n: w[1], true_probability: w[2], predicted: w[3] as u16 };
        Ok(words.chunks_exact(SAMPLE_WORDS).map(record).collect())
    }
    /// Hands `samples` of a file to `pass`, batch by batch from `at` on, for about `budget_ms` but at least one batch; records stand in
    /// the order of the samples. Returns where it stopped.
    ///
    /// # Errors
    /// What `pass` and the device say.
    pub async fn each_batch(
        &self,
        device: &mut Device,
        batch: &mut HostBatch,
        (data, images): (&Dataset, &Images),
        (samples, lanes, a_pass): (&[u32], usize, usize),
        (mut at, budget_ms): (usize, f64),
        mut pass: impl FnMut(&mut Device, &StepParams, &[u32]) -> Result<()>,
    ) -> Result<usize> {
        let start = web_time::Instant::now();
        let mut queued = 0;
        while at < samples.len() {
            let end = (at + a_pass).min(samples.len());
            batch.fill(data, images, &samples[at..end], lanes, None)?;
            self.upload(device, batch)?;
            let step = StepParams { n_valid: (end - at) as u32, sample_offset: at as u32, ..StepParams::default() };
            pass(device, &step, &samples[at..end])?;
            at = end;
            queued += 1;
            // A GPU only queues: wait now and then, to keep to the slice.
            if queued % QUEUED == 0 {
                device.sync().await?;
            }
            if start.elapsed().as_secs_f64() * 1e3 > budget_ms {
                break;
            }
        }
        device.sync().await?;
        Ok(at)
    }
}
