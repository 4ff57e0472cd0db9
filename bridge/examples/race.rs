//! Dense against SET at a density of 0.2, with Burn's learner and its dashboard, on images made in code. It ends in minutes on two cores.
//!
//! `cargo run --release -p sparring-burn --example race` trains on the CPU; with `--features wgpu`, `-- gpu` trains on Burn's default GPU. `-- short`
//! is one epoch of few images, for tests.
#![allow(clippy::unwrap_used, reason = "an example")]

use std::sync::Arc;
use std::time::Instant;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::constant::ConstantLr;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLoss;
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::{ClassificationOutput, InferenceStep, Learner, SupervisedTraining, TrainOutput, TrainStep};
use sparring_burn::{Dynamics, SparseConv2d, SparseConv2dConfig, SparseLinear, SparseLinearConfig, SparseTraining, SparseTrainingConfig};
use sparring_core::data::builtin::builtin;

const CLASSES: usize = 10;
const BATCH: usize = 50;
const RATE: f64 = 0.05;

/// Convolutions of 32 and 64 channels; at density 1 the very same layers are dense.
#[derive(Module, Debug)]
struct Net {
    convs: Vec<SparseConv2d>,
    norms: Vec<BatchNorm>,
    fc: SparseLinear,
    #[module(skip)]
    training: SparseTraining,
}

impl Net {
    fn new(training: &SparseTraining, device: &Device) -> Self {
        let sizes = [(3, 32, 1), (32, 64, 2), (64, 64, 1), (64, 64, 2)];
        let conv = |(c_in, c_out, stride)| {
            let config = SparseConv2dConfig::new([c_in, c_out], [3, 3]).with_stride([stride; 2]).with_bias(false);
            config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init(device)
        };
        Self {
            convs: sizes.into_iter().map(conv).collect(),
            norms: sizes.into_iter().map(|(_, c, _)| BatchNormConfig::new(c).init(device)).collect(),
            fc: SparseLinearConfig::new(64, CLASSES).init(device),
            training: training.clone(),
        }
    }
    fn forward(&self, pixels: Tensor<4>) -> Tensor<2> {
        let x = (pixels - 0.33) / 0.19;
        let x = self.convs.iter().zip(&self.norms).fold(x, |x, (conv, norm)| relu(norm.forward(conv.forward(x))));
        self.fc.forward(x.mean_dims(&[2, 3]).flatten::<2>(1, 3))
    }
    fn classified(&self, batch: Batch) -> ClassificationOutput {
        let output = self.forward(batch.pixels);
        let loss = CrossEntropyLoss::new(None, &output.device()).forward(output.clone(), batch.labels.clone());
        ClassificationOutput::new(loss, output, batch.labels)
    }
}

#[derive(Clone, Debug)]
struct Image {
    bytes: Vec<u8>,
    label: u8,
}

#[derive(Clone, Debug)]
struct Batch {
    /// `[n, 3, 32, 32]`, 0 to 1.
    pixels: Tensor<4>,
    labels: Tensor<1, Int>,
}

struct Images;

impl Batcher<Image, Batch> for Images {
    fn batch(&self, items: Vec<Image>, device: &Device) -> Batch {
        let pixels: Vec<f32> = items.iter().flat_map(|image| image.bytes.iter().map(|b| f32::from(*b) / 255.0)).collect();
        let labels: Vec<i32> = items.iter().map(|image| i32::from(image.label)).collect();
        Batch {
            pixels: Tensor::from_data(TensorData::new(pixels, [items.len(), 3, 32, 32]), device),
            labels: Tensor::from_data(labels.as_slice(), device),
        }
    }
}

impl TrainStep for Net {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> TrainOutput<ClassificationOutput> {
        let output = self.classified(batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }
    /// The one line that makes training sparse: topologies change between the backward pass and the optimizer.
    fn optimize(self, optimizer: &mut ModuleOptimizer, lr: ModuleLearningRate, grads: GradientsParams) -> Self {
        self.training.clone().step(optimizer, lr, self, grads).unwrap()
    }
}

impl InferenceStep for Net {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> ClassificationOutput {
        self.classified(batch)
    }
}

fn loader(images: &sparring_core::data::Images, seed: u64) -> Arc<dyn DataLoader<Batch>> {
    let each = images.bytes.len() / images.len();
    let items = images.bytes.chunks(each).zip(&images.labels).map(|(bytes, label)| Image { bytes: bytes.to_vec(), label: *label as u8 });
    DataLoaderBuilder::new(Images).batch_size(BATCH).shuffle(seed).build(InMemDataset::new(items.collect()))
}

/// Test accuracy, in percent.
fn accuracy(net: &Net, images: &sparring_core::data::Images, device: &Device) -> f64 {
    let each = images.bytes.len() / images.len();
    let items: Vec<Image> =
        images.bytes.chunks(each).zip(&images.labels).map(|(bytes, label)| Image { bytes: bytes.to_vec(), label: *label as u8 }).collect();
    let right: i64 = items
        .chunks(BATCH)
        .map(|chunk| {
            let Batch { pixels, labels } = Images.batch(chunk.to_vec(), device);
            let answers = net.forward(pixels).argmax(1).reshape([chunk.len()]);
            answers.equal(labels).int().sum().into_scalar::<i64>()
        })
        .sum();
    100.0 * right as f64 / items.len() as f64
}

fn main() {
    let asked = |what: &str| std::env::args().any(|argument| argument == what);
    let (train_images, test_images, epochs) = if asked("short") { (200, 100, 1) } else { (2000, 500, 4) };
    #[cfg(feature = "wgpu")]
    let device = if asked("gpu") { Device::wgpu(burn::tensor::DeviceKind::DefaultDevice) } else { Device::flex() };
    #[cfg(not(feature = "wgpu"))]
    let device = Device::flex();
    let data = builtin(0.6, train_images, test_images, 0);
    let steps = (epochs * train_images / BATCH) as u64;
    let mut results = Vec::new();
    for (name, dynamics, density) in [("dense", Dynamics::Static, 1.0), ("SET at 0.2", Dynamics::Set, 0.2)] {
        let training = SparseTrainingConfig::new(density, steps.div_ceil(10), steps).with_dynamics(dynamics).init().unwrap();
        device.seed(1);
        let train = device.clone().autodiff();
        let net = training.begin(Net::new(&training, &train)).unwrap();
        let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0).with_nesterov(true);
        let optimizer = training.optimizer(SgdConfig::new().with_momentum(Some(momentum)).build(), &net).unwrap();
        let folder = std::env::temp_dir().join("sparring-burn-race").join(name.split(' ').next().unwrap());
        let start = Instant::now();
        let result = SupervisedTraining::new(folder, loader(&data.train, 1), loader(&data.test, 1))
            .metrics((AccuracyMetric::new(), LossMetric::new()))
            .num_epochs(epochs)
            .with_application_logger(None)
            .launch(Learner::new(net, optimizer, ConstantLr::from(RATE)));
        let seconds = start.elapsed().as_secs_f64();
        results.push((name, accuracy(&result.model, &data.test, &device), seconds, result.model.num_params()));
    }
    for (name, accuracy, seconds, weights) in results {
        println!("{name:<12} {accuracy:5.1} % of {test_images} test images, {seconds:5.1} s for {epochs} epochs, {weights} parameters");
    }
}
