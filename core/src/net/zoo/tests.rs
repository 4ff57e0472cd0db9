//! Counts of the reference, widths, stems, names and initial variances.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::net::graph::{Init, Layer};
use crate::net::init::initial_state;

fn input(extent: (usize, usize, usize), classes: usize) -> Input {
    Input { extent, classes, mean: [0.0; 4], std: [1.0; 4] }
}

fn counts(model: Model, classes: usize) -> (u64, usize, f64) {
    let g = model.graph(input(model.usual_extent(), classes)).unwrap();
    (g.parameters(), g.weights().len(), g.macs() as f64 / 1e6)
}

#[test]
fn counts_are_the_reference_counts() {
    // Parameters, weight tensors, millions of MACs for one 32x32 image.
    for (model, classes, parameters, tensors, macs) in [
        (Model::ResNet18, 10, 11_173_952, 21, 555.4),
        (Model::ResNet34, 100, 21_328_192, 37, 1159.4),
        (Model::ResNet50, 10, 23_520_832, 54, 1297.8),
        (Model::Vgg16, 10, 15_255_626, 16, 313.7),
        (Model::Vgg19, 10, 20_035_018, 17, 398.1),
    ] {
        let (p, t, m) = counts(model, classes);
        assert_eq!((p, t), (parameters, tensors), "{model}");
        assert!((m - macs).abs() < 0.05 + 1e-9, "{model}: {m}");
    }
    for (model, parameters) in [
        (Model::Vgg16C, 11_323_466),
        (Model::Vgg16Like, 14_991_946),
        (Model::Mlp, 3_676_682),
        (Model::LeNet300, 266_610),
        (Model::LeNet5, 431_080),
        (Model::AlexNetS, 5_077_066),
    ] {
        assert_eq!(counts(model, 10).0, parameters, "{model}");
    }
    // He et al. 2016, table 6, in units of 0.01 M.
    for (model, hundredths) in [(Model::ResNet20, 27), (Model::ResNet32, 46), (Model::ResNet44, 66), (Model::ResNet56, 85)] {
        let (p, _, _) = counts(model, 10);
        assert!((p as f64 / 1e4 - f64::from(hundredths)).abs() < 0.99, "{model}: {p}");
    }
    assert_eq!(counts(Model::ResNet20, 10).0, 269_722);
    // AlexNet-b differs in its linear layers only: 256 to 2048 to 2048 to 10, with BatchNorm.
    let linear = |h: u64| 256 * h + h + h * h + h + 10 * h + 10 + 4 * h;
    assert_eq!(counts(Model::AlexNetB, 10).0, 5_077_066 - linear(1024) + linear(2048));
    // Zagoruyko & Komodakis 2016, tables 2, 4 and 5, in units of 0.1 M.
    for (name, tenths) in [("wrn-40-1", 6), ("wrn-40-2", 22), ("wrn-22-8", 172), ("wrn-16-8", 110), ("wrn-28-10", 365)] {
        let (p, _, _) = counts(name.parse().unwrap(), 10);
        assert!((p as f64 / 1e5 - f64::from(tenths)).abs() < 0.51, "{name}: {p}");
    }
}

#[test]
fn tiny_imagenet_has_its_own_stem() {
    let stem = |model: Model, stem, extent| Architecture { stem, ..model.into() }.graph(input(extent, 200)).unwrap();
    let auto = stem(Model::ResNet18, Stem::Auto, (3, 64, 64));
    assert_eq!(auto.parameters(), 11_278_912);
    assert_eq!(auto, stem(Model::ResNet18, Stem::Large, (3, 64, 64)));
    let first = auto.weights()[0].clone();
    assert_eq!((first.extents, first.shape.h_out), (vec![64, 3, 7, 7], 32));
    assert_eq!(stem(Model::ResNet50, Stem::Small, (3, 64, 64)).weights()[0].extents, [64, 3, 3, 3]);
    assert_eq!(stem(Model::ResNet34, Stem::Auto, (3, 32, 32)).weights()[0].extents, [64, 3, 3, 3]);
    let error = Architecture { stem: Stem::Large, ..Model::Vgg16.into() }.graph(input((3, 64, 64), 200)).unwrap_err();
    assert!(error.to_string().contains("auto"), "{error}");
}

#[test]
fn every_model_takes_its_images_and_says_which_it_does_not() {
    for &model in Model::ALL {
        model.graph(input(model.usual_extent(), 7)).unwrap();
        let large = model.graph(input((3, 64, 64), 200));
        match model {
            Model::LeNet5 | Model::LeNet300 => {
                let error = large.unwrap_err().to_string();
                assert!(error.contains("28x28") && error.contains("64x64"), "{error}");
            }
            _ => assert_eq!(large.unwrap().weights().last().unwrap().shape.c_out, 200),
        }
    }
    let error = Model::Vgg16.graph(input((1, 28, 28), 10)).unwrap_err().to_string();
    assert!(error.contains("2x2") && error.contains("larger images"), "{error}");
    // What is left of a larger image is averaged, so the classifier stays the same; VGG16-C flattens it.
    let classifier = |model: Model| model.graph(input((3, 64, 64), 10)).unwrap().parameters();
    assert_eq!(classifier(Model::Vgg16), 15_255_626);
    assert_eq!(classifier(Model::Vgg16C), 11_323_466 + 512 * 512 * (3 * 3 - 2 * 2));
}

