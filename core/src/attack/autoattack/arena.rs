//! AutoAttack's buffers and programs for one network, and a batch's way through one part.

use super::{Attack, AutoAttackConfig, Broken};
use crate::attack::AttackIo;
use crate::attack::Norm;
use crate::data::batch::HostBatch;
use crate::data::{Dataset, Images};
use crate::device::{Device, Program};
use crate::error::{Error, Result};
use crate::net::Io;
use crate::net::Net;
use crate::net::scratch::Scratch;
use crate::net::tape::{Mode, Tape};
use crate::ops::autoattack::*;
use crate::ops::{Add, Augment, BufferId, Dtype, Fill, LaneNorm, Op, ProjectL2, Shape, StepLinf, StepParams, padded_batch};

/// Passes after which the host waits for the device, so that no long queue builds up.
const WAIT: u32 = 64;

/// Difference of logits between two passes on one image above which a network is taken to be random, as the authors do.
const RANDOM: f32 = 1e-4;

/// The buffers beside those of every attack.
#[derive(Clone, Copy)]
pub(super) struct Buffers {
    pub old: BufferId,
    pub best: BufferId,
    pub best_grad: BufferId,
    pub adv: BufferId,
    pub values: BufferId,
    pub lanes: BufferId,
    pub control: BufferId,
    pub targets: BufferId,
    pub logits: BufferId,
    pub proposal: BufferId,
    pub pyramids: BufferId,
}

impl Buffers {
    fn new(device: &mut Device, shape: Shape, classes: usize) -> Result<Self> {
        let mut held = Vec::new();
        let buffers = Self::held(device, shape, classes, &mut held);
        if buffers.is_err() {
            held.into_iter().for_each(|buffer| device.free(buffer));
        }
        buffers
    }
    /// The same; what was allocated stands in `held` too.
    fn held(device: &mut Device, shape: Shape, classes: usize, held: &mut Vec<BufferId>) -> Result<Self> {
        let n = shape.n;
        let mut keep = |label: &str, words, dtype| -> Result<BufferId> {
            let buffer = device.alloc(label, words, dtype)?;
            held.push(buffer);
            Ok(buffer)
        };
        let targets = keep("targets", n, Dtype::U32)?;
        let mut floats = |label: &str, words| keep(label, words, Dtype::F32);
        Ok(Self {
            old: floats("last pixels", shape.len())?,
            best: floats("best pixels", shape.len())?,
            best_grad: floats("best gradient", shape.len())?,
            adv: floats("pixels that fool", shape.len())?,
            values: floats("losses", VALUE_ROWS * n)?,
            lanes: floats("lane state", APGD_ROWS * n)?,
            control: floats("control", APGD_CONTROL)?,
            logits: floats("logits", classes * n)?,
            proposal: floats("proposal", SQUARE_WORDS * n)?,
            pyramids: floats("pyramids", shape.h * shape.w)?,
            targets,
        })
    }
    fn all(self) -> [BufferId; 11] {
        let Self { old, best, best_grad, adv, values, lanes, control, targets, logits, proposal, pyramids } = self;
        [old, best, best_grad, adv, values, lanes, control, targets, logits, proposal, pyramids]
    }
}

/// The programs.
pub(super) struct Programs {
    /// Clean pixels into every image.
    decode: Program,
    /// `x += clean`, then onto the ball: a start from a perturbation that was written to `x`.
    start: Program,
    /// Logits, margins and answers at `x`.
    margin: Program,
    /// Gradient, keep, step, of both losses.
    pub apgd: [Program; 2],
    /// Gradient of the difference of logits, move.
    pub fab_move: Program,
    /// Answers at `x`, keep.
    pub fab_keep: Program,
    /// Margins at `x`, keep, next proposal.
    pub square: Program,
}

/// Fewest lanes that are planned for: below, a pass takes hardly less.
const FEWEST: usize = 8;

