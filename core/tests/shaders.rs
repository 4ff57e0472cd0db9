//! Every shader, in every permutation the ops produce, parses and validates with naga and keeps to WebGPU's default limits.
//! Needs no GPU. `SPARRING_SHADERS_JSON=FILE` also writes them all out, for a browser to compile: naga is not Tint.
#![allow(clippy::unwrap_used, reason = "tests")]

mod all_ops;

use std::collections::{BTreeMap, BTreeSet};

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, StorageAccess};
use sparring_core::device::info::Kernel;
use sparring_core::gpu::encode::encode;
use sparring_core::gpu::launch::{Binding, Source};
use sparring_core::gpu::portable::portable;
use sparring_core::gpu::shaders;
use sparring_core::ops::StepParams;

/// Panics with the expanded source where naga finds fault with it.
fn validated(name: &str, source: &str) -> (naga::Module, naga::valid::ModuleInfo) {
    let numbered = || source.lines().zip(1..).map(|(l, n)| format!("{n:4} {l}\n")).collect::<String>();
    let module = naga::front::wgsl::parse_str(source).unwrap_or_else(|e| panic!("{name}: {}\n{}", e.emit_to_string(source), numbered()));
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .unwrap_or_else(|e| panic!("{name}: {}\n{}", e.emit_to_string(source), numbered()));
    (module, info)
}

#[test]
fn every_permutation_is_valid_and_within_the_default_limits() {
    let ops = all_ops::all();
    let module = |name, halves: &[&str]| validated(name, &shaders::source(name, halves).unwrap().text);
    let mut modules = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut permutations = Vec::new();
    let launches: Vec<_> = Kernel::ALL.iter().flat_map(|k| ops.iter().flat_map(move |op| encode(op, *k).unwrap())).collect();
    // With activations in 32 bits, and with those that are bound in 16.
    for (launch, half) in launches.iter().flat_map(|launch| [(launch, false), (launch, true)]) {
        let bound = launch.bindings.iter().filter(|b| b.activation && b.source != Source::Nothing);
        let halves: Vec<_> = bound.map(|b| b.tensor).filter(|_| half).collect();
        let key = format!("{} {:?} {halves:?}", launch.shader, launch.numbers);
        let (module, info) = modules.entry((launch.shader, halves.clone())).or_insert_with(|| module(launch.shader, &halves));
        let mut variables = BTreeMap::new();
        for (_, v) in module.global_variables.iter() {
            if let (AddressSpace::Storage { access }, Some(b)) = (v.space, &v.binding) {
                variables.insert(b.binding, (v.name.clone().unwrap(), access.contains(StorageAccess::STORE)));
            }
        }
        let variables: Vec<_> = variables.into_values().collect();
        // What adds partial sums does it for any tensor.
        let name = |b: &Binding| if launch.shader == "sum_partials" && b.write { "out" } else { b.tensor }.to_owned();
        assert_eq!(variables, launch.bindings.iter().map(|b| (name(b), b.write)).collect::<Vec<_>>(), "{key}: bindings");
        let overrides: BTreeSet<_> = module.overrides.iter().filter_map(|(_, o)| o.name.clone()).collect();
        let source = shaders::source(launch.shader, &halves).unwrap();
        let args: BTreeSet<_> = source.args.iter().map(|arg| arg.name).collect();
        let asked: BTreeSet<_> = overrides.iter().map(String::as_str).chain(args.iter().copied()).collect();
        let given: BTreeSet<_> = launch.numbers.iter().map(|(name, _)| *name).collect();
        assert_eq!(asked, given, "{key}: the shader's overrides and arguments, and the numbers given to it");
        assert!(source.args.len() <= 64, "{key}: at most 64 words of arguments");
        let constants: Vec<_> = launch.numbers.iter().copied().filter(|(name, _)| !args.contains(name)).collect();
        let key = format!("{} {constants:?} {halves:?}", launch.shader);
        assert!(variables.len() <= 8, "{key}: at most 8 storage buffers a stage");
        if !seen.insert(key.clone()) {
            continue;
        }
        permutations.push(serde_json::json!({
            "shader": launch.shader,
            "source": source.text,
            "constants": constants.iter().copied().collect::<BTreeMap<_, _>>(),
            "writes": variables.iter().map(|(_, write)| write).collect::<Vec<_>>(),
        }));
        let constants = constants.iter().map(|&(name, value)| (name.to_string(), value)).collect();
        let entry = Some((naga::ShaderStage::Compute, "main"));
        let (module, _) =
            naga::back::pipeline_constants::process_overrides(module, info, entry, &constants).unwrap_or_else(|e| panic!("{key}: {e}"));
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let shared = module.global_variables.iter().filter(|(_, v)| v.space == AddressSpace::WorkGroup);
        let bytes: u32 = shared.map(|(_, v)| layouter[v.ty].size).sum();
        assert!(bytes <= 16_384, "{key}: {bytes} bytes of workgroup memory");
        assert!(module.entry_points[0].workgroup_size.iter().product::<u32>() <= 256, "{key}");
    }
    let used: BTreeSet<_> = seen.iter().filter_map(|key| key.split(' ').next()).collect();
    let all: BTreeSet<_> = shaders::names().collect();
    assert_eq!(used, all, "some shader is never launched by these ops");
    if let Some(file) = std::env::var_os("SPARRING_SHADERS_JSON") {
        std::fs::write(file, serde_json::to_vec(&permutations).unwrap()).unwrap();
    }
    println!("{} permutations of {} shaders", seen.len(), all.len());
}

