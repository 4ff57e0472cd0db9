//! A trained network under attack, batch after batch.

use anyhow::{Result, bail};
use sparring_core::attack::{AttackIo, Pgd, PgdConfig, Programs};
use sparring_core::data::Dataset;
use sparring_core::data::batch::HostBatch;
use sparring_core::formats::StateDict;
use sparring_core::layout::nchw_from_chwn;
use sparring_core::net::scratch::Scratch;
use sparring_core::net::{Graph, Io, Net, NetConfig};
use sparring_core::ops::{OptimizerName, Shape, StepParams, padded_batch};
use sparring_core::{Device, ops};
use sparring_figures::number;

use crate::console::{Console, Stopped, stopping};
use crate::import::placements;

/// What became of one sample.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempt {
    /// Its index in the test file.
    pub sample: u32,
    /// The answer to the clean image, and whether it is right.
    pub clean: (u16, bool),
    /// The answer to the adversarial image that was kept.
    pub attacked: u16,
    /// Right before, and after every restart.
    pub robust: bool,
    /// Taken for the target after a restart.
    pub hit: bool,
}

impl Attempt {
    /// Whether the attack has what it wants: the target's answer, else any wrong one.
    fn broken(&self, target: Option<u32>) -> bool {
        if target.is_some() { self.hit } else { !self.robust }
    }
}

/// What an attack came to.
#[derive(Default)]
pub struct Attacked {
    pub attempts: Vec<Attempt>,
    /// `[sample][c][h][w]`, where it was asked for: the image that broke the sample, else that of the last restart.
    pub adversarial: Vec<f32>,
}

impl Attacked {
    pub fn clean(&self) -> usize {
        self.attempts.iter().filter(|o| o.clean.1).count()
    }
    pub fn robust(&self) -> usize {
        self.attempts.iter().filter(|o| o.robust).count()
    }
    pub fn hits(&self) -> usize {
        self.attempts.iter().filter(|o| o.hit).count()
    }
}

/// The network, planned with an attack.
pub struct Victim<'a> {
    device: &'a mut Device,
    io: Io,
    attack: AttackIo,
    net: Net,
    programs: Programs,
    pgd: Pgd,
    batch: HostBatch,
}

impl<'a> Victim<'a> {
    pub fn new(device: &'a mut Device, graph: Graph, state: &StateDict, data: &Dataset, batch: usize, config: PgdConfig) -> Result<Self> {
        let (c, h, w) = data.extent;
        let n = padded_batch(batch);
        let io = Io::new(device, data.extent, n, n)?;
        let attack = AttackIo::new(device, Shape { c, h, w, n })?;
        let placements = placements(&graph, state);
        let (scratch, training) = (&mut Scratch::default(), OptimizerName::Sgd.into());
        let net = Net::plan(device, scratch, io, state, NetConfig { graph, n, placements, training })?;
        let programs = Programs::new(device, scratch, &net, &attack)?;
        let pgd = Pgd::new(device, &io, attack, config)?;
        Ok(Self { device, io, attack, net, programs, pgd, batch: HostBatch::default() })
    }

    /// Attacks these test images. `how`: seed, restarts, target class, of which none of them is.
    pub async fn attack(
        &mut self,
        console: Console,
        data: &Dataset,
        samples: &[u32],
        how: (u64, u32, Option<u32>),
        keep: bool,
    ) -> Result<Attacked> {
        let mut all = Attacked::default();
        let count = samples.len();
        let mut said = std::time::Instant::now();
        for part in samples.chunks(self.net.n) {
            if stopping() {
                bail!(Stopped("stopped; an attack leaves nothing half-done".into()));
            }
            self.attack_batch(data, part, how, keep, &mut all).await?;
            if said.elapsed().as_secs_f64() > 5.0 && all.attempts.len() < count {
                said = std::time::Instant::now();
                let done = all.attempts.len();
                let share = |n: usize| number::percent(n as f64 / done as f64, 2);
                let (word, n) = if how.2.is_some() { ("targeted success", all.hits()) } else { ("robust", all.robust()) };
                console.say(format_args!("{done:>6} of {count}  clean {}  {word} {}", share(all.clean()), share(n)));
            }
        }
        Ok(all)
    }

    async fn attack_batch(
        &mut self,
        data: &Dataset,
        samples: &[u32],
        (seed, restarts, target): (u64, u32, Option<u32>),
        keep: bool,
        all: &mut Attacked,
    ) -> Result<()> {
        let Self { device, io, attack, net, programs, pgd, batch } = self;
        let ops::Shape { c, h, w, n } = attack.shape;
        batch.fill(data, &data.test, samples, n, None)?;
        io.upload(device, batch)?;
        let step = StepParams { n_valid: samples.len() as u32, ..StepParams::default() };
        net.eval_step(device, &step)?;
        let labels: Vec<u16> = samples.iter().map(|&i| data.test.labels[i as usize]).collect();
        let clean = answers(device, io, samples.len()).await?;
        let mut attempts: Vec<Attempt> = clean
            .iter()
            .zip(&labels)
            .zip(samples)
            .map(|((&answer, &label), &sample)| {
                let right = answer == label;
                Attempt { sample, clean: (answer, right), attacked: answer, robust: right, hit: false }
            })
            .collect();
        let size = c * h * w;
        let mut images = vec![0.0; if keep { samples.len() * size } else { 0 }];
        for restart in 0..restarts {
            pgd.decode(device, &step)?;
            if let Some(target) = target {
                device.write_u32(io.labels, 0, &vec![target; n])?;
            }
            pgd.attack(device, programs.gradient(), &step, samples, (seed, u64::from(restart)))?;
            device.run(programs.evaluate(), &step)?;
            let answers = answers(device, io, samples.len()).await?;
            let pixels = match keep {
                true => nchw_from_chwn(&device.read_f32(attack.adversarial.buffer(), 0, size * n).await?, n, c, h * w)?,
                false => Vec::new(),
            };
            for (lane, (attempt, &answer)) in attempts.iter_mut().zip(&answers).enumerate() {
                // What is broken already keeps the image that broke it.
                if restart > 0 && attempt.broken(target) {
                    continue;
                }
                attempt.attacked = answer;
                attempt.robust &= answer == labels[lane];
                attempt.hit |= target.is_some_and(|target| u32::from(answer) == target);
                if keep {
                    images[lane * size..][..size].copy_from_slice(&pixels[lane * size..][..size]);
                }
            }
            if attempts.iter().all(|attempt| attempt.broken(target)) {
                break;
            }
        }
        all.attempts.extend(attempts);
        all.adversarial.extend(images);
        Ok(())
    }
}

async fn answers(device: &Device, io: &Io, count: usize) -> Result<Vec<u16>> {
    Ok(io.records(device, count).await?.iter().map(|record| record.predicted).collect())
}
