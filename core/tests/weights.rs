//! Files of weights: what is written comes back, and PyTorch reads it by the lines in `docs/weights.md`.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use pollster::block_on;
use sparring_core::Device;
use sparring_core::data::batch::HostBatch;
use sparring_core::data::builtin::builtin;
use sparring_core::data::{Dataset, Normalization};
use sparring_core::formats::{MODEL, NORMALIZATION, safetensors, torch};
use sparring_core::formats::{StateDict, Tensor};
use sparring_core::net::Io;
use sparring_core::net::NetConfig;
use sparring_core::net::init;
use sparring_core::net::plan::{Net, Placement};
use sparring_core::net::scratch::Scratch;
use sparring_core::net::zoo::{Input, Model};
use sparring_core::ops::OptimizerName;
use sparring_core::ops::{SAMPLE_WORDS, StepParams, padded_batch};
use sparring_core::rng::{Purpose, Stream};

const DOCS: &str = include_str!("../../docs/weights.md");
/// Both sides compute in float32, PyTorch in another order of sums.
const TOLERANCE: f32 = 1e-4;

#[test]
fn golden_states_come_back_bit_for_bit() {
    let folder = std::env::var_os("SPARRING_GOLDEN")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden")), PathBuf::from);
    let mut states = 0;
    for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "safetensors"))
    {
        let case = safetensors::read(&std::fs::read(&path).unwrap(), "case").unwrap();
        let tensors: BTreeMap<String, Tensor> =
            case.tensors.into_iter().filter_map(|(name, t)| Some((name.strip_prefix("state.")?.to_owned(), t))).collect();
        if tensors.is_empty() {
            continue;
        }
        let state = StateDict { tensors, metadata: BTreeMap::from([(MODEL.to_owned(), "golden".to_owned())]) };
        let bytes = safetensors::write(&state).unwrap();
        let back = safetensors::read(&bytes, "weights").unwrap();
        let bits = |s: &StateDict| s.tensors.values().flat_map(|t| t.data.iter().map(|v| v.to_bits())).collect::<Vec<_>>();
        assert_eq!((back.tensors.keys().collect::<Vec<_>>(), &back.metadata), (state.tensors.keys().collect(), &state.metadata));
        assert!(back.tensors.iter().all(|(name, t)| t.shape == state.tensors[name].shape) && bits(&back) == bits(&state));
        assert_eq!(safetensors::write(&back).unwrap(), bytes);
        states += 1;
    }
    assert!(states > 0, "no golden case holds a state");
}

/// The engine's loss of each test image.
fn losses(data: &Dataset, state: &StateDict) -> Vec<f32> {
    let input = Input { extent: data.extent, classes: data.classes.len(), mean: data.mean, std: data.std };
    let (graph, count) = (Model::Tiny.graph(input).unwrap(), data.test.len());
    let (mut device, n) = (Device::cpu(), padded_batch(count));
    let io = Io::new(&mut device, data.extent, n, count).unwrap();
    let placements = vec![Placement::Dense; graph.weights().len()];
    let net =
        Net::plan(&mut device, &mut Scratch::default(), io, state, NetConfig { graph, n, placements, training: OptimizerName::Sgd.into() })
            .unwrap();
    let mut batch = HostBatch::default();
    batch.fill(data, &data.test, &(0..count as u32).collect::<Vec<_>>(), n, None).unwrap();
    device.write_u32(io.bytes, 0, &batch.words).unwrap();
    device.write_f32(io.augmentation, 0, &batch.params).unwrap();
    device.write_u32(io.labels, 0, &batch.labels).unwrap();
    net.eval_step(&mut device, &StepParams { n_valid: count as u32, ..StepParams::default() }).unwrap();
    let records = block_on(device.read_f32(io.samples, 0, count * SAMPLE_WORDS)).unwrap();
    records.chunks_exact(SAMPLE_WORDS).map(|r| r[0]).collect()
}

#[test]
fn pytorch_reads_a_file_by_the_documented_lines_and_its_files_are_read() {
    for normalization in Normalization::ALL {
        let (mean, std) = normalization.mean_std();
        let channels = normalization.channels().unwrap_or(3);
        let list = |v: [f32; 4]| v[..channels].iter().map(|x| format!("{x:.4}")).collect::<Vec<_>>().join(", ");
        let line = format!("\"{normalization}\": ([{}], [{}]),", list(mean), list(std));
        assert!(DOCS.contains(&line), "docs/weights.md lacks {line}");
    }
    let python = std::env::var("SPARRING_PYTHON").unwrap_or_else(|_| "python3".into());
    let present = Command::new(&python).args(["-c", "import torch, safetensors.torch"]).output().is_ok_and(|o| o.status.success());
    if !present {
        println!("skipped: torch not present");
        return;
    }
    let data = builtin(0.5, 1, 6, 1);
    let input = Input { extent: data.extent, classes: data.classes.len(), mean: data.mean, std: data.std };
    let mut state = init::initial_state(&Model::Tiny.graph(input).unwrap(), 3);
    let mut stream = Stream::new(1, Purpose::Test, 0, 0);
    for tensor in state.tensors.values_mut() {
        tensor.data.iter_mut().for_each(|v| *v += 0.2 * (stream.uniform() - 0.5));
    }
    state.metadata.insert(NORMALIZATION.into(), data.name.clone());
    let tensor = |shape: &[usize], data: Vec<f32>| Tensor { shape: shape.to_vec(), data };
    let pixels = data.test.bytes.iter().map(|b| f32::from(*b) / 255.0).collect();
    let labels = data.test.labels.iter().map(|l| f32::from(*l)).collect();
    let inputs = [("pixels", tensor(&[6, 3, 32, 32], pixels)), ("labels", tensor(&[6], labels))];
    let inputs = StateDict { tensors: inputs.map(|(name, t)| (name.to_owned(), t)).into(), metadata: BTreeMap::new() };

    let folder = std::env::temp_dir().join(format!("sparring-weights-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let put = |name: &str, state: &StateDict| std::fs::write(folder.join(name), safetensors::write(state).unwrap()).unwrap();
    put("weights.safetensors", &state);
    put("inputs.safetensors", &inputs);
    let lines = DOCS.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let check = "\nx = load_file('inputs.safetensors')\nlosses = torch.nn.functional.cross_entropy(load('weights.safetensors')(x['pixels']), x['labels'].long(), reduction='none')\nprint(*losses.tolist())\n\
        wrapped = torch.nn.DataParallel(load('weights.safetensors')).state_dict()\n\
        torch.save({'epoch': 3, 'state_dict': wrapped}, 'zip.pth')\n\
        torch.save(wrapped, 'legacy.th', _use_new_zipfile_serialization=False)\n";
    let output = run(&python, &folder, &format!("{lines}{check}"));
    for name in ["zip.pth", "legacy.th"] {
        let mut back = torch::read(&std::fs::read(folder.join(name)).unwrap(), name).unwrap();
        back.tensors.retain(|name, _| !name.ends_with("num_batches_tracked"));
        assert!(back.tensors == state.tensors, "{name}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
    let theirs: Vec<f32> = output.split_whitespace().map(|v| v.parse().unwrap()).collect();
    let ours = losses(&data, &state);
    println!("PyTorch {theirs:?}\nours    {ours:?}");
    assert_eq!(theirs.len(), ours.len());
    assert!(theirs.iter().zip(&ours).all(|(a, b)| (a - b).abs() < TOLERANCE * b.abs().max(1.0)));
}

fn run(python: &str, folder: &Path, code: &str) -> String {
    let output = Command::new(python).args(["-c", code]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
