//! A session's learners sample by sample: records, gradient norms, and test accuracy by difficulty bin.

use super::evaluation::Images;
use super::{SLICE_MS, Session};
use crate::error::Result;
use crate::net::SampleRecord;
use crate::net::plan::SampleNorms;
use crate::ops::StepParams;

impl Session {
    /// Evaluates a learner on the whole training file, or on the whole test set, sample by sample, without augmentation.
    ///
    /// # Errors
    /// What the device says.
    pub async fn sample_records(&mut self, learner: usize, test: bool) -> Result<Vec<SampleRecord>> {
        let samples = self.file(test);
        let mut at = 0;
        while at < samples.len() {
            at = self.evaluate(learner, &samples, Images { test, seen: false, attacked: false }, at).await?;
        }
        self.work.io.records(&self.work.device, samples.len()).await
    }

    /// Indices of all samples of a file.
    fn file(&self, test: bool) -> Vec<u32> {
        (0..if test { self.data.test.len() } else { self.data.train.len() } as u32).collect()
    }

    /// Plans the gradient norms of a learner's samples; [`Self::end_norms`] gives them back.
    ///
    /// # Errors
    /// What the device says.
    pub fn begin_norms(&mut self, learner: usize) -> Result<SampleNorms> {
        self.learners[learner].net.sample_norms(&mut self.work.device, &mut self.work.scratch)
    }

    /// Adds gradient norms of the samples of a file that `norms` does not have yet, for about a slice; says whether these are all.
    ///
    /// # Errors
    /// What the device says.
    pub async fn norms(&mut self, program: &SampleNorms, learner: usize, test: bool, norms: &mut Vec<f32>) -> Result<bool> {
        let start = web_time::Instant::now();
        let samples = self.file(test);
        while norms.len() < samples.len() && start.elapsed().as_secs_f64() * 1e3 < SLICE_MS {
            let at = norms.len();
            let end = (at + self.config.samples_a_pass()).min(samples.len());
            let images = if test { &self.data.test } else { &self.data.train };
            let work = &mut self.work;
            work.batch.fill(&self.data, images, &samples[at..end], self.learners[learner].net.n, None)?;
            work.io.upload(&mut work.device, &work.batch)?;
            let step = StepParams { n_valid: (end - at) as u32, ..StepParams::default() };
            norms.extend(program.run(&mut work.device, &step).await?);
        }
        Ok(norms.len() == samples.len())
    }

    /// Gives back what [`Self::begin_norms`] took.
    pub fn end_norms(&mut self, program: SampleNorms) {
        program.free(&mut self.work.device);
    }
}
