//! Burn's learner and its own checkpoints: a run that goes on in a new process, where every parameter has another id, is the whole one.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::constant::ConstantLr;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLoss;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
use burn::train::metric::LossMetric;
use burn::train::{ClassificationOutput, InferenceStep, Learner, SupervisedTraining, TrainOutput, TrainStep};
use common::{floats, normals, stream, tensor, topology_of};
use sparring_burn::{Dynamics, SparseConv2d, SparseConv2dConfig, SparseLinear, SparseLinearConfig, SparseTraining, SparseTrainingConfig};

const EPOCHS: usize = 4;
const STEPS: u64 = 4 * EPOCHS as u64;

#[derive(Module, Debug)]
struct Net {
    conv: SparseConv2d,
    head: SparseLinear,
    #[module(skip)]
    training: SparseTraining,
}

#[derive(Clone, Debug)]
struct Batch {
    images: Tensor<4>,
    labels: Tensor<1, Int>,
}

#[derive(Clone, Copy, Debug)]
struct Image(u64);

struct Images;

impl Batcher<Image, Batch> for Images {
    fn batch(&self, items: Vec<Image>, device: &Device) -> Batch {
        let pixels = items.iter().flat_map(|image| normals(&mut stream(image.0), 2 * 36)).collect();
        let labels: Vec<i32> = items.iter().map(|image| (image.0 % 4) as i32).collect();
        Batch { images: tensor(pixels, [items.len(), 2, 6, 6], device), labels: Tensor::from_data(labels.as_slice(), device) }
    }
}

impl Net {
    fn new(training: &SparseTraining, device: &Device) -> Self {
        let given = |param: &burn::module::Param<Tensor<1>>, seed| {
            burn::module::Param::from_tensor(tensor(normals(&mut stream(seed), param.dims()[0]), param.dims(), device))
        };
        let mut conv = SparseConv2dConfig::new([2, 12], [3, 3]).with_bias(false).init(device);
        let mut head = SparseLinearConfig::new(12, 4).with_bias(false).init(device);
        (conv.values, head.values) = (given(&conv.values, 1), given(&head.values, 2));
        Self { conv, head, training: training.clone() }
    }
    fn classified(&self, batch: Batch) -> ClassificationOutput {
        let x = relu(self.conv.forward(batch.images)).mean_dims(&[2, 3]);
        let output = self.head.forward(x.flatten::<2>(1, 3));
        let loss = CrossEntropyLoss::new(None, &output.device()).forward(output.clone(), batch.labels.clone());
        ClassificationOutput::new(loss, output, batch.labels)
    }
    fn by_place(&self) -> BTreeMap<u32, u32> {
        let values = floats(self.conv.values.val()).into_iter().map(f32::to_bits);
        topology_of(&self.conv.topology).positions().iter().copied().zip(values).collect()
    }
}

impl TrainStep for Net {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> TrainOutput<ClassificationOutput> {
        let output = self.classified(batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }
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

fn loader(range: std::ops::Range<u64>) -> Arc<dyn DataLoader<Batch>> {
    DataLoaderBuilder::new(Images).batch_size(16).build(InMemDataset::new(range.map(Image).collect()))
}

/// Until the end of an epoch, from the beginning or from the end of another.
fn trained(folder: &Path, dynamics: Dynamics, from: usize, until: usize) -> (Net, SparseTraining) {
    let training = SparseTrainingConfig::new(0.3, 3, STEPS).with_dynamics(dynamics).with_rate(0.4).init().unwrap();
    let device = Device::flex().autodiff();
    let mut net = training.begin(Net::new(&training, &device)).unwrap();
    net = training.resume(net, 4 * from as u64).unwrap();
    let optimizer = training.optimizer(AdamConfig::new().build(), &net).unwrap();
    let mut supervised = SupervisedTraining::new(folder, loader(0..64), loader(64..80))
        .metrics((LossMetric::new(),))
        .with_default_checkpointers()
        .with_application_logger(None)
        .num_epochs(until);
    if from > 0 {
        supervised = supervised.checkpoint(from);
    }
    (supervised.launch(Learner::new(net, optimizer, ConstantLr::from(0.05))).model, training)
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("sparring-burn-learner-{name}-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_run_goes_on_from_the_learners_own_checkpoint() {
    // Epoch 3 ends after step 12: the next one is due for an update, and RigL's record has open probes.
    for (dynamics, stop) in [(Dynamics::Set, 2), (Dynamics::RigL, 2), (Dynamics::RigL, 3)] {
        let (whole, broken) = (Folder::new("whole"), Folder::new("broken"));
        let (expected, _) = trained(&whole.0, dynamics, 0, EPOCHS);
        let (half, _) = trained(&broken.0, dynamics, 0, stop);
        let (resumed, training) = trained(&broken.0, dynamics, stop, EPOCHS);
        assert_ne!(half.by_place(), expected.by_place(), "{dynamics:?}");
        assert_eq!(resumed.by_place(), expected.by_place(), "{dynamics:?} from epoch {stop}");
        assert_eq!(training.steps(), STEPS);
    }
}