#[test]
fn width_scales_every_hidden_layer() {
    for &model in Model::ALL {
        let at = |width| Architecture { width, ..model.into() }.graph(input(model.usual_extent(), 10)).unwrap();
        let (own, half, tiny) = (at(1.0), at(0.5), at(0.01));
        let classes = |g: &Graph| g.weights().last().map(|w| w.shape.c_out);
        assert_eq!([classes(&half), classes(&tiny)], [Some(10); 2], "{model}");
        let hidden = own.weights().len() - 1;
        for layer in &own.weights()[..hidden] {
            let name = &layer.name;
            let channels = |g: &Graph| g.weights().iter().find(|w| w.name == *name).map(|w| w.shape.c_out);
            // The thinnest WideResNets need no projection in their first block.
            let (a, Some(b), Some(c)) = (layer.shape.c_out, channels(&half), channels(&tiny)) else {
                assert_eq!(name, "block1.layer.0.convShortcut.weight");
                continue;
            };
            // Rounded to a multiple of 4, at least 4; the last convolution of a bottleneck has four times that.
            let rounded = |own: usize, width: f64| 4 * ((own as f64 * width / 4.0).round() as usize).max(1);
            assert!([rounded(a, 0.5), 4 * rounded(a / 4, 0.5)].contains(&b), "{model} {name}: {b} of {a}");
            assert!([rounded(a, 0.01), 4 * rounded(a / 4, 0.01)].contains(&c), "{model} {name}: {c} of {a}");
        }
    }
    let wide = Architecture { width: 2.0, ..Model::ResNet20.into() }.graph(input((3, 32, 32), 10)).unwrap();
    assert_eq!(wide.weights().iter().map(|w| w.shape.c_out).max(), Some(128));
    for width in [0.0, -1.0, 9.0, f32::NAN] {
        assert!(Architecture { width, ..Model::Tiny.into() }.graph(input((3, 32, 32), 10)).is_err(), "{width}");
    }
}

#[test]
fn names_round_trip_and_wrong_ones_are_refused() {
    for &model in Model::ALL {
        assert_eq!(model.to_string().parse::<Model>().unwrap(), model);
        assert_eq!(serde_json::from_str::<Model>(&serde_json::to_string(&model).unwrap()).unwrap(), model);
    }
    assert_eq!("WRN-40-2".parse::<Model>().unwrap(), Model::Wide { depth: 40, factor: 2 });
    for wrong in ["wrn-17-2", "wrn-4-1", "wrn-16-0", "wrn-16", "wrn-400-2", "wrn--", "vgg", ""] {
        let error = wrong.parse::<Model>().unwrap_err().to_string();
        assert!(error.contains("resnet20") && error.contains("6n + 4"), "{error}");
    }
}

#[test]
fn modules_are_named_as_pytorch_names_them() {
    let names = |model: &str| -> Vec<String> {
        let model: Model = model.parse().unwrap();
        model.graph(input(model.usual_extent(), 10)).unwrap().state_shapes().into_iter().map(|(name, _)| name).collect()
    };
    let has = |model: &str, wanted: &[&str]| {
        let names = names(model);
        for name in wanted {
            assert!(names.iter().any(|n| n == name), "{model}: no {name} in {names:?}");
        }
    };
    has("resnet50", &["layer1.0.conv3.weight", "layer1.0.bn3.running_var", "layer1.0.shortcut.0.weight", "linear.weight"]);
    has("wrn-16-4", &["block1.layer.0.convShortcut.weight", "block3.layer.1.bn1.bias", "bn1.weight", "fc.bias"]);
    has("vgg16", &["features.40.weight", "features.41.running_mean", "classifier.2.weight", "classifier.6.bias"]);
    has("vgg16-like", &["classifier.3.bias"]);
    has("vgg19", &["feature.0.weight", "feature.49.weight", "feature.50.bias", "classifier.bias"]);
    has("alexnet-s", &["features.12.bias", "features.13.running_var", "classifier.4.weight", "classifier.6.weight"]);
    has("lenet-5", &["conv2.bias", "fc3.weight", "fc4.bias"]);
    has("lenet-300-100", &["fc1.weight", "fc3.bias"]);
    assert!(!names("resnet50").contains(&"linear.bias".to_owned()));
    assert!(!names("vgg19").contains(&"feature.0.bias".to_owned()));
}

/// Mean square of a tensor.
fn mean_square(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64
}

