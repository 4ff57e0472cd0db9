//! Dense gradients, for the few steps in which a method asks for them.
//!
//! Growth by gradient, SNIP and GraSP need gradients at weights that do not exist. They are computed in slices, so that what
//! the dense tensors of a whole network would take never has to fit the device at once.

use super::{Lists, Net, compile};
use crate::device::{Device, Program};
use crate::error::{ErrorKind, Result};
use crate::net::scratch::Scratch;
use crate::net::tape::{Mode, Sink, Target};
use crate::ops::{BufferId, Dtype, Op, SAMPLE_WORDS, StepParams, TOTAL_WORDS};

/// Words of dense gradient that are held on the device at once, 64 MiB: one pass for a ResNet18, two for a ResNet50.
const SLICE_WORDS: usize = 16 << 20;

impl Net {
    /// The dense gradients of these weight tensors on the batch in the io buffers, in train mode, without moving anything.
    /// Their buffers exist only during this call, and no more of them at once than fit a slice.
    ///
    /// # Errors
    /// `Limit` or `OutOfMemory` where not even one tensor's fits the device.
    pub async fn dense_gradients(
        &self,
        device: &mut Device,
        scratch: &mut Scratch,
        which: &[usize],
        step: &StepParams,
    ) -> Result<Vec<Vec<f32>>> {
        self.gradients_in_slices(device, scratch, which, step, SLICE_WORDS).await
    }

