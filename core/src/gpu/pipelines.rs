//! Pipelines by (shader, constants) and bind group layouts by signature, each made once a device.

use std::collections::HashMap;

use super::launch::Launch;
use super::shaders;
use crate::error::{Error, Result};

/// A shader, and which of its activations are stored in 16 bits.
type Module = (&'static str, Vec<&'static str>);

#[derive(PartialEq, Eq, Hash)]
struct Key {
    module: Module,
    constants: Vec<(&'static str, u64)>,
    signature: Vec<bool>,
}

/// All pipelines made so far.
pub struct Pipelines {
    modules: HashMap<Module, wgpu::ShaderModule>,
    layouts: HashMap<Vec<bool>, (wgpu::BindGroupLayout, wgpu::PipelineLayout)>,
    pipelines: HashMap<Key, wgpu::ComputePipeline>,
    step_layout: wgpu::BindGroupLayout,
}

fn entry(binding: u32, ty: wgpu::BufferBindingType) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    }
}

impl Pipelines {
    /// None yet.
    pub fn new(device: &wgpu::Device) -> Self {
        let step_layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("step"),
            entries: &[entry(0, wgpu::BufferBindingType::Uniform)],
        });
        Self { modules: HashMap::new(), layouts: HashMap::new(), pipelines: HashMap::new(), step_layout }
    }
    /// The layout of group 1: the step's parameters.
    pub fn step_layout(&self) -> &wgpu::BindGroupLayout {
        &self.step_layout
    }
    /// The pipeline of a launch and the layout of its group 0. `halves`: its tensors that are stored in 16 bits.
    pub fn get(
        &mut self,
        device: &wgpu::Device,
        launch: &Launch,
        halves: Vec<&'static str>,
    ) -> Result<(wgpu::ComputePipeline, wgpu::BindGroupLayout)> {
        let signature: Vec<bool> = launch.bindings.iter().map(|b| b.write).collect();
        let (bind_layout, layout) = self.layouts.entry(signature.clone()).or_insert_with(|| {
            let entries: Vec<_> =
                (0u32..).zip(&signature).map(|(i, &write)| entry(i, wgpu::BufferBindingType::Storage { read_only: !write })).collect();
            let bind = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
            let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &[Some(&bind), Some(&self.step_layout)],
                immediate_size: 0,
            });
            (bind, layout)
        });
        let constants = launch.constants.iter().map(|&(name, value)| (name, value.to_bits())).collect();
        let key = Key { module: (launch.shader, halves), constants, signature };
        if let Some(pipeline) = self.pipelines.get(&key) {
            return Ok((pipeline.clone(), bind_layout.clone()));
        }
        if !self.modules.contains_key(&key.module) {
            let source = shaders::source(launch.shader, &key.module.1)
                .ok_or_else(|| Error::validation(format!("no shader is called '{}'", launch.shader)))?;
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(launch.shader),
                source: wgpu::ShaderSource::Wgsl(source.into()),
            });
            self.modules.insert(key.module.clone(), module);
        }
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(launch.shader),
            layout: Some(layout),
            module: &self.modules[&key.module],
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &launch.constants,
                // Every kernel writes its workgroup memory before it reads it.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        self.pipelines.insert(key, pipeline.clone());
        Ok((pipeline, bind_layout.clone()))
    }
}
