//! Pipelines by (shader, constants) and bind group layouts by signature, each made once a device.
//!
//! Making one takes a driver 20 to 300 ms, so sizes and switches are arguments of a dispatch and only what shapes the code is a constant.

use std::collections::{BTreeSet, HashMap};

use super::launch::Launch;
use super::shaders::{self, Arg};
use crate::error::{Error, Result};

/// A shader, and which of its activations are stored in 16 bits.
type Module = (&'static str, Vec<&'static str>);

#[derive(PartialEq, Eq, Hash)]
struct Key {
    module: Module,
    constants: Vec<(&'static str, u64)>,
    signature: Vec<bool>,
}

/// What a dispatch runs, and how it is given its numbers.
pub struct Prepared {
    /// What runs.
    pub pipeline: wgpu::ComputePipeline,
    /// The layout of group 0: its tensors.
    pub layout: wgpu::BindGroupLayout,
    /// The words of its arguments.
    pub args: Vec<u32>,
}

/// All pipelines made so far.
pub struct Pipelines {
    modules: HashMap<Module, (wgpu::ShaderModule, Vec<Arg>)>,
    layouts: HashMap<Vec<bool>, (wgpu::BindGroupLayout, wgpu::PipelineLayout)>,
    pipelines: HashMap<Key, wgpu::ComputePipeline>,
    numbers_layout: wgpu::BindGroupLayout,
}

fn entry(binding: u32, ty: wgpu::BufferBindingType, has_dynamic_offset: bool) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
        count: None,
    }
}

impl Pipelines {
    /// None yet.
    pub fn new(device: &wgpu::Device) -> Self {
        let numbers_layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("numbers"),
            entries: &[entry(0, wgpu::BufferBindingType::Uniform, false), entry(1, wgpu::BufferBindingType::Uniform, true)],
        });
        Self { modules: HashMap::new(), layouts: HashMap::new(), pipelines: HashMap::new(), numbers_layout }
    }
    /// The layout of group 1: the step's parameters, and the arguments of a dispatch.
    pub fn numbers_layout(&self) -> &wgpu::BindGroupLayout {
        &self.numbers_layout
    }
    /// Shader and constants of each.
    pub fn described(&self) -> BTreeSet<String> {
        let described = |key: &Key| {
            let (shader, halves) = &key.module;
            let constants: Vec<_> = key.constants.iter().map(|(name, bits)| format!("{name} {}", f64::from_bits(*bits))).collect();
            format!("{shader} [{}] {halves:?}", constants.join(", "))
        };
        self.pipelines.keys().map(described).collect()
    }
    /// What a launch runs. `halves`: its tensors that are stored in 16 bits.
    ///
    /// # Errors
    /// `Validation` where the shader is missing, or is not given a number that it asks for.
    pub fn get(&mut self, device: &wgpu::Device, launch: &Launch, halves: Vec<&'static str>) -> Result<Prepared> {
        let signature: Vec<bool> = launch.bindings.iter().map(|b| b.write).collect();
        let (bind_layout, layout) = self.layouts.entry(signature.clone()).or_insert_with(|| {
            let storage = |write: bool| wgpu::BufferBindingType::Storage { read_only: !write };
            let entries: Vec<_> = (0u32..).zip(&signature).map(|(i, &write)| entry(i, storage(write), false)).collect();
            let bind = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
            let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &[Some(&bind), Some(&self.numbers_layout)],
                immediate_size: 0,
            });
            (bind, layout)
        });
        let module = (launch.shader, halves);
        if !self.modules.contains_key(&module) {
            let shader = shaders::source(launch.shader, &module.1)
                .ok_or_else(|| Error::validation(format!("no shader is called '{}'", launch.shader)))?;
            let made = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(launch.shader),
                source: wgpu::ShaderSource::Wgsl(shader.text.into()),
            });
            self.modules.insert(module.clone(), (made, shader.args));
        }
        let (code, args) = &self.modules[&module];
        let (words, constants) = split(launch, args)?;
        let key = Key { module, constants: constants.iter().map(|&(name, value)| (name, value.to_bits())).collect(), signature };
        let pipeline = self.pipelines.entry(key).or_insert_with(|| {
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(launch.shader),
                layout: Some(layout),
                module: code,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &constants,
                    // Every kernel writes its workgroup memory before it reads it.
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            })
        });
        Ok(Prepared { pipeline: pipeline.clone(), layout: bind_layout.clone(), args: words })
    }
}

/// Constants of a pipeline, by name.
pub(super) type Constants = Vec<(&'static str, f64)>;

/// A launch's numbers: the words of its shader's arguments, and the constants.
pub(super) fn split(launch: &Launch, args: &[Arg]) -> Result<(Vec<u32>, Constants)> {
    let word = |arg: &Arg| {
        let given = launch.numbers.iter().find(|(name, _)| *name == arg.name);
        given.map(|(_, value)| arg.word(*value)).ok_or_else(|| Error::validation(format!("{} gives no '{}'", launch.op, arg.name)))
    };
    let words = args.iter().map(word).collect::<Result<_>>()?;
    let constants = launch.numbers.iter().copied().filter(|(name, _)| args.iter().all(|arg| arg.name != *name));
    Ok((words, constants.collect()))
}