/// AutoAttack on a device, for one network, norm and radius: a plan for full batches, and smaller ones for the few samples that the last parts
/// find standing, each made when it is first asked for.
pub struct Arena<'a> {
    net: &'a Net,
    scratch: &'a mut Scratch,
    batch: Io,
    /// The ball that projections use, a little smaller than what is asked for.
    ball: Ball,
    courts: Vec<Court>,
}

impl<'a> Arena<'a> {
    /// For attacks on a network whose batch buffers are `batch`. It must be made again after a topology update.
    ///
    /// # Errors
    /// `Config` for ranges, and for more than four channels; what the device says.
    pub fn new(device: &mut Device, scratch: &'a mut Scratch, net: &'a Net, batch: Io, config: &AutoAttackConfig) -> Result<Self> {
        config.check()?;
        let shape = net.graph.nodes[0].shape;
        if shape.c > 4 {
            return Err(Error::config(format!("attacks take images of at most 4 channels, found {}", shape.c)));
        }
        let l2 = config.norm == Norm::L2;
        // Norms on a device are sums in float32: worth another few millionths of the radius.
        let eps = config.norm.safe_radius(config.eps, shape.c * shape.h * shape.w) * if l2 { 1.0 - 3e-6 } else { 1.0 };
        let mut arena = Self { net, scratch, batch, ball: Ball { l2, eps }, courts: Vec::new() };
        arena.court(device, net.n)?;
        Ok(arena)
    }

    /// Most samples of a batch.
    pub fn lanes(&self) -> usize {
        self.net.n
    }

    /// The plan for so many samples.
    pub(super) fn court(&mut self, device: &mut Device, samples: usize) -> Result<&Court> {
        let lanes = fitting(self.lanes(), samples);
        let place = match self.courts.iter().position(|court| court.lanes() == lanes) {
            Some(place) => place,
            None => match Court::new(device, self.scratch, self.net, lanes, (self.batch, self.ball)) {
                Ok(court) => {
                    self.courts.push(court);
                    self.courts.len() - 1
                }
                // A smaller plan only saves time: where there is no room for it a larger one does.
                Err(why) => {
                    let larger = (0..self.courts.len()).filter(|&i| self.courts[i].lanes() >= samples);
                    larger.min_by_key(|&i| self.courts[i].lanes()).ok_or(why)?
                }
            },
        };
        Ok(&self.courts[place])
    }

    /// Gives its buffers back.
    pub fn free(self, device: &mut Device) {
        for court in self.courts {
            court.free(device);
        }
    }
}

/// Lanes of the smallest plan that holds so many samples: `most`, or a half of it, and so on.
fn fitting(most: usize, samples: usize) -> usize {
    let halves = std::iter::successors(Some(most), |&lanes| Some(padded_batch(lanes / 2)).filter(|&half| half >= FEWEST && half < lanes));
    halves.take_while(|&lanes| lanes >= samples).last().unwrap_or(most)
}

/// The buffers and programs for batches of so many lanes.
pub(super) struct Court {
    pub shape: Shape,
    pub classes: usize,
    pub ball: Ball,
    batch: Io,
    io: AttackIo,
    pub buffers: Buffers,
    pub programs: Programs,
}

impl Court {
    fn new(device: &mut Device, scratch: &mut Scratch, net: &Net, lanes: usize, (batch, ball): (Io, Ball)) -> Result<Self> {
        let (shape, classes) = (Shape { n: lanes, ..net.graph.nodes[0].shape }, net.graph.classes);
        let io = AttackIo::new(device, shape)?;
        let buffers = match Buffers::new(device, shape, classes) {
            Ok(buffers) => buffers,
            Err(why) => {
                io.free(device);
                return Err(why);
            }
        };
        match (Writer { shape, classes, ball, batch, io, buffers }).programs(device, scratch, net) {
            Ok(programs) => Ok(Self { shape, classes, ball, batch, io, buffers, programs }),
            Err(why) => {
                io.free(device);
                buffers.all().into_iter().for_each(|buffer| device.free(buffer));
                Err(why)
            }
        }
    }

