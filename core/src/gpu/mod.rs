//! The GPU backend: adapter, buffers, pipelines, programs, readback, straight on wgpu.
//!
//! An op becomes one or two dispatches (`launch`, `encode`); a program's bind groups are made once, a run only encodes.
//! Everything the device reports beside our calls ends up in `faults` and comes back as a typed error.

pub mod encode;
mod faults;
pub mod launch;
mod memory;
mod pipelines;
pub mod portable;
mod program;
pub mod shaders;
#[cfg(test)]
mod tests;
pub mod tuning;

use std::collections::{BTreeSet, HashMap};
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_channel::oneshot;

use crate::bf16::Bf16;
use crate::device::info::{DeviceInfo, Kernel, Kernels};
use crate::error::{Error, Result};
use crate::ops::{BufferId, Dtype, Held, Op, StepParams};
use crate::platform::{gpu_callbacks, gpu_wait};
use faults::Faults;
use launch::{Launch, Source};
use memory::{Memory, Scratch};
use pipelines::Pipelines;
pub use program::GpuProgram;
use program::{Args, Dispatch, Pace};
use tuning::Tuning;

/// A GPU and its buffers.
pub struct GpuDevice {
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: DeviceInfo,
    limits: wgpu::Limits,
    faults: Faults,
    buffers: HashMap<BufferId, Memory>,
    next: u32,
    bytes: Arc<AtomicU64>,
    pipelines: Pipelines,
    /// By which kernels products are made for which there are several.
    tuning: Tuning,
    /// Those that make whatever they can, in tests of each.
    forced: Vec<Kernel>,
    /// The last scratch memory made, while a program refers to it.
    scratch: Weak<Scratch>,
    /// Bound where a shader's permutation does not touch a binding.
    nothing: [wgpu::Buffer; 2],
    step: wgpu::Buffer,
    pace: Mutex<Pace>,
}

/// Every adapter that this machine offers, hardware and software.
pub async fn adapters() -> Vec<DeviceInfo> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    instance.enumerate_adapters(wgpu::Backends::all()).await.iter().map(|adapter| describe(&adapter.get_info())).collect()
}

/// The GPU that [`GpuDevice::open`] takes in this process; without one the fastest.
static CHOSEN: AtomicUsize = AtomicUsize::new(usize::MAX);

/// From here on this process opens the GPU of this number among [`hardware`], where several processes share a machine.
pub fn choose(number: usize) {
    CHOSEN.store(number, Ordering::Relaxed);
}

/// The hardware GPUs of this machine by their numbers, each once, though several drivers may offer it.
pub async fn hardware() -> Vec<DeviceInfo> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    numbered(&instance).await.iter().map(|adapter| describe(&adapter.get_info())).collect()
}

async fn numbered(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    let is_hardware = |adapter: &wgpu::Adapter| adapter.get_info().device_type != wgpu::DeviceType::Cpu;
    let mut all: Vec<wgpu::Adapter> = instance.enumerate_adapters(wgpu::Backends::PRIMARY).await;
    all.retain(is_hardware);
    // Where one GPU is offered by two of them, the first is taken alone.
    if let Some(first) = all.first().map(|adapter| adapter.get_info().backend) {
        all.retain(|adapter| adapter.get_info().backend == first);
    }
    all
}

fn describe(found: &wgpu::AdapterInfo) -> DeviceInfo {
    DeviceInfo {
        name: if found.name.is_empty() { "GPU".into() } else { found.name.clone() },
        backend: match found.backend {
            wgpu::Backend::BrowserWebGpu => "webgpu".into(),
            other => other.to_string(),
        },
        driver: [found.driver.as_str(), &found.driver_info].join(" ").trim().to_string(),
        software: found.device_type == wgpu::DeviceType::Cpu,
        kernels: Kernels::new(),
    }
}

