//! Files as other programs write them, through the program: what opens, which weights are taken, and the words for what does not.
//! `tests/files/make.py` wrote them; `docs/files.md` is the table of it.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;

use common::{Folder, sparring, stderr, stdout};
use sparring_core::formats::{self, StateDict, Tensor, safetensors};

fn given(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/files/weights")).join(name)
}

/// What `import` says and writes: its JSON and the checkpoint, or its error.
fn import(folder: &Folder, name: &str, more: &[&str]) -> Result<(serde_json::Value, StateDict), String> {
    let (file, out) = (given(name), folder.file(&format!("{name}.safetensors")));
    let _ = std::fs::remove_file(&out);
    let of = if name.contains("resnet50") {
        ["--model", "resnet50", "--width", "0.01"]
    } else if name.contains("resnet20") {
        ["--model", "resnet20", "--width", "0.01"]
    } else if name.contains("resnet18") || name.contains("7x7") || name.contains("preactivation") {
        ["--model", "resnet18", "--width", "0.01"]
    } else {
        ["--model", "tiny", "--width", "0.25"]
    };
    let output = sparring(&[&["import", file.to_str().unwrap(), "--out", &out, "--json"], &of[..], more].concat());
    if output.status.success() {
        let state = safetensors::read(&std::fs::read(&out).unwrap(), name).unwrap();
        return Ok((serde_json::from_slice(&output.stdout).unwrap(), state));
    }
    assert_eq!(output.status.code(), Some(1), "{name}: {}", stderr(&output));
    assert!(!std::path::Path::new(&out).exists(), "{name}: nothing is half-written");
    let message = stderr(&output);
    assert!(message.contains(name) && message.lines().count() == 1, "{name}: {message}");
    Err(message)
}

fn plain() -> BTreeMap<String, Tensor> {
    let mut state = formats::open(&std::fs::read(given("plain.pth")).unwrap(), "plain.pth", None).unwrap().state;
    state.tensors.retain(|name, _| !name.ends_with("num_batches_tracked"));
    state.tensors
}