    fn free(self, device: &mut Device) {
        self.io.free(device);
        self.buffers.all().into_iter().for_each(|buffer| device.free(buffer));
    }

    /// Most samples of a batch.
    pub fn lanes(&self) -> usize {
        self.shape.n
    }

    /// Puts samples into the batch buffers and aims targeted parts at the class of this rank.
    pub async fn begin<'a>(
        &'a self,
        device: &mut Device,
        config: &'a AutoAttackConfig,
        (part, rank): (Attack, usize),
        (data, images): (&Dataset, &Images),
        samples: &'a [u32],
    ) -> Result<Run<'a>> {
        let step = self.upload(device, data, images, samples)?;
        if matches!(part, Attack::ApgdT | Attack::FabT) {
            self.aim(device, images, samples, rank, &step).await?;
        }
        Ok(Run { court: self, config, samples, step })
    }

    /// The clean images.
    pub fn clean(&self) -> BufferId {
        self.io.clean.buffer()
    }

    /// Puts samples into the batch buffers and their pixels into every image.
    fn upload(&self, device: &mut Device, data: &Dataset, images: &Images, samples: &[u32]) -> Result<StepParams> {
        let mut batch = HostBatch::default();
        batch.fill(data, images, samples, self.lanes(), None)?;
        self.batch.upload(device, &batch)?;
        device.write_u32(self.buffers.targets, 0, &vec![0; self.lanes()])?;
        let step = StepParams { n_valid: samples.len() as u32, ..StepParams::default() };
        device.run(&self.programs.decode, &step)?;
        Ok(step)
    }

    /// Writes each sample's target: of the classes but its label, the one at this rank of the clean logits, the largest first.
    async fn aim(&self, device: &mut Device, images: &Images, samples: &[u32], rank: usize, step: &StepParams) -> Result<()> {
        device.run(&self.programs.margin, step)?;
        let (n, classes) = (self.lanes(), self.classes);
        let logits = device.read_f32(self.buffers.logits, 0, classes * n).await?;
        let mut targets = vec![0; n];
        for (lane, &sample) in samples.iter().enumerate() {
            let label = images.labels.get(sample as usize).map_or(0, |label| usize::from(*label));
            let mut others: Vec<usize> = (0..classes).filter(|class| *class != label).collect();
            others.sort_by(|a, b| logits[b * n + lane].total_cmp(&logits[a * n + lane]));
            targets[lane] = others.get(rank).map_or(0, |class| *class as u32);
        }
        device.write_u32(self.buffers.targets, 0, &targets)
    }

    /// The authors' checks on a batch of clean images: a network that answers differently each time, and gradients that vanish.
    pub async fn doubts(&self, device: &mut Device, data: &Dataset, images: &Images, samples: &[u32]) -> Result<Vec<String>> {
        let step = self.upload(device, data, images, samples)?;
        let (n, words) = (self.lanes(), self.classes * self.lanes());
        let mut passes = Vec::new();
        for _ in 0..2 {
            device.run(&self.programs.margin, &step)?;
            passes.push(device.read_f32(self.buffers.logits, 0, words).await?);
        }
        let mut doubts = Vec::new();
        let most = passes[0].iter().zip(&passes[1]).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
        if most > RANDOM {
            doubts.push(format!(
                "two passes on the same images differ by {most} in a logit: the standard version is not made for random networks"
            ));
        }
        device.write_f32(self.buffers.control, 0, &[1.0, 0.0, 1.0, 0.0])?;
        device.run(&self.programs.apgd[0], &step)?;
        let gradient = device.read_f32(self.io.grad, 0, self.shape.len()).await?;
        let vanished = (0..samples.len()).filter(|lane| gradient.iter().skip(*lane).step_by(n).all(|g| *g == 0.0)).count();
        if vanished > 0 {
            doubts.push(format!(
                "the gradient of the cross-entropy is zero on {vanished} of {} clean images: attacks by gradient may overrate this network",
                samples.len()
            ));
        }
        Ok(doubts)
    }
}