    async fn gradients_in_slices(
        &self,
        device: &mut Device,
        scratch: &mut Scratch,
        which: &[usize],
        step: &StepParams,
        mut slice_words: usize,
    ) -> Result<Vec<Vec<f32>>> {
        let mut out = Vec::with_capacity(which.len());
        while out.len() < which.len() {
            let rest = &which[out.len()..];
            let slice = &rest[..self.slice_len(rest, slice_words)];
            match self.gradient_slice(device, scratch, slice, step).await {
                Ok(gradients) => out.extend(gradients),
                Err(error) if slice.len() > 1 && matches!(error.kind(), ErrorKind::Limit { .. } | ErrorKind::OutOfMemory(_)) => {
                    slice_words /= 2;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(out)
    }

    /// The logits in eval mode, `[classes][lanes]`, of the batch in the io buffers; and the number of lanes.
    ///
    /// # Errors
    /// What the device says.
    pub async fn logits(&self, device: &mut Device, scratch: &mut Scratch, step: &StepParams) -> Result<(Vec<f32>, usize)> {
        let words = self.graph.classes * self.n;
        let out = device.alloc("logits", words, Dtype::F32)?;
        let result = async {
            let program = self.logits_program(device, scratch, (self.io, self.n), out)?;
            device.run(&program, step)?;
            device.read_f32(out, 0, words).await
        }
        .await;
        device.free(out);
        Ok((result?, self.n))
    }

    /// How many of these tensors, at least one, make up a slice.
    fn slice_len(&self, which: &[usize], slice_words: usize) -> usize {
        let mut words = 0;
        let fits = |i: &&usize| {
            words += self.weights[**i].info.shape.weights();
            words <= slice_words
        };
        which.iter().take_while(fits).count().max(1)
    }

    async fn gradient_slice(
        &self,
        device: &mut Device,
        scratch: &mut Scratch,
        which: &[usize],
        step: &StepParams,
    ) -> Result<Vec<Vec<f32>>> {
        let buffers = self.gradient_buffers(device, which)?;
        let result = async {
            let program = self.gradient_program(device, scratch, &buffers)?;
            device.run(&program, &StepParams { sample_offset: 0, ..*step })?;
            let mut out = Vec::new();
            for &i in which {
                if let Some(buffer) = buffers[i] {
                    out.push(device.read_f32(buffer, 0, self.weights[i].info.shape.weights()).await?);
                }
            }
            Ok(out)
        }
        .await;
        buffers.into_iter().flatten().for_each(|buffer| device.free(buffer));
        result
    }

    /// A buffer of the dense extent for each of these tensors, by index.
    pub(crate) fn gradient_buffers(&self, device: &mut Device, which: &[usize]) -> Result<Vec<Option<BufferId>>> {
        let mut buffers = vec![None; self.weights.len()];
        for &i in which {
            match device.alloc("dense gradient", self.weights[i].info.shape.weights(), Dtype::F32) {
                Ok(buffer) => buffers[i] = Some(buffer),
                Err(error) => {
                    buffers.into_iter().flatten().for_each(|buffer| device.free(buffer));
                    return Err(error);
                }
            }
        }
        Ok(buffers)
    }

    /// Forward and backward on the batch in the io buffers, in train mode, without moving anything: the dense gradients go to
    /// `buffers` (one a weight tensor, where wanted), the others nowhere.
    pub(crate) fn gradient_program(&self, device: &mut Device, scratch: &mut Scratch, buffers: &[Option<BufferId>]) -> Result<Program> {
        let lists = Lists::new(&self.weights, &self.biases, &self.affines, &self.running);
        let bound = lists.bound(self.train_io());
        let mut tape = self.tape(&bound, self.n, Mode::Probe);
        tape.forward();
        let samples = tape.scratch(self.n * SAMPLE_WORDS);
        let totals = tape.scratch(TOTAL_WORDS);
        tape.loss(true, samples, totals);
        tape.backward(&mut Probe { buffers })?;
        compile(device, scratch, "dense gradients", tape)
    }
}

/// Dense gradients of some weights; everything else is computed and dropped.
struct Probe<'a> {
    buffers: &'a [Option<BufferId>],
}

impl Sink for Probe<'_> {
    fn dense(&self, index: usize) -> bool {
        self.buffers[index].is_some()
    }
    fn buffer(&mut self, target: Target) -> Option<BufferId> {
        match target {
            Target::Weight(i) => self.buffers[i],
            Target::Bias(_) | Target::Affine(_) => None,
        }
    }
    fn done(&mut self, _: Target, _: BufferId, _: &mut Vec<Op>) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::net::Io;
    use crate::net::NetConfig;
    use crate::net::plan::Placement;
    use crate::net::zoo::golden_net;
    use crate::net::{Graph, init};
    use crate::ops::OptimizerName;
    use crate::sparse::mask;

    #[test]
    fn slices_of_any_size_give_the_same_gradients_and_bound_the_memory() {
        let mut graph = Graph::new((3, 8, 8), 10, [0.5; 4], [0.25; 4]);
        golden_net(&mut graph).unwrap();
        let mut device = Device::cpu();
        let mut scratch = Scratch::default();
        let io = Io::new(&mut device, (3, 8, 8), 4, 4).unwrap();
        device.write_u32(io.bytes, 0, &(0..192).map(|i: u32| i.wrapping_mul(0x9e37_79b9)).collect::<Vec<_>>()).unwrap();
        device.write_f32(io.augmentation, 0, &crate::data::batch::IDENTITY.repeat(4)).unwrap();
        device.write_u32(io.labels, 0, &[1, 4, 7, 0]).unwrap();
        let state = init::initial_state(&graph, 3);
        let places = graph.weights().into_iter().enumerate().map(|(i, w)| Placement::Sparse(mask::initial(3, i, w.shape.weights(), 0.3)));
        let places = places.collect();
        let net = Net::plan(
            &mut device,
            &mut scratch,
            io,
            &state,
            NetConfig { graph, n: 4, placements: places, training: OptimizerName::Sgd.into() },
        )
        .unwrap();
        let step = StepParams { n_valid: 3, ..StepParams::default() };
        let all: Vec<usize> = (0..net.weights.len()).collect();
        let mut at = |words| pollster::block_on(net.gradients_in_slices(&mut device, &mut scratch, &all, &step, words)).unwrap();
        let whole = at(usize::MAX);
        assert!(whole.iter().zip(&net.weights).all(|(g, w)| g.len() == w.info.shape.weights() && g.iter().any(|v| *v != 0.0)));
        for words in [0, 1, 300, 2500] {
            assert_eq!(at(words), whole, "slices of {words} words");
        }
        // 216, 1152, 2304 and 160 weights.
        assert_eq!([0, 300, 1368, 4000].map(|words| net.slice_len(&all, words)), [1, 1, 2, 4]);
    }
}
