//! A published ResNet-20 as a Burn module: its PyTorch checkpoint is loaded and scored on CIFAR-10's test images.
//!
//! `cargo run --release -p sparring-burn --example resnet20 -- CHECKPOINT CIFAR10.packed`. `sparring data fetch cifar10` makes the second file and
//! `sparring data list` says where it lies. The one of akamaster/pytorch_resnet_cifar10 (`resnet20-12fca82f.th`) is right on 9173 of 10000 images.

use std::error::Error;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use sparring_burn::{SparseConv2d, weights};
use sparring_core::data::{Normalization, packed};

#[path = "zoo/mod.rs"]
mod zoo;

const BATCH: usize = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let [checkpoint, images] = <[String; 2]>::try_from(std::env::args().skip(1).collect::<Vec<_>>())
        .map_err(|found| format!("two files are expected, a checkpoint and a packed CIFAR-10, found {}", found.len()))?;
    let device = Device::flex();
    let state = weights::open(&std::fs::read(&checkpoint)?, &checkpoint)?;
    let model = weights::load(zoo::ResNet::<SparseConv2d>::resnet20(10, &device), &state)?;
    let (_, data) = packed::read(&images, Arc::new(std::fs::read(&images)?))?;
    let (test, each) = (&data.test, data.image_bytes());
    // That checkpoint was trained with ImageNet's.
    let (mean, std) = Normalization::ImageNet.mean_std();
    let per_channel = |of: [f32; 4]| Tensor::<4>::from_data(TensorData::new(of[..3].to_vec(), [1, 3, 1, 1]), &device);
    let (mean, std) = (per_channel(mean), per_channel(std));
    let mut right = 0;
    for (pixels, labels) in test.bytes.chunks(BATCH * each).zip(test.labels.chunks(BATCH)) {
        let floats: Vec<f32> = pixels.iter().map(|byte| f32::from(*byte) / 255.0).collect();
        let x = Tensor::from_data(TensorData::new(floats, [labels.len(), 3, 32, 32]), &device);
        let answers = model.forward((x - mean.clone()) / std.clone()).argmax(1).into_data();
        right += answers.iter::<i64>().zip(labels).filter(|(answer, label)| *answer == i64::from(**label)).count();
    }
    println!("{right} of {} test images are right: {:.2} %", test.len(), 100.0 * right as f64 / test.len() as f64);
    Ok(())
}
