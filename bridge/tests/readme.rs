//! The lines that README and `docs/burn.md` tell people to write: they compile here, and do what is said.
#![allow(clippy::unwrap_used, unused_imports, reason = "tests; one text imports what another does not use")]

mod common;

use std::error::Error;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

const THIS: &str = include_str!("readme.rs");
const TEXTS: [(&str, &str); 2] = [("README.md", include_str!("../README.md")), ("docs/burn.md", include_str!("../../docs/burn.md"))];

/// Code without its comment.
fn code(line: &str) -> &str {
    line.split(" //").next().unwrap_or_default().trim()
}

#[test]
fn the_lines_of_the_texts_are_compiled_here() {
    for (file, text) in TEXTS {
        let blocks: Vec<&str> = text.split("```rust").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(!blocks.is_empty(), "{file}");
        for line in
            blocks.iter().flat_map(|block| block.lines().skip(1)).map(code).filter(|line| !line.is_empty() && !line.starts_with("//"))
        {
            assert!(THIS.lines().any(|here| code(here) == line), "{file} says what this file does not compile: {line}");
        }
    }
}

mod model {
    use sparring_burn::{SparseConv2d as Conv2d, SparseConv2dConfig as Conv2dConfig}; // in place of burn::nn::conv
    use sparring_burn::{SparseLinear as Linear, SparseLinearConfig as LinearConfig}; // in place of burn::nn

    use super::*;

    #[derive(Module, Debug)]
    pub struct MyModel {
        conv: Conv2d,
        head: Linear,
    }

    impl MyModel {
        pub fn new(device: &Device) -> Self {
            Self { conv: Conv2dConfig::new([2, 12], [3, 3]).init(device), head: LinearConfig::new(12, 4).init(device) }
        }
        pub fn loss(&self, x: Tensor<4>) -> Tensor<1> {
            let x = self.conv.forward(x).mean_dims(&[2, 3]);
            self.head.forward(x.flatten::<2>(1, 3)).powf_scalar(2.0).mean()
        }
        pub fn density(&self) -> f64 {
            self.conv.density()
        }
    }
}
use model::MyModel;

fn batches(device: &Device) -> Vec<Tensor<4>> {
    (0..5).map(|seed| common::tensor(common::normals(&mut common::stream(seed), 4 * 2 * 36), [4, 2, 6, 6], device)).collect()
}

#[test]
fn a_readers_model_becomes_sparse() -> Result<(), Box<dyn Error>> {
    use burn::optim::SgdConfig;
    use sparring_burn::{Dynamics, SparseTrainingConfig};
    let device = Device::flex().autodiff();
    let (steps, lr, model) = (5, 0.1, MyModel::new(&device));
    let training = SparseTrainingConfig::new(0.1, 100, steps).with_dynamics(Dynamics::Set).init()?; // 3
    let mut model = training.begin(model)?; // 4
    let mut optimizer = training.optimizer(SgdConfig::new().build(), &model)?;
    assert!(model.density() < 0.2);
    for batch in batches(&device) {
        let grads = burn::optim::GradientsParams::from_grads(model.loss(batch).backward(), &model);
        model = training.step(&mut optimizer, lr, model, grads)?; // 5
    }
    assert_eq!(training.steps(), 5);
    Ok(())
}

#[test]
fn the_loop_of_the_docs_trains() -> Result<(), Box<dyn Error>> {
    use burn::optim::{GradientsParams, SgdConfig};
    use sparring_burn::{Dynamics, SparseTrainingConfig};
    let device = Device::flex().autodiff();
    let (steps, lr, batches) = (5, 0.1, batches(&device));
    let training = SparseTrainingConfig::new(0.1, 100, steps).with_dynamics(Dynamics::RigL).init()?;
    let mut model = training.begin(MyModel::new(&device))?; // density 0.1 by ERK
    let mut optimizer = training.optimizer(SgdConfig::new().build(), &model)?;
    let mut losses = Vec::new();
    for batch in batches {
        losses.push(common::floats(model.loss(batch.clone()))[0]);
        let grads = GradientsParams::from_grads(model.loss(batch).backward(), &model);
        model = training.step(&mut optimizer, lr, model, grads)?; // every 100 steps the topology changes
    }
    assert!(losses[4] < losses[0], "{losses:?}");
    Ok(())
}
