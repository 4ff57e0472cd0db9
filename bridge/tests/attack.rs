//! Attacks: every pixel is in the ball and in 0 to 1, more search breaks more, and a known gradient gives the known image.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use common::{floats, normals, stream, tensor};
use sparring_burn::attack::{Norm, PgdConfig, Pixels, Search, fgsm, pgd};
use sparring_burn::{SparseConv2d, SparseConv2dConfig};

const N: usize = 6;

fn clean(device: &Device) -> Pixels {
    let mut stream = stream(1);
    Pixels::new(tensor((0..N * 2 * 25).map(|_| stream.uniform()).collect(), [N, 2, 5, 5], device)).unwrap()
}

fn labels(device: &Device) -> Tensor<1, Int> {
    Tensor::from_data([0i32, 1, 2, 0, 1, 2], device)
}

fn model(device: &Device) -> SparseConv2d {
    SparseConv2dConfig::new([2, 3], [5, 5]).with_density(0.5).with_seed(Some(2)).init(device)
}

fn logits(conv: &SparseConv2d, x: Tensor<4>) -> Tensor<2> {
    conv.forward(x).flatten(1, 3)
}

fn loss(conv: &SparseConv2d, pixels: &Pixels, device: &Device) -> f32 {
    let entropy = burn::nn::loss::CrossEntropyLoss::new(None, device);
    floats(entropy.forward(logits(conv, pixels.tensor()), labels(device)))[0]
}

#[test]
fn attacks_stay_in_their_ball_and_break_more_the_longer_they_search() {
    let device = Device::flex();
    let conv = model(&device);
    let (clean, labels) = (clean(&device), labels(&device));
    for (norm, eps, step) in [(Norm::Linf, 0.05, 0.02), (Norm::L2, 0.4, 0.1)] {
        let config = PgdConfig { norm, eps, step, iterations: 10, random_start: true, targeted: false };
        let run = |search: &Search| pgd(|x| logits(&conv, x), &clean, labels.clone(), search).unwrap();
        let one = fgsm(|x| logits(&conv, x), &clean, labels.clone(), norm, eps).unwrap();
        let many = run(&Search::once(config));
        let restarted = run(&Search { restarts: 4, ..Search::once(config) });
        for found in [&one, &many, &restarted] {
            let distance = found.distance(&clean, norm).unwrap();
            assert!(distance <= f64::from(eps) && distance > 0.5 * f64::from(eps), "{norm}: {distance}");
        }
        let [before, one, many, restarted] = [&clean, &one, &many, &restarted].map(|pixels| loss(&conv, pixels, &device));
        assert!(before < one && before < many && many <= restarted, "{norm}: {before}, {one}, {many}, {restarted}");
        assert_eq!(floats(run(&Search::once(config)).tensor()), floats(run(&Search::once(config)).tensor()), "repeats itself");
        let towards = pgd(|x| logits(&conv, x), &clean, labels.clone(), &Search::once(PgdConfig { targeted: true, ..config })).unwrap();
        assert!(loss(&conv, &towards, &device) < before);
        let nothing = run(&Search::once(PgdConfig { eps: 0.0, ..config }));
        assert_eq!(floats(nothing.tensor()), floats(clean.tensor()));
    }
}

#[test]
fn the_step_of_a_known_gradient() {
    let device = Device::flex();
    // Two classes, whose logits are a sum of pixels by their weights, and zero.
    let weights = normals(&mut stream(3), 8);
    let x = Pixels::new(Tensor::full([1, 2, 2, 2], 0.5, &device)).unwrap();
    let known = tensor(weights.clone(), [8], &device);
    let two = |x: Tensor<4>| {
        let score = (x.reshape([1, 8]) * known.clone().reshape([1, 8])).sum_dim(1);
        Tensor::cat(vec![score.clone(), score * 0.0], 1)
    };
    let found = fgsm(two, &x, Tensor::from_data([0i32], &device), Norm::Linf, 0.1).unwrap();
    for (pixel, weight) in floats(found.tensor()).iter().zip(&weights) {
        assert!((pixel - (0.5 - 0.1 * weight.signum())).abs() < 1e-6);
    }
    let found = fgsm(two, &x, Tensor::from_data([1i32], &device), Norm::L2, 0.1).unwrap();
    let length = weights.iter().map(|w| w * w).sum::<f32>().sqrt();
    for (pixel, weight) in floats(found.tensor()).iter().zip(&weights) {
        assert!((pixel - (0.5 + 0.1 * weight / length)).abs() < 1e-6);
    }
}

#[test]
fn models_in_training_are_attacked_too_and_odd_input_is_refused() {
    let device = Device::flex();
    let conv = model(&device.clone().autodiff());
    let found = fgsm(|x| logits(&conv, x), &clean(&device), labels(&device), Norm::Linf, 0.1).unwrap();
    let judged = conv.valid();
    let again = fgsm(|x| logits(&judged, x), &clean(&device), labels(&device), Norm::Linf, 0.1).unwrap();
    assert_eq!(floats(found.tensor()), floats(again.tensor()));

    let normalised = Pixels::new(Tensor::full([1, 1, 2, 2], -0.3, &device)).unwrap_err().to_string();
    assert!(normalised.contains("from 0 to 1") && normalised.contains("-0.3"), "{normalised}");
    assert!(Pixels::new(Tensor::full([1, 1, 2, 2], f32::NAN, &device)).is_err());
    let attack = |search: &Search, labels| pgd(|x| logits(&judged, x), &clean(&device), labels, search).map(|_| ());
    let config = PgdConfig::fgsm(Norm::Linf, 0.1);
    assert!(attack(&Search::once(PgdConfig { eps: 8.0, ..config }), labels(&device)).is_err());
    assert!(attack(&Search { restarts: 2, ..Search::once(config) }, labels(&device)).is_err());
    assert!(attack(&Search::once(config), Tensor::from_data([0i32], &device)).is_err());
    let poisoned = pgd(|x| logits(&judged, x) * f32::NAN, &clean(&device), labels(&device), &Search::once(config)).unwrap_err();
    assert!(poisoned.to_string().contains("the loss of the attacked model is not a number"), "{poisoned}");
    // A root of zero is zero, and its slope is not a number when it is multiplied by one of zero.
    let rooted = |x: Tensor<4>| logits(&judged, x.clone()) + ((x * 0.0).sqrt() * 0.0).sum().reshape([1, 1]);
    let poisoned = pgd(rooted, &clean(&device), labels(&device), &Search::once(config)).unwrap_err();
    assert!(poisoned.to_string().contains("the gradient of the attacked model is not a number"), "{poisoned}");
    let constant = |x: Tensor<4>| Tensor::<2>::zeros([x.dims()[0], 3], &x.device());
    let robust = pgd(constant, &clean(&device), labels(&device), &Search::once(config)).unwrap_err();
    assert!(robust.to_string().contains("does not depend on its images"), "{robust}");
}
