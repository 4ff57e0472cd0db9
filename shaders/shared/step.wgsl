// What changes from step to step; mirrors `StepParams` (48 bytes).
struct StepParams {
    n_valid: u32,
    sample_offset: u32,
    lr: f32,
    momentum: f32,
    weight_decay: f32,
    beta2: f32,
    epsilon: f32,
    correction1: f32,
    correction2: f32,
    nesterov: u32,
    batch: u32,
    label_smoothing: f32,
}
@group(1) @binding(0) var<uniform> params: StepParams;

// Number of samples whose mean loss is minimised.
fn divisor() -> f32 {
    return f32(select(params.batch, params.n_valid, params.batch == 0u));
}

// Which of the four lanes of batch vector `n4` are real samples.
fn real_lanes(n4: u32) -> vec4<bool> {
    return vec4<u32>(4u * n4, 4u * n4 + 1u, 4u * n4 + 2u, 4u * n4 + 3u) < vec4<u32>(params.n_valid);
}
// `v` on real lanes, 0 beyond.
fn only_real(v: vec4<f32>, n4: u32) -> vec4<f32> {
    return select(vec4<f32>(0.0), v, real_lanes(n4));
}