/// The stages that other engines run: products of convolutions, and sums of their partial results.
fn is_handed_on(shader: &str) -> bool {
    shader == "sum_partials" || (shader.contains("conv_") && shader != "conv_sample_norm")
}

#[test]
fn every_stage_is_valid_as_one_group_for_another_engine() {
    let mut seen = BTreeSet::new();
    for (op, kernel) in Kernel::ALL.iter().flat_map(|k| all_ops::all().into_iter().map(move |op| (op, *k))) {
        for launch in encode(&op, kernel).unwrap() {
            let handed = portable(&launch, &StepParams::default()).unwrap();
            let key = format!("{} {:?}", launch.shader, handed.constants);
            if !seen.insert((key.clone(), handed.words.len())) {
                continue;
            }
            let (module, info) = validated(&key, &handed.text);
            assert!(module.overrides.is_empty(), "{key}: a constant is left open");
            let main = module.entry_points.iter().position(|entry| entry.name == "main").unwrap();
            assert_eq!(module.entry_points[main].workgroup_size, [handed.threads, 1, 1], "{key}");
            let last = launch.bindings.len() as u32;
            let mut bound = BTreeSet::new();
            for (handle, v) in module.global_variables.iter() {
                let Some(binding) = &v.binding else { continue };
                assert_eq!(binding.group, 0, "{key}: {:?} is in another group", v.name);
                match v.space {
                    AddressSpace::Storage { access } => assert!(binding.binding < last && access.contains(StorageAccess::STORE), "{key}"),
                    space => assert_eq!((space, binding.binding), (AddressSpace::Uniform, last), "{key}"),
                }
                if v.space == AddressSpace::Uniform {
                    let mut layouter = naga::proc::Layouter::default();
                    layouter.update(module.to_ctx()).unwrap();
                    assert!(layouter[v.ty].size as usize <= 4 * handed.words.len(), "{key}: the uniform is longer than its words");
                }
                // Such an engine's layout has only what the stage uses.
                let used = !info.get_entry_point(main)[handle].is_empty();
                assert!(used || !is_handed_on(launch.shader), "{key}: {:?} is bound and not used", v.name);
                bound.insert(binding.binding);
            }
            let expected = if handed.words.is_empty() { 0..last } else { 0..last + 1 };
            assert_eq!(bound, expected.collect(), "{key}: bindings");
        }
    }
    println!("{} texts", seen.len());
}

#[test]
fn the_step_parameters_have_the_layout_the_shaders_expect() {
    let (module, _) = validated("sgd_update", &shaders::source("sgd_update", &[]).unwrap().text);
    let (_, ty) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some("StepParams")).unwrap();
    let naga::TypeInner::Struct { members, span } = &ty.inner else { panic!("not a struct") };
    assert_eq!(*span as usize, size_of::<StepParams>());
    let offset = |name: &str| members.iter().find(|m| m.name.as_deref() == Some(name)).unwrap().offset as usize;
    assert_eq!(offset("n_valid"), std::mem::offset_of!(StepParams, n_valid));
    assert_eq!(offset("sample_offset"), std::mem::offset_of!(StepParams, sample_offset));
    assert_eq!(offset("lr"), std::mem::offset_of!(StepParams, lr));
    assert_eq!(offset("momentum"), std::mem::offset_of!(StepParams, momentum));
    assert_eq!(offset("weight_decay"), std::mem::offset_of!(StepParams, weight_decay));
    assert_eq!(offset("beta2"), std::mem::offset_of!(StepParams, beta2));
    assert_eq!(offset("epsilon"), std::mem::offset_of!(StepParams, epsilon));
    assert_eq!(offset("correction1"), std::mem::offset_of!(StepParams, correction1));
    assert_eq!(offset("correction2"), std::mem::offset_of!(StepParams, correction2));
    assert_eq!(offset("batch"), std::mem::offset_of!(StepParams, batch));
    assert_eq!(offset("label_smoothing"), std::mem::offset_of!(StepParams, label_smoothing));
    assert_eq!(offset("nesterov"), std::mem::offset_of!(StepParams, nesterov));
}

#[test]
fn a_faulty_shader_would_be_noticed() {
    let source = shaders::source("relu", &[]).unwrap().text.replace("array<vec4<f32>>", "array<bool>");
    assert!(std::panic::catch_unwind(|| validated("relu", &source)).is_err());
}
