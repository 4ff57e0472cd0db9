// Batch statistics, second stage: adds the slices of batchnorm_stats.wgsl, one thread a channel.
//   mean = k + S1 / m, var = S2 / m - (S1 / m)^2 with m = PIXELS n_valid
//   saved = mean, 1/sqrt(var + EPS); running = (1 - MOMENTUM) running + MOMENTUM (mean, var m / (m - 1))
// partials: [slices][2][C], saved, running: [2][C], x: [C][PLANE] vec4s (only the first value of a channel is read).
#import step
#import grid
override CHANNELS: u32 = 1u;
override PLANE: u32 = 1u;
override PIXELS: u32 = 1u; // h * w
override MOMENTUM: f32 = 0.1;
override EPS: f32 = 1e-5;
@group(0) @binding(0) var<storage, read> x: activation;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> saved: array<f32>;
@group(0) @binding(3) var<storage, read_write> running: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let c = group_index(group, groups) * 64u + t;
    if (c >= CHANNELS) { return; }
    var s1 = 0.0;
    var s2 = 0.0;
    for (var p = c; p < arrayLength(&partials); p += 2u * CHANNELS) {
        s1 += partials[p];
        s2 += partials[p + CHANNELS];
    }
    let count = f32(PIXELS * params.n_valid);
    let shifted = s1 / count;
    let mean = load_x(c * PLANE).x + shifted;
    let variance = max(s2 / count - shifted * shifted, 0.0);
    saved[c] = mean;
    saved[CHANNELS + c] = 1.0 / sqrt(variance + EPS);
    let unbiased = variance * count / max(count - 1.0, 1.0);
    running[c] = (1.0 - MOMENTUM) * running[c] + MOMENTUM * mean;
    running[CHANNELS + c] = (1.0 - MOMENTUM) * running[CHANNELS + c] + MOMENTUM * unbiased;
}