fn texts(json: &serde_json::Value) -> Vec<String> {
    json.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_same_weights_come_out_of_every_form() {
    let folder = Folder::new("forms");
    let plain = plain();
    for name in [
        "plain.pth",
        "legacy.pth",
        "deflated.pth",
        "hub.safetensors",
        "plain.safetensors",
        "null_metadata.safetensors",
        "number_metadata.safetensors",
        "wrapped.pth",
        "two_sets.pth",
        "ema_only.pth",
        "model_is_config.pth",
        "unknown_key.pth",
        "tuple.pth",
        "lightning.pth",
        "averaged.pth",
        "flat_ema.pth",
        "counted.pth",
        "normalised.pth",
        "things_beside.pth",
        "things_beside_legacy.pth",
        "negative_bit.pth",
        "sparse_coo.pth",
        "attributes.pth",
        "strided.pth",
    ] {
        let (_, state) = import(&folder, name, &[]).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(state.tensors == plain, "{name}");
    }
    let (_, expanded) = import(&folder, "expanded.pth", &[]).unwrap();
    assert_eq!(expanded.tensors["bn2.weight"], Tensor { shape: vec![8], data: vec![1.0; 8] });
    let (_, half) = import(&folder, "half.pth", &[]).unwrap();
    let near = |a: &Tensor, b: &Tensor| a.data.iter().zip(&b.data).all(|(a, b)| (a - b).abs() <= b.abs() / 2048.0 + 1e-7);
    assert!(half.tensors.iter().all(|(name, tensor)| near(tensor, &plain[name])));
}

#[test]
fn which_of_several_sets_is_taken_is_said_and_chosen() {
    let folder = Folder::new("sets");
    let plain = plain();
    let first = |state: &StateDict| state.tensors["bn1.bias"].data[0] - plain["bn1.bias"].data[0];
    for (name, key, average) in [
        ("two_sets.pth", "model_ema", true),
        ("gan.pth", "discriminator", true),
        ("gan.pth", "generator", false),
        ("flat_ema.pth", "model_ema", true),
        ("student_teacher.pth", "teacher", true),
    ] {
        let (_, state) = import(&folder, name, &["--key", key]).unwrap();
        assert_eq!(first(&state) > 0.5, average, "{name}, {key}");
    }
    let (json, _) = import(&folder, "two_sets.pth", &[]).unwrap();
    assert_eq!((json["key"].as_str(), texts(&json["keys"])), (Some("model"), vec!["model".into(), "model_ema".into()]));
    assert!(texts(&json["notes"])[0].contains("model is taken, --key NAME chooses another"));
    let (json, _) = import(&folder, "flat_ema.pth", &[]).unwrap();
    assert!(texts(&json["notes"])[0].contains("model, model_ema; model is taken, --key NAME chooses another"), "{json}");
    let (json, _) = import(&folder, "unknown_key.pth", &[]).unwrap();
    assert_eq!((json["key"].as_str(), texts(&json["notes"])), (Some("my_network"), vec![]), "a random state is no set of weights");
    for (name, words) in [
        ("gan.pth", "'generator' (20 tensors), 'discriminator' (20 tensors); --key NAME chooses"),
        ("student_teacher.pth", "student, teacher; --key NAME chooses"),
    ] {
        let message = import(&folder, name, &[]).unwrap_err();
        assert!(message.contains(words), "{message}");
    }
    let message = import(&folder, "two_sets.pth", &["--key", "swa"]).unwrap_err();
    assert!(message.contains("no set of weights 'swa'") && message.contains("model, model_ema"), "{message}");
}

#[test]
fn a_network_beside_one_with_a_prefix_is_taken_and_both_can_be_chosen() {
    let folder = Folder::new("bare");
    let plain = plain();
    // The second network's values are one larger.
    let file = |name: &str, second: &str, of_it: &dyn Fn(&str) -> bool| {
        let mut state = StateDict { tensors: plain.clone(), ..StateDict::default() };
        for (name, tensor) in plain.iter().filter(|(name, _)| of_it(name)) {
            let data = tensor.data.iter().map(|v| v + 1.0).collect();
            state.tensors.insert(format!("{second}.{name}"), Tensor { data, ..tensor.clone() });
        }
        std::fs::write(folder.file(name), safetensors::write(&state).unwrap()).unwrap();
    };
    let import = |name: &str, more: &[&str]| {
        let (file, out) = (folder.file(name), folder.file("out.safetensors"));
        let output = sparring(&[&["import", &file, "--model", "tiny", "--width", "0.25", "--out", &out, "--json"], more].concat());
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|_| stderr(&output))?;
        let bias = safetensors::read(&std::fs::read(&out).unwrap(), name).unwrap().tensors["bn1.bias"].data[0];
        Ok::<_, String>((bias - plain["bn1.bias"].data[0] > 0.5, texts(&json["notes"]).join("; ")))
    };
    file("ema.safetensors", "ema", &|_| true);
    let (second, said) = import("ema.safetensors", &[]).unwrap();
    assert!(!second && said.contains("several networks in one set of weights: ., ema; . is taken, --key NAME chooses another"), "{said}");
    for (key, expected) in [(".", false), ("ema", true), ("ema.", true)] {
        let (second, said) = import("ema.safetensors", &["--key", key]).unwrap();
        assert!(second == expected && !said.contains("several"), "{key}: {said}");
    }
    file("teacher.safetensors", "teacher", &|_| true);
    let said = import("teacher.safetensors", &[]).unwrap_err();
    assert!(said.contains("several such networks in one set of weights: ., teacher; --key NAME chooses"), "{said}");
    assert!(!import("teacher.safetensors", &["--key", "."]).unwrap().0 && import("teacher.safetensors", &["--key", "teacher"]).unwrap().0);
    // An average of the parameters alone is no network.
    file("parameters.safetensors", "model_ema", &|name| !name.contains("running"));
    let (second, said) = import("parameters.safetensors", &[]).unwrap();
    assert!(!second && said.contains("left out: model_ema."), "{said}");
    // What an average has beyond the network is not forgiven.
    let mut state = StateDict { tensors: plain.clone(), ..StateDict::default() };
    state.tensors = state.tensors.into_iter().map(|(name, tensor)| (format!("model_ema.{name}"), tensor)).collect();
    let conv = state.tensors["model_ema.conv1.weight"].clone();
    state.tensors.insert("model_ema.layer1.0.conv1.weight".into(), conv);
    std::fs::write(folder.file("more.safetensors"), safetensors::write(&state).unwrap()).unwrap();
    let said = import("more.safetensors", &[]).unwrap_err();
    assert!(said.contains("not in the network: model_ema.layer1.0.conv1.weight"), "{said}");
}

