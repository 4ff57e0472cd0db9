//! Sparse layers as modules: converted, recorded, shown; masks are the engine's own.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use burn::module::Module;
use burn::nn::BatchNorm;
use burn::nn::BatchNormConfig;
use burn::store::ModuleRecord;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use common::{floats, topology_of};
use sparring_burn::{Allocation, Chwn, SparseConv2d, SparseConv2dConfig, SparseLinear, SparseLinearConfig, Sparsity, convert};
use sparring_core::sparse::{density, mask};

#[derive(Module, Debug)]
struct Net {
    convs: Vec<SparseConv2d>,
    norm: BatchNorm,
    head: Option<SparseLinear>,
}

impl Net {
    fn new(device: &Device) -> Self {
        let conv = |c_in| SparseConv2dConfig::new([c_in, 8], [3, 3]).init(device);
        Self {
            convs: vec![conv(3), conv(8)],
            norm: BatchNormConfig::new(8).init(device),
            head: Some(SparseLinearConfig::new(8, 5).init(device)),
        }
    }
    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.norm.forward(self.convs[0].forward(x)));
        let x = relu(self.convs[1].forward(x)).mean_dims(&[2, 3]).flatten::<2>(1, 3);
        self.head.as_ref().unwrap().forward(x)
    }
    fn values(&self) -> [usize; 3] {
        [&self.convs[0].values, &self.convs[1].values, &self.head.as_ref().unwrap().values].map(|values| values.dims()[0])
    }
}

const SHAPES: [&[usize]; 3] = [&[8, 3, 3, 3], &[8, 8, 3, 3], &[5, 8]];

#[test]
fn converted_layers_have_the_engines_densities_and_masks() {
    let device = Device::flex();
    let net = Net::new(&device);
    let before = net.convs[1].clone();
    let sparse = Sparsity::new(0.2).with_seed(9).convert(net.clone()).unwrap();
    let erk = density::erk(&SHAPES.map(<[usize]>::to_vec), 0.2).unwrap();
    let counts: Vec<usize> = SHAPES.iter().zip(&erk).map(|(s, d)| density::count(*d, s.iter().product())).collect();
    assert_eq!(sparse.values().to_vec(), counts);
    let topology = topology_of(&sparse.convs[1].topology);
    let expected = mask::initial(9, 1, 576, erk[1]);
    assert_eq!(topology.positions(), expected);
    let old = floats(before.values.val());
    let kept: Vec<f32> = expected.iter().map(|p| old[*p as usize]).collect();
    assert_eq!(floats(sparse.convs[1].values.val()), kept, "weights are taken over");
    assert_eq!(sparse.convs[1].values.id, before.values.id, "optimizers know parameters by their ids");
    let uniform = Sparsity::new(0.25).with_allocation(Allocation::Uniform).convert(net.clone()).unwrap();
    assert_eq!(uniform.values(), [54, 144, 10]);
    // Sparser and sparser, never denser.
    let sparser = Sparsity::new(0.1).with_allocation(Allocation::Uniform).convert(uniform.clone()).unwrap();
    let within = topology_of(&uniform.convs[1].topology);
    assert!(topology_of(&sparser.convs[1].topology).positions().iter().all(|p| within.positions().contains(p)));
    let denser = Sparsity::new(0.5).convert(sparser).unwrap_err().to_string();
    assert!(denser.contains("convs.0") && denser.contains("begin with a density of 1"), "{denser}");
    assert!(convert(net.clone(), 0.0).is_err() && convert(net, f64::NAN).is_err());
    let none = convert(BatchNormConfig::new(3).init(&device), 0.5).unwrap_err().to_string();
    assert!(none.contains("no SparseConv2d"), "{none}");
}

#[test]
fn a_converted_model_is_the_dense_one_with_weights_left_out() {
    let device = Device::flex().autodiff();
    let net = convert(Net::new(&device), 0.3).unwrap();
    let x = common::tensor(common::normals(&mut common::stream(1), 4 * 3 * 49), [4, 3, 7, 7], &device);
    let grads = net.forward(x).powf_scalar(2.0).sum().backward();
    let conv = &net.convs[1];
    assert_eq!(conv.values.val().grad(&grads).unwrap().dims(), conv.values.dims());
    assert!(conv.probe.val().grad(&grads).is_none(), "nobody asked for a dense gradient");
}

