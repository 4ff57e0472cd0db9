// Batch statistics, second stage: adds the slices of batchnorm_stats.wgsl, one thread a channel.
//   mean = k + S1 / m, var = S2 / m - (S1 / m)^2 with m = pixels n_valid
//   saved = mean, 1/sqrt(var + eps); running = (1 - momentum) running + momentum (mean, var m / (m - 1))
// partials: [slices][2][C], saved, running: [2][C], x: [C][PLANE] vec4s (only the first value of a channel is read).
#import step
#import grid
#args channels: u32, plane: u32, pixels: u32, momentum: f32, eps: f32 // pixels: h * w
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
    if (c >= args.channels) { return; }
    var s1 = 0.0;
    var s2 = 0.0;
    for (var p = c; p < arrayLength(&partials); p += 2u * args.channels) {
        s1 += partials[p];
        s2 += partials[p + args.channels];
    }
    let count = f32(args.pixels * params.n_valid);
    let shifted = s1 / count;
    let mean = load_x(c * args.plane).x + shifted;
    let variance = max(s2 / count - shifted * shifted, 0.0);
    saved[c] = mean;
    saved[args.channels + c] = 1.0 / sqrt(variance + args.eps);
    let unbiased = variance * count / max(count - 1.0, 1.0);
    running[c] = (1.0 - args.momentum) * running[c] + args.momentum * mean;
    running[args.channels + c] = (1.0 - args.momentum) * running[args.channels + c] + args.momentum * unbiased;
}