#[test]
fn weights_are_read_from_standard_input() {
    let folder = Folder::new("stdin");
    let import = |file: std::process::Stdio| {
        folder.command("import - --model tiny --width 0.25 --out piped.safetensors").stdin(file).output().unwrap()
    };
    let output = import(std::fs::File::open(given("plain.pth")).unwrap().into());
    assert!(output.status.success(), "{}", stderr(&output));
    let state = safetensors::read(&std::fs::read(folder.file("piped.safetensors")).unwrap(), "piped").unwrap();
    assert!(state.tensors == plain() && state.metadata["source"] == "standard input");
    std::fs::remove_file(folder.file("piped.safetensors")).unwrap();
    let output = import(std::process::Stdio::null());
    assert!(output.status.code() == Some(1) && stderr(&output).contains("standard input: expected"), "{}", stderr(&output));
    assert!(!folder.0.join("piped.safetensors").exists());
}

#[test]
fn what_is_beside_the_network_is_left_out_and_listed() {
    let folder = Folder::new("beside");
    for (name, left_out) in [
        ("lightning.pth", &["criterion.weight", "train_acc.tp"][..]),
        ("averaged.pth", &["n_averaged"]),
        ("counted.pth", &["conv1.total_params", "total_ops"]),
        ("normalised.pth", &["0.mean", "0.std"]),
        ("plain.pth", &[]),
    ] {
        let (json, _) = import(&folder, name, &[]).unwrap();
        assert_eq!(json["left_out"].as_object().unwrap().keys().collect::<Vec<_>>(), left_out, "{name}");
    }
    let (json, state) = import(&folder, "normalised.pth", &[]).unwrap();
    assert_eq!((json["normalization"].as_str(), state.metadata["normalization"].as_str()), (Some("imagenet"), "imagenet"));
    let (json, _) = import(&folder, "normalised.pth", &["--normalization", "cifar10"]).unwrap();
    assert_eq!(json["normalization"].as_str(), Some("cifar10"));
    assert!(texts(&json["notes"])[0].contains("say imagenet normalisation"), "{json}");
}