/// A batch in one part.
pub(super) struct Run<'a> {
    pub court: &'a Court,
    pub config: &'a AutoAttackConfig,
    pub samples: &'a [u32],
    pub step: StepParams,
}

impl Run<'_> {
    /// Moves `x` to the clean image plus what `fill(lane, sample, perturbation of the lane)` writes, on the ball.
    pub fn start(&self, device: &mut Device, fill: impl Fn(u32, &mut [f32])) -> Result<()> {
        let shape = self.court.shape;
        let mut values = vec![0.0; shape.len()];
        let mut lane_values = vec![0.0; shape.len() / shape.n.max(1)];
        for (lane, &sample) in self.samples.iter().enumerate() {
            lane_values.fill(0.0);
            fill(sample, &mut lane_values);
            values.iter_mut().skip(lane).step_by(shape.n).zip(&lane_values).for_each(|(to, from)| *to = *from);
        }
        device.write_f32(self.court.io.adversarial.buffer(), 0, &values)?;
        device.run(&self.court.programs.start, &self.step)
    }
    /// Which lanes an answer breaks: those whose image is in the ball and in the box, and is classified wrong.
    pub async fn verify(&self, device: &mut Device, part: Attack, answer: BufferId) -> Result<Vec<Broken>> {
        let Self { court, config, samples, step } = *self;
        let (n, len) = (court.lanes(), court.shape.len());
        let clean = device.read_f32(court.io.clean.buffer(), 0, len).await?;
        let mut pixels = device.read_f32(answer, 0, len).await?;
        let image = |pixels: &[f32], lane: usize| -> Vec<f32> { pixels.iter().skip(lane).step_by(n).copied().collect() };
        for lane in 0..n {
            let (before, after) = (image(&clean, lane), image(&pixels, lane));
            let inside = config.norm.length(&before, &after) <= f64::from(config.eps) && after.iter().all(|v| (0.0..=1.0).contains(v));
            if !inside {
                pixels.iter_mut().skip(lane).step_by(n).zip(before).for_each(|(to, from)| *to = from);
            }
        }
        court.io.adversarial.upload(device, &pixels)?;
        device.run(&court.programs.margin, &step)?;
        device.sync().await?;
        let values = device.read_f32(court.buffers.values, 0, VALUE_ROWS * n).await?;
        let broken = samples.iter().enumerate().filter(|(lane, _)| values[n + lane] != 0.0);
        Ok(broken.map(|(lane, &sample)| Broken { sample, part, image: image(&pixels, lane) }).collect())
    }
    /// Runs a program; waits for the device now and then.
    pub async fn pass(&self, device: &mut Device, program: &Program, number: u32) -> Result<()> {
        device.run(program, &self.step)?;
        if number % WAIT == WAIT - 1 {
            device.sync().await?;
        }
        Ok(())
    }
}

/// Scales a perturbation to the length `eps` in a norm.
pub(super) fn scale_to(ball: Ball, values: &mut [f32]) {
    let length = match ball.l2 {
        true => libm::sqrt(values.iter().map(|v| f64::from(*v) * f64::from(*v)).sum()),
        false => values.iter().fold(0.0, |m: f64, v| m.max(f64::from(v.abs()))),
    };
    let scale = f64::from(ball.eps) / length.max(1e-12);
    values.iter_mut().for_each(|v| *v = (f64::from(*v) * scale) as f32);
}

/// Writes the programs.
struct Writer {
    shape: Shape,
    classes: usize,
    ball: Ball,
    batch: Io,
    io: AttackIo,
    buffers: Buffers,
}