impl GpuDevice {
    /// Opens the fastest adapter; software adapters only where `allow_software`.
    ///
    /// # Errors
    /// `NoAdapter`, saying what was found and why it was not taken.
    pub async fn open(allow_software: bool) -> Result<Self> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let options = wgpu::RequestAdapterOptions { power_preference: wgpu::PowerPreference::HighPerformance, ..Default::default() };
        let adapter = match CHOSEN.load(Ordering::Relaxed) {
            usize::MAX => instance.request_adapter(&options).await.map_err(|e| Error::no_adapter(e.to_string()))?,
            number => {
                let mut all = numbered(&instance).await;
                if number >= all.len() {
                    return Err(Error::no_adapter(format!(
                        "there is no GPU {number}: {} hardware GPUs were found, counted from 0",
                        all.len()
                    )));
                }
                all.swap_remove(number)
            }
        };
        let found = adapter.get_info();
        let software = found.device_type == wgpu::DeviceType::Cpu;
        if software && !allow_software {
            let name = if found.name.is_empty() { String::new() } else { format!(" ({})", found.name) };
            return Err(Error::no_adapter(format!("the adapter here is emulated in software{name}, slower than the CPU backend")));
        }
        let offered = adapter.limits();
        let limits = wgpu::Limits {
            max_buffer_size: offered.max_buffer_size,
            max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
            ..wgpu::Limits::default()
        };
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor { label: Some("sparring"), required_limits: limits.clone(), ..Default::default() })
            .await
            .map_err(|e| Error::no_adapter(format!("'{}' could not be opened: {e}", found.name)))?;
        let faults = Faults::default();
        faults.listen(&device);
        let pipelines = Pipelines::new(&device);
        let small = |label, size, usage| {
            device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
        };
        let step = small("step", size_of::<StepParams>() as u64, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST);
        let nothing = [small("nothing", 16, wgpu::BufferUsages::STORAGE), small("nothing, written", 16, wgpu::BufferUsages::STORAGE)];
        let info = describe(&adapter.get_info());
        Ok(Self {
            device,
            queue,
            info,
            limits,
            faults,
            buffers: HashMap::new(),
            next: 0,
            bytes: Arc::default(),
            pipelines,
            tuning: Tuning::new(!software),
            forced: Vec::new(),
            scratch: Weak::new(),
            nothing,
            step,
            pace: Mutex::new(Pace::new(software)),
        })
    }
    /// See [`crate::Device`].
    pub fn info(&self) -> DeviceInfo {
        DeviceInfo { kernels: self.tuning.used().clone(), ..self.info.clone() }
    }
    /// Makes products by these kernels wherever they can make them; all others by what was chosen.
    pub fn force(&mut self, kernels: &[Kernel]) {
        self.forced = kernels.to_vec();
    }
    /// What was chosen on this device so far, and how it was measured.
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }
    /// Takes what was chosen before; it goes before what is known.
    pub fn know(&mut self, kernels: Kernels) {
        self.tuning.know(kernels);
    }
    /// The limits that plans are held to: name, amount.
    pub fn limits(&self) -> [(&'static str, u64); 6] {
        let l = &self.limits;
        [
            ("bytes of a buffer", l.max_buffer_size),
            ("bytes of a storage binding", l.max_storage_buffer_binding_size),
            ("storage buffers a stage", l.max_storage_buffers_per_shader_stage.into()),
            ("bytes of workgroup memory", l.max_compute_workgroup_storage_size.into()),
            ("invocations a workgroup", l.max_compute_invocations_per_workgroup.into()),
            ("workgroups a dimension", l.max_compute_workgroups_per_dimension.into()),
        ]
    }
    /// The pipelines made so far, by shader and constants.
    pub fn pipelines(&self) -> BTreeSet<String> {
        self.pipelines.described()
    }
    /// See [`crate::Device`]. Scratch memory counts while a program refers to it.
    pub fn allocated_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
    /// See [`crate::Device`].
    pub fn alloc(&mut self, label: &str, words: usize, dtype: Dtype) -> Result<BufferId> {
        self.faults.check()?;
        let memory = Memory::new(&self.device, label, words, dtype, &self.bytes)?;
        self.faults.check()?;
        let id = BufferId(self.next);
        self.next += 1;
        self.buffers.insert(id, memory);
        Ok(id)
    }
    /// See [`crate::Device`].
    pub fn free(&mut self, id: BufferId) {
        self.buffers.remove(&id);
    }
    fn range(&self, op: &'static str, id: BufferId, offset: usize, words: usize) -> Result<&Memory> {
        let memory = self.buffers.get(&id).ok_or_else(|| unknown(op, "buffer", id))?;
        if offset.checked_add(words).is_none_or(|end| end > memory.words) {
            return Err(Error::shape(
                op,
                format!("buffer {}", id.0),
                format!("a range within {} words", memory.words),
                format!("{words} words from {offset}"),
            ));
        }
        Ok(memory)
    }
    /// See [`crate::Device`].
    pub fn write_u32(&mut self, id: BufferId, offset: usize, words: &[u32]) -> Result<()> {
        let memory = self.range("write", id, offset, words.len())?;
        if memory.dtype == Dtype::Bf16 {
            return Err(Error::validation(format!("buffer {} holds no words of 32 bits", id.0)));
        }
        self.queue.write_buffer(&memory.buffer, 4 * offset as u64, bytemuck::cast_slice(words));
        self.faults.check()
    }
    /// See [`crate::Device`].
    pub fn write_f32(&mut self, id: BufferId, offset: usize, values: &[f32]) -> Result<()> {
        let memory = self.range("write", id, offset, values.len())?;
        if memory.dtype != Dtype::Bf16 {
            return self.write_u32(id, offset, bytemuck::cast_slice(values));
        }
        held(memory).check_pairs(id, offset, values.len())?;
        let half = |value: Option<&f32>| u32::from(Bf16::from_f32(value.copied().unwrap_or_default()).0);
        let words: Vec<u32> = values.chunks(2).map(|pair| half(pair.first()) | half(pair.get(1)) << 16).collect();
        self.queue.write_buffer(&memory.buffer, 2 * offset as u64, bytemuck::cast_slice(&words));
        self.faults.check()
    }
    /// See [`crate::Device`].
    pub async fn read_f32(&self, id: BufferId, offset: usize, words: usize) -> Result<Vec<f32>> {
        let memory = self.range("read", id, offset, words)?;
        if memory.dtype != Dtype::Bf16 {
            return Ok(bytemuck::pod_collect_to_vec(&self.fetch(memory, offset, words).await?));
        }
        let pairs = self.fetch(memory, offset / 2, (offset + words).div_ceil(2) - offset / 2).await?;
        let halves = pairs.iter().flat_map(|pair| [*pair as u16, (pair >> 16) as u16]);
        Ok(halves.skip(offset % 2).take(words).map(|half| Bf16(half).to_f32()).collect())
    }
    /// Some 4-byte words of a buffer.
    async fn fetch(&self, memory: &Memory, offset: usize, words: usize) -> Result<Vec<u32>> {
        if words == 0 {
            return Ok(Vec::new());
        }
        gpu_callbacks(&self.device);
        self.faults.check()?;
        let size = 4 * words as u64;
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("readback"),
            size,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("readback") });
        encoder.copy_buffer_to_buffer(&memory.buffer, 4 * offset as u64, &staging, 0, size);
        self.queue.submit([encoder.finish()]);
        let (sender, receiver) = oneshot::channel();
        staging.slice(..).map_async(wgpu::MapMode::Read, move |result| {
            let _ = sender.send(result); // nobody listens only where the reader was dropped
        });
        let pending = self.pace().pending();
        let mapped = gpu_wait(&self.device, receiver).await;
        self.pace().finished(pending);
        self.faults.check()?;
        match mapped {
            Some(Ok(())) => {
                let view = staging.slice(..).get_mapped_range().map_err(|e| Error::validation(e.to_string()))?;
                Ok(bytemuck::pod_collect_to_vec(&view))
            }
            Some(Err(e)) => Err(self.faults.cause(&e.to_string())),
            None => Err(self.faults.cause("a readback was never answered")),
        }
    }
    /// See [`crate::Device`].
    pub fn compile(&mut self, label: &str, ops: &[Op]) -> Result<GpuProgram> {
        self.compile_with(label, ops, &self.forced.clone())
    }
    /// With these kernels for all products that they can make, and those that were chosen for others.
    fn compile_with(&mut self, label: &str, ops: &[Op], kernels: &[Kernel]) -> Result<GpuProgram> {
        let mut launches = Vec::new();
        for op in ops {
            op.check()?;
            let forced = kernels.iter().copied().find(|kernel| encode::makes(*kernel, op));
            let kernel = forced.unwrap_or_else(|| self.tuning.kernel(op, |id| self.buffers.get(&id).map(|memory| memory.dtype)));
            launches.extend(encode::encode(op, kernel)?.into_iter().filter(|launch| launch.groups > 0));
            op.check_buffers(|id| self.held(id))?;
        }
        let scratch = self.scratch_for(&launches)?;
        let mut dispatches = Vec::with_capacity(launches.len());
        let mut args = Args::default();
        for launch in &launches {
            dispatches.push(self.dispatch(label, launch, scratch.as_deref(), &mut args)?);
        }
        let numbers = self.numbers(args);
        gpu_callbacks(&self.device);
        self.faults.check()?;
        let open = ops.iter().filter(|op| op.has_open_slot()).copied().collect();
        Ok(GpuProgram { label: label.to_string(), dispatches, numbers, open, _scratch: scratch })
    }
    /// See [`crate::Device`].
    pub fn held(&self, id: BufferId) -> Option<Held> {
        self.buffers.get(&id).map(held)
    }
    /// Scratch memory for the largest need among the launches; an existing one is shared where it suffices.
    fn scratch_for(&mut self, launches: &[Launch]) -> Result<Option<Rc<Scratch>>> {
        let bindings = launches.iter().flat_map(|l| &l.bindings);
        let words = bindings.filter(|b| b.source == Source::Scratch).map(|b| b.words).max().unwrap_or(0);
        if words == 0 {
            return Ok(None);
        }
        if let Some(existing) = self.scratch.upgrade().filter(|s| s.words >= words) {
            return Ok(Some(existing));
        }
        let new = Rc::new(Memory::new(&self.device, "scratch", words, Dtype::F32, &self.bytes)?);
        self.scratch = Rc::downgrade(&new);
        Ok(Some(new))
    }
    /// The step's parameters and all arguments as group 1.
    fn numbers(&self, args: Args) -> wgpu::BindGroup {
        let words = args.words();
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("arguments"),
            size: 4 * words.len() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(&words));
        let block = wgpu::BufferBinding { buffer: &buffer, offset: 0, size: std::num::NonZeroU64::new(Args::BLOCK_BYTES) };
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("numbers"),
            layout: self.pipelines.numbers_layout(),
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: self.step.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::Buffer(block) },
            ],
        })
    }
    fn dispatch(&mut self, label: &str, launch: &Launch, scratch: Option<&Scratch>, args: &mut Args) -> Result<Dispatch> {
        let most = self.limits.max_compute_workgroups_per_dimension;
        let grid = launch::grid(launch.groups, most).ok_or_else(|| {
            Error::limit(
                format!("{} in program '{label}'", launch.op),
                format!("{} workgroups", launch.groups),
                format!("{most} x {most}"),
                "set precision to bf16 or micro_batch to a part of the batch, or use a smaller model",
            )
        })?;
        let mut halves = Vec::new();
        let mut bound = Vec::with_capacity(launch.bindings.len());
        for b in &launch.bindings {
            let (buffer, whole, dtype) = match b.source {
                Source::Nothing => (&self.nothing[usize::from(b.write)], memory::VECTOR, Dtype::F32),
                Source::Buffer(id) => {
                    self.buffers.get(&id).map(|m| (&m.buffer, m.words, m.dtype)).ok_or_else(|| unknown(launch.op, b.tensor, id))?
                }
                Source::Scratch => {
                    let scratch = scratch.ok_or_else(|| Error::validation(format!("{} has no scratch", launch.op)))?;
                    (&scratch.buffer, scratch.words, scratch.dtype)
                }
            };
            if dtype == Dtype::Bf16 {
                halves.push(b.tensor);
            }
            let words = if b.words == 0 { whole } else { b.words };
            // A buffer has room for whole vectors, and what does not fill them a buffer of its own.
            let words = if b.activation { words.next_multiple_of(memory::VECTOR) } else { words };
            bound.push((buffer, std::num::NonZeroU64::new((words * dtype.bytes()) as u64)));
        }
        let prepared = self.pipelines.get(&self.device, launch, halves)?;
        let mut entries = Vec::with_capacity(bound.len());
        for (binding, (buffer, size)) in (0u32..).zip(bound) {
            entries.push(wgpu::BindGroupEntry {
                binding,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: 0, size }),
            });
        }
        let bind_group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(launch.op),
            layout: &prepared.layout,
            entries: &entries,
        });
        Ok(Dispatch { pipeline: prepared.pipeline, bind_group, args: args.place(prepared.args), grid, cost: launch.cost })
    }
    /// See [`crate::Device`].
    pub fn run(&mut self, program: &GpuProgram, step: &StepParams) -> Result<()> {
        self.faults.check()?;
        program.open.iter().try_for_each(|op| op.check_step(step, |id| self.held(id)))?;
        self.queue.write_buffer(&self.step, 0, bytemuck::bytes_of(step));
        let mut rest = program.dispatches.as_slice();
        while !rest.is_empty() {
            let (count, cost) = self.pace().portion(rest.iter().map(|d| d.cost));
            let (now, later) = rest.split_at(count);
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(&program.label) });
            {
                let mut pass =
                    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some(&program.label), timestamp_writes: None });
                for d in now {
                    pass.set_pipeline(&d.pipeline);
                    pass.set_bind_group(0, &d.bind_group, &[]);
                    pass.set_bind_group(1, &program.numbers, &[d.args]);
                    pass.dispatch_workgroups(d.grid.0, d.grid.1, 1);
                }
            }
            self.pace().submitted(cost);
            self.queue.submit([encoder.finish()]);
            rest = later;
        }
        self.faults.check()
    }
    /// See [`crate::Device`].
    pub async fn sync(&mut self) -> Result<()> {
        gpu_callbacks(&self.device);
        self.faults.check()?;
        let (sender, receiver) = oneshot::channel();
        self.queue.on_submitted_work_done(move || {
            let _ = sender.send(()); // nobody listens only where the caller was dropped
        });
        let pending = self.pace().pending();
        let done = gpu_wait(&self.device, receiver).await;
        self.pace().finished(pending);
        self.faults.check()?;
        done.ok_or_else(|| self.faults.cause("the queue never reported to be done"))
    }
    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn held(memory: &Memory) -> Held {
    Held { dtype: memory.dtype, words: memory.words }
}

fn unknown(op: &'static str, tensor: &str, id: BufferId) -> Error {
    Error::shape(op, tensor.to_string(), "a buffer of this device", format!("unknown buffer {}", id.0))
}