#[test]
fn masks_and_zeros_make_sparse_checkpoints() {
    let folder = Folder::new("sparse");
    let plain = plain();
    let (json, pruned) = import(&folder, "pruned.pth", &[]).unwrap();
    assert_eq!((json["placement"].as_str(), json["density"].as_f64()), (Some("sparse"), Some(0.25)));
    let placement = |state: &StateDict| state.metadata.get("placement").cloned();
    assert_eq!((placement(&pruned), pruned.metadata["density"].as_str()), (Some("sparse".into()), "0.25"));
    for (name, tensor) in &pruned.tensors {
        let whole = &plain[name];
        assert_eq!(tensor.shape, whole.shape);
        assert!(tensor.data.iter().zip(&whole.data).all(|(p, w)| *p == 0.0 || p == w), "{name}");
    }
    let zeros = |state: &StateDict, name: &str| state.tensors[name].data.iter().filter(|v| **v == 0.0).count();
    assert_eq!((zeros(&pruned, "fc.weight"), zeros(&pruned, "fc.bias")), (120, 3));

    let (json, dense) = import(&folder, "zeros.pth", &[]).unwrap();
    assert_eq!((json["placement"].as_str(), placement(&dense)), (Some("dense"), None));
    assert!(texts(&json["notes"])[0].contains("--sparse takes them"), "{json}");
    let (_, sparse) = import(&folder, "zeros.pth", &["--sparse"]).unwrap();
    assert!(placement(&sparse).as_deref() == Some("sparse") && sparse.tensors["conv1.weight"] == pruned.tensors["conv1.weight"]);
    assert!(import(&folder, "plain.pth", &["--sparse"]).unwrap_err().contains("no weight is exactly 0"));

    // Held sparse or dense, the same weights answer alike.
    let loss = |name: &str| {
        let file = folder.file(name);
        let output = sparring(&["eval", "--checkpoint", &file, "--data", "builtin", "--device", "cpu", "--limit", "60", "--json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_str::<serde_json::Value>(&stdout(&output)).unwrap()["loss"].as_f64().unwrap()
    };
    import(&folder, "zeros.pth", &[]).unwrap();
    let dense = loss("zeros.pth.safetensors");
    import(&folder, "zeros.pth", &["--sparse"]).unwrap();
    // Sums of float32 in another order.
    assert!((dense - loss("zeros.pth.safetensors")).abs() < 1e-5);
}

#[test]
fn what_is_no_state_dict_is_refused_in_its_own_words() {
    let folder = Folder::new("refused");
    for (name, words) in [
        ("whole_module.pth", "a whole module (__main__.Tiny); save its state dict"),
        ("whole_module_legacy.pth", "a whole module (__main__.Tiny)"),
        ("whole_module_inside.pth", "a whole module (__main__.Tiny)"),
        ("torchscript.pt", "a TorchScript program"),
        ("quantised.pth", "quantised weights ('conv1.weight')"),
        ("quantised_dynamic.pth", "quantised weights ('fc._packed_params._packed_params')"),
        ("spectral_norm.pth", "torch.nn.utils.remove_spectral_norm"),
        ("weight_norm.pth", "weight normalisation or a parametrisation"),
        ("one_tensor.pth", "expected a dictionary of tensors, found a tensor"),
        ("no_tensors.pth", "a dictionary without tensors (keys: epoch, acc)"),
        ("float8.pth", "'conv1.weight' is of type float8_e4m3fn"),
        ("sparse_csr.pth", "'fc.weight' is of layout torch.sparse_csr"),
    ] {
        let message = import(&folder, name, &[]).unwrap_err();
        assert!(message.contains(words), "{name}: {message}");
    }
    for (bytes, words) in [
        (&b""[..], "an empty file"),
        (b"\x1f\x8b\x08\0", "a gzip file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a pointer of Git LFS"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\x80\x02}q\x00.", "a PyTorch checkpoint"),
    ] {
        let (file, out) = (folder.file("net.pth"), folder.file("x.safetensors"));
        std::fs::write(&file, bytes).unwrap();
        let output = sparring(&["import", &file, "--model", "tiny", "--out", &out]);
        assert!(output.status.code() == Some(1) && stderr(&output).contains(words), "{words}: {}", stderr(&output));
    }
}

#[test]
fn names_of_other_programs_are_mapped_and_the_networks_answer_alike() {
    let folder = Folder::new("names");
    let answers = safetensors::read(&std::fs::read(given("answers.safetensors")).unwrap(), "answers").unwrap();
    for (name, bias, projections) in [
        ("kuangliu_resnet18", true, false),
        ("kuangliu_resnet50", true, false),
        ("own_resnet18", false, false),
        ("torchvision_resnet18", true, false),
        ("chenyaofo_resnet20", false, true),
    ] {
        let (json, state) = import(&folder, &format!("{name}.pth"), &[]).unwrap();
        assert_eq!((json["classifier_bias"].as_bool(), json["projections"].as_bool()), (Some(bias), Some(projections)), "{name}");
        let ours = answers_of(&state, &answers.tensors["pixels"]);
        // float32 through up to fifty layers on both sides, sums in another order.
        let theirs = &answers.tensors[name].data;
        let scale = theirs.iter().fold(1.0f32, |max, v| max.max(v.abs()));
        assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-4 * scale), "{name}: {ours:?} {theirs:?}");
    }
    let (_, sequences) = import(&folder, "sequences_resnet18.pth", &[]).unwrap();
    assert!(sequences.tensors == import(&folder, "kuangliu_resnet18.pth", &[]).unwrap().1.tensors);
    let (json, _) = import(&folder, "torchvision_resnet18.pth", &[]).unwrap();
    assert!(texts(&json["notes"])[0].contains("taken to have no pooling after it"), "{json}");
}