#[test]
fn records_are_saved_and_loaded() {
    let device = Device::flex();
    let made = |seed| Sparsity::new(0.3).with_seed(seed).convert(Net::new(&device)).unwrap();
    let (saved, other) = (made(1), made(2));
    let x = common::tensor(common::normals(&mut common::stream(1), 3 * 3 * 49), [3, 3, 7, 7], &device);
    let expected = floats(saved.forward(x.clone()));
    assert_ne!(floats(other.forward(x.clone())), expected);
    let bytes = saved.clone().into_record().into_bytes().unwrap();
    let loaded = other.load_record(ModuleRecord::from_bytes(bytes).unwrap());
    assert_eq!(floats(loaded.forward(x)), expected);
    assert_eq!(topology_of(&loaded.convs[1].topology), topology_of(&saved.convs[1].topology));
    let denser = Sparsity::new(0.6).convert(Net::new(&device)).unwrap();
    let refused = denser.try_load_record(saved.into_record()).unwrap_err().to_string();
    assert!(refused.contains("values"), "{refused}");
}

#[test]
fn layers_show_what_they_are() {
    let net = convert(Net::new(&Device::flex()), 0.3).unwrap();
    let shown = net.to_string();
    assert!(shown.contains("SparseConv2d") && shown.contains("density"), "{shown}");
}

/// What a layer is called in PyTorch.
#[derive(Module, Debug)]
struct Named {
    conv1: SparseConv2d,
    bn1: BatchNorm,
    old: burn::nn::Linear,
    fc: SparseLinear,
}

impl Named {
    fn new(device: &Device) -> Self {
        Self {
            conv1: SparseConv2dConfig::new([2, 4], [3, 3]).with_bias(false).init(device),
            bn1: BatchNormConfig::new(4).init(device),
            old: burn::nn::LinearConfig::new(4, 6).init(device),
            fc: SparseLinearConfig::new(6, 3).init(device),
        }
    }
}

#[test]
fn weights_go_through_our_files_under_pytorchs_names() {
    use sparring_burn::weights::{load, open, state_of, summary, to_safetensors};
    let device = Device::flex();
    let net = convert(Named::new(&device), 0.4).unwrap();
    let state = state_of(&net).unwrap();
    let names: Vec<&str> = state.tensors.keys().map(String::as_str).collect();
    let expected =
        ["bn1.bias", "bn1.running_mean", "bn1.running_var", "bn1.weight", "conv1.weight", "fc.bias", "fc.weight", "old.bias", "old.weight"];
    assert_eq!(names, expected);
    assert_eq!(state.tensors["old.weight"].shape, [6, 4]);
    assert_eq!(state.tensors["fc.weight"].shape, [3, 6]);
    assert_eq!(state.metadata["placement"], "sparse");
    let old = floats(net.old.weight.val().transpose());
    assert_eq!(state.tensors["old.weight"].data, old);

    let read = open(&to_safetensors(&net).unwrap(), "net.safetensors").unwrap();
    let loaded = load(convert(Named::new(&device), 0.2).unwrap(), &read).unwrap();
    assert_eq!(state_of(&loaded).unwrap(), state, "topologies are the file's");
    assert_eq!(summary(&loaded).unwrap(), summary(&net).unwrap());

    // A network that was wrapped before it was saved, as data-parallel ones are.
    let mut wrapped = state.clone();
    wrapped.tensors = state.tensors.iter().map(|(name, tensor)| (format!("module.{name}"), tensor.clone())).collect();
    assert_eq!(state_of(&load(convert(Named::new(&device), 0.2).unwrap(), &wrapped).unwrap()).unwrap(), state);
    wrapped.tensors.insert("other.weight".into(), Default::default());
    assert!(load(net.clone(), &wrapped).unwrap_err().to_string().contains("the file has no 'conv1.weight'"));

    // A dense file: what the model has of it.
    let dense = state_of(&Named::new(&device)).unwrap();
    assert!(!dense.metadata.contains_key("placement"));
    let part = load(net.clone(), &dense).unwrap();
    let kept = topology_of(&part.fc.topology);
    assert_eq!(kept, topology_of(&net.fc.topology));
    let taken: Vec<f32> = kept.positions().iter().map(|p| dense.tensors["fc.weight"].data[*p as usize]).collect();
    assert_eq!(floats(part.fc.values.val()), taken);

    let mut odd = dense.clone();
    odd.tensors.insert("bn1.num_batches_tracked".into(), Default::default());
    assert!(load(net.clone(), &odd).is_ok(), "PyTorch's counters are left out");
    odd.tensors.insert("layer9.weight".into(), Default::default());
    let more = load(net.clone(), &odd).unwrap_err().to_string();
    assert!(more.contains("layer9.weight") && more.contains("another network"), "{more}");
    odd.tensors.remove("fc.weight");
    assert!(load(net.clone(), &odd).unwrap_err().to_string().contains("no 'fc.weight'"));
    odd.tensors.insert("fc.weight".into(), sparring_core::formats::Tensor { shape: vec![18], data: vec![0.0; 18] });
    assert!(load(net, &odd).unwrap_err().to_string().contains("[3, 6]"));
}