#[test]
fn initial_variances_are_those_of_the_family() {
    // Uniform within b has variance b^2 / 3.
    let expected = |init: Init, fan_in: f64, fan_out: f64| match init {
        Init::KaimingNormalFanIn => 2.0 / fan_in,
        Init::KaimingNormalFanOut => 2.0 / fan_out,
        Init::Normal(std) => f64::from(std).powi(2),
        Init::TorchDefault | Init::TorchZeroBias => 1.0 / (3.0 * fan_in),
    };
    for model in [Model::ResNet18, Model::Vgg16, Model::Vgg19, Model::AlexNetS, Model::LeNet5, "wrn-16-4".parse().unwrap()] {
        let graph = model.graph(input(model.usual_extent(), 10)).unwrap();
        let state = initial_state(&graph, 3);
        let mut drawn = std::collections::HashSet::new();
        for node in &graph.nodes {
            let Layer::Conv { name, shape, bias, init, linear } = &node.layer else { continue };
            let values = &state.tensors[&format!("{name}.weight")].data;
            let taps = (shape.kh * shape.kw) as f64;
            let wanted = expected(*init, shape.c_in as f64 * taps, shape.c_out as f64 * taps);
            // The mean square of m normal draws has relative std sqrt(2 / m); five of them, and for uniform draws more.
            let slack = 5.0 * (2.0 / values.len() as f64).sqrt();
            assert!((mean_square(values) / wanted - 1.0).abs() < slack, "{model} {name}: {} against {wanted}", mean_square(values));
            if *bias {
                let biases = &state.tensors[&format!("{name}.bias")].data;
                let zero = matches!(init, Init::Normal(_) | Init::TorchZeroBias | Init::KaimingNormalFanOut);
                assert_eq!(biases.iter().all(|b| *b == 0.0), zero, "{model} {name}");
            }
            drawn.insert(format!("{init:?} {linear}"));
        }
        let all =
            |inits: &[(Init, bool)]| inits.iter().map(|(i, linear)| format!("{i:?} {linear}")).collect::<std::collections::HashSet<_>>();
        let kinds = match model {
            Model::ResNet18 => all(&[(Init::KaimingNormalFanIn, false), (Init::TorchDefault, true)]),
            Model::Vgg19 => all(&[(Init::KaimingNormalFanOut, false), (Init::Normal(0.01), true)]),
            Model::Wide { .. } => all(&[(Init::KaimingNormalFanOut, false), (Init::TorchZeroBias, true)]),
            _ => all(&[(Init::TorchDefault, false), (Init::TorchDefault, true)]),
        };
        assert_eq!(drawn, kinds, "{model}");
    }
}

#[test]
fn published_variants_are_choices_of_their_models() {
    let count = |architecture: Architecture| architecture.graph(input((3, 32, 32), 10)).unwrap().parameters();
    // The classifier's bias of kuangliu's networks: ten numbers more.
    for (model, own) in [(Model::ResNet18, 11_173_952), (Model::ResNet50, 23_520_832)] {
        assert_eq!(count(Architecture { classifier_bias: true, ..model.into() }), own + 10);
    }
    // chenyaofo's cifar10_resnet20, 32, 44 and 56 have projections: as published, in units of 0.01 M.
    for (model, hundredths) in [(Model::ResNet20, 27), (Model::ResNet32, 47), (Model::ResNet44, 66), (Model::ResNet56, 86)] {
        let parameters = count(Architecture { projections: true, ..model.into() });
        assert_eq!((parameters as f64 / 1e4).round(), f64::from(hundredths), "{model}");
        assert_eq!(parameters - count(model.into()), 32 * 16 + 64 * 32 + 2 * (32 + 64), "{model}");
    }
    for architecture in
        [Architecture { classifier_bias: true, ..Model::ResNet20.into() }, Architecture { projections: true, ..Model::ResNet18.into() }]
    {
        let message = architecture.graph(input((3, 32, 32), 10)).unwrap_err().to_string();
        assert!(message.contains("only resnet") && message.contains("leave it at false"), "{message}");
    }
}

#[test]
fn a_checkpoints_metadata_say_its_architecture() {
    let all = [
        Architecture::from(Model::ResNet20),
        Architecture { width: 0.25, stem: Stem::Large, classifier_bias: true, ..Model::ResNet18.into() },
        Architecture { projections: true, ..Model::ResNet56.into() },
    ];
    for architecture in all {
        let metadata = architecture.metadata().into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        assert_eq!(Architecture::from_metadata(&metadata, "f").unwrap(), architecture);
    }
    let says = |key: &str, value: &str| {
        let metadata = [("model", "tiny"), (key, value)].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        Architecture::from_metadata(&metadata, "f").unwrap_err().to_string()
    };
    assert!(says("width", "wide").contains("found 'wide'") && says("projections", "yes").contains("true or false"));
    assert!(Architecture::from_metadata(&BTreeMap::new(), "f").unwrap_err().to_string().contains("'model'"));
}