#[test]
fn the_difference_that_matters_is_named() {
    let folder = Folder::new("difference");
    for (name, more, words) in [
        ("torchvision_7x7.pth", &[][..], "its first convolution is 7x7, here it is 3x3"),
        ("torchvision_7x7.pth", &["--size", "64"], "7x7, as torchvision's, which pools after it by maximum"),
        ("preactivation.pth", &[], "no BatchNorm, as those of a pre-activation ResNet"),
        ("plain.pth", &["--model", "resnet20", "--width", "1"], "it is a tiny of width 0.25: say --model tiny --width 0.25"),
        ("kuangliu_resnet18.pth", &["--model", "resnet34"], "missing layer1.2.conv1.weight"),
        ("plain.pth", &["--width", "0.5"], "4 channels where this network has 8: say --width 0.25"),
    ] {
        let more: Vec<&str> = more.to_vec();
        let file = given(name);
        let (base, out) = (if name == "plain.pth" { "tiny" } else { "resnet18" }, folder.file("x.safetensors"));
        let mut arguments = vec!["import", file.to_str().unwrap(), "--out", &out];
        if !more.contains(&"--model") {
            arguments.extend(["--model", base]);
        }
        if !more.contains(&"--width") {
            arguments.extend(["--width", "0.01"]);
        }
        arguments.extend(more);
        let message = stderr(&sparring(&arguments));
        assert!(message.contains(words), "{name}: {message}");
    }
    assert!(import(&folder, "torchvision_7x7.pth", &["--stem", "large"]).is_ok(), "the user said that nothing pools");
}

#[test]
fn a_foreign_file_is_sent_to_import() {
    let folder = Folder::new("foreign");
    for name in ["plain.pth", "legacy.pth", "hub.safetensors"] {
        let file = given(name);
        let output = sparring(&["eval", "--checkpoint", file.to_str().unwrap(), "--data", "builtin", "--device", "cpu"]);
        let message = stderr(&output);
        assert!(output.status.code() == Some(1) && message.contains("sparring import") && message.contains(name), "{message}");
    }
    drop(folder);
}

/// The logits of a checkpoint for images.
fn answers_of(state: &StateDict, pixels: &Tensor) -> Vec<f32> {
    use sparring_core::Device;
    use sparring_core::data::Normalization;
    use sparring_core::net::scratch::Scratch;
    use sparring_core::net::zoo::{Architecture, Input};
    use sparring_core::net::{Io, Net, NetConfig, Placement};
    use sparring_core::ops::{OptimizerName, SAMPLE_WORDS, StepParams, padded_batch};

    let architecture = Architecture::from_metadata(&state.metadata, "checkpoint").unwrap();
    let (mean, std) = Normalization::Cifar10.mean_std();
    let graph = architecture.graph(Input { extent: (3, 32, 32), classes: 10, mean, std }).unwrap();
    let mut data = sparring_core::data::builtin::builtin(0.5, 1, 2, 1);
    data.test.bytes = pixels.data.iter().map(|v| *v as u8).collect::<Vec<u8>>().into();
    let (mut device, n) = (Device::cpu(), padded_batch(2));
    let io = Io::new(&mut device, data.extent, n, 2).unwrap();
    let placements = vec![Placement::Dense; graph.weights().len()];
    let config = NetConfig { graph, n, placements, training: OptimizerName::Sgd.into() };
    let net = Net::plan(&mut device, &mut Scratch::default(), io, state, config).unwrap();
    let mut out = Vec::new();
    // The loss against each class tells the logits but for a constant: log-probabilities.
    for class in 0..10u16 {
        data.test.labels = vec![class; 2];
        let mut batch = sparring_core::data::batch::HostBatch::default();
        batch.fill(&data, &data.test, &[0, 1], n, None).unwrap();
        device.write_u32(io.bytes, 0, &batch.words).unwrap();
        device.write_f32(io.augmentation, 0, &batch.params).unwrap();
        device.write_u32(io.labels, 0, &batch.labels).unwrap();
        net.eval_step(&mut device, &StepParams { n_valid: 2, ..StepParams::default() }).unwrap();
        let records = pollster::block_on(device.read_f32(io.samples, 0, 2 * SAMPLE_WORDS)).unwrap();
        out.push([records[0], records[SAMPLE_WORDS]].map(|loss| -loss));
    }
    (0..2).flat_map(|image| out.iter().map(move |class| class[image])).collect()
}