#[test]
fn parameters_that_do_not_belong_together_are_refused() {
    let device = Device::flex();
    let conv = SparseConv2dConfig::new([3, 8], [3, 3]).with_density(0.5).init(&device);
    let x = Tensor::<4>::ones([4, 3, 6, 6], &device);
    let mut other = conv.clone();
    other.values = SparseConv2dConfig::new([3, 16], [3, 3]).with_density(0.5).init(&device).values;
    let error = other.try_forward(x.clone()).unwrap_err().to_string();
    assert!(error.contains("SparseConv2d") && error.contains("topology") && error.contains("216 values"), "{error}");
    let mut half = conv.clone();
    half.values = burn::module::Param::from_tensor(conv.values.val().cast(burn::tensor::DType::F16));
    let error = half.try_forward(x.clone()).unwrap_err().to_string();
    assert!(error.contains("F32") && error.contains("F16"), "{error}");
    assert_eq!(conv.try_forward(x).unwrap().dims(), [4, 8, 4, 4]);
}

#[test]
fn what_is_done_to_samples_is_not_done_to_lanes_of_nothing() {
    let device = Device::flex().autodiff();
    let conv = SparseConv2dConfig::new([2, 4], [1, 1]).with_density(0.5).with_seed(Some(1)).init(&device);
    // Three samples: a fourth lane of zeros, whose logarithm is not finite.
    let x = Tensor::<4>::ones([3, 2, 2, 2], &device);
    let y = conv.forward_chwn(Chwn::from_nchw(x).map(|x| x.log() + 1.0)).into_nchw();
    let grads = y.powf_scalar(2.0).sum().backward();
    let gradient = floats(conv.values.val().grad(&grads).unwrap());
    assert!(gradient.iter().all(|g| g.is_finite()) && gradient.iter().any(|g| *g != 0.0), "{gradient:?}");
}

/// A record of a layer of other extents may have as many values and as many words.
#[test]
fn a_record_of_other_extents_is_noticed() {
    let device = Device::flex();
    let made = |channels| SparseConv2dConfig::new(channels, [3, 3]).with_density(0.5).with_bias(false).init(&device);
    let (saved, other) = (made([8, 4]), made([4, 8]));
    assert_eq!((saved.values.dims(), saved.topology.dims()), (other.values.dims(), other.topology.dims()), "else Burn refuses it");
    let loaded = other.try_load_record(saved.clone().into_record()).unwrap();
    let error = loaded.try_forward(Tensor::ones([4, 4, 6, 6], &device)).unwrap_err().to_string();
    assert!(error.contains("topology") && error.contains("record of this very model"), "{error}");
    let error = sparring_burn::weights::summary(&loaded).unwrap_err().to_string();
    assert!(error.contains("same extents"), "{error}");
    let again = made([8, 4]).try_load_record(saved.into_record()).unwrap();
    assert_eq!(again.try_forward(Tensor::ones([4, 8, 6, 6], &device)).unwrap().dims(), [4, 4, 4, 4]);
}

#[derive(Module, Debug)]
struct Norms {
    group: burn::nn::GroupNorm,
    layer: burn::nn::LayerNorm,
    instance: burn::nn::InstanceNorm,
    rms: burn::nn::RmsNorm,
}

#[test]
fn norms_are_called_as_in_pytorch() {
    let device = Device::flex();
    let net = Norms {
        group: burn::nn::GroupNormConfig::new(2, 4).init(&device),
        layer: burn::nn::LayerNormConfig::new(4).init(&device),
        instance: burn::nn::InstanceNormConfig::new(4).init(&device),
        rms: burn::nn::RmsNormConfig::new(4).init(&device),
    };
    let state = sparring_burn::weights::state_of(&net).unwrap();
    let names: Vec<&str> = state.tensors.keys().map(String::as_str).collect();
    assert_eq!(names, ["group.bias", "group.weight", "instance.bias", "instance.weight", "layer.bias", "layer.weight", "rms.weight"]);
}