impl Writer {
    fn programs(&self, device: &mut Device, scratch: &mut Scratch, net: &Net) -> Result<Programs> {
        let Self { shape, ball, batch, io, .. } = *self;
        let Buffers { old, best, best_grad, adv, values, lanes, control, logits, proposal, pyramids, .. } = self.buffers;
        let (clean, x, grad) = (io.clean.buffer(), io.adversarial.buffer(), io.grad);
        let l2 = ball.l2;
        let decode: Vec<Op> = [clean, x, old, best, adv]
            .map(|out| Op::Augment(Augment { shape, bytes: batch.bytes, augmentation: batch.augmentation, out }))
            .into();
        let mut start = vec![Op::Add(Add { len: shape.len(), x: clean, y: x })];
        if l2 {
            start.push(Op::LaneNorm(LaneNorm { shape, x, minus: Some(clean), norms: io.norms }));
            start.push(Op::ProjectL2(ProjectL2 { shape, x, clean, norms: io.norms, eps: ball.eps }));
        } else {
            start.push(Op::StepLinf(StepLinf { shape, x, clean, grad, step: 0.0, eps: ball.eps }));
        }
        let apgd_keep = Op::ApgdKeep(ApgdKeep { shape, values, control, x, grad, best, best_grad, adv, lanes });
        let apgd_step = Op::ApgdStep(ApgdStep { shape, ball, clean, grad, lanes, control, x, old });
        let fab_step = Op::FabStep(FabStep { shape, l2, clean, grad, values, x });
        let fab_keep = Op::FabKeep(FabKeep { shape, l2, clean, values, x, adv, lanes });
        let square_keep = Op::SquareKeep(SquareKeep { shape, x, values, best, lanes });
        let square_step = Op::SquareStep(SquareStep { shape, ball, clean, best, proposal, pyramids, x });
        let words = self.classes * shape.n;
        let mut on_pixels = |label: &str, kind, gradient: bool, then: &[Op], keep_logits: bool| {
            net.on_pixels(device, scratch, label, (x, shape.n), Mode::Eval, |tape, _| {
                self.loss(tape, kind, gradient)?;
                if keep_logits {
                    let from = tape.logits();
                    tape.push(Op::Fill(Fill { len: words, buffer: logits, value: 0.0 }));
                    tape.push(Op::Add(Add { len: words, x: from, y: logits }));
                }
                then.iter().for_each(|op| tape.push(*op));
                Ok(())
            })
        };
        use LaneLossKind::{CrossEntropy, Difference, DlrTargeted, Margin};
        let margin = on_pixels("margin", Margin, false, &[], true)?;
        let mut apgd = |kind| on_pixels("APGD", kind, true, &[apgd_keep, apgd_step], false);
        let apgd = [apgd(CrossEntropy)?, apgd(DlrTargeted)?];
        let fab_move = on_pixels("FAB, move", Difference, true, &[fab_step], false)?;
        let fab_keep = on_pixels("FAB, keep", Margin, false, &[fab_keep], false)?;
        let square = on_pixels("Square", Margin, false, &[square_keep, square_step], false)?;
        let (decode, start) = (device.compile("decode", &decode)?, device.compile("start", &start)?);
        Ok(Programs { decode, start, margin, apgd, fab_move, fab_keep, square })
    }

    /// The loss of every lane, and with `gradient` what follows from it at the pixels.
    fn loss(&self, tape: &mut Tape, kind: LaneLossKind, gradient: bool) -> Result<()> {
        let (classes, n, logits) = (self.classes, self.shape.n, tape.logits());
        let dlogits = tape.scratch(classes * n);
        let Buffers { values, targets, .. } = self.buffers;
        tape.push(Op::LaneLoss(LaneLoss { kind, classes, n, logits, labels: self.batch.labels, targets, values, dlogits }));
        if gradient {
            tape.start_backward_from(dlogits);
            tape.backward_to_pixels(self.io.grad)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::fitting;

    #[test]
    fn few_samples_take_a_small_plan() {
        let lanes = |most| [1, 8, 9, 16, 17, 50, 65, 128, 1000].map(|samples| fitting(most, samples));
        assert_eq!(lanes(128), [8, 8, 16, 16, 32, 64, 128, 128, 128]);
        assert_eq!(lanes(52), [8, 8, 16, 16, 28, 52, 52, 52, 52]);
        assert_eq!(lanes(12), [8, 8, 12, 12, 12, 12, 12, 12, 12]);
        assert_eq!(lanes(4), [4; 9]);
    }
}
