// Squared gradients of gamma and beta in eval mode, sample by sample: a thread adds up one row of channels for four samples.
//   sums[row, n] += sum over its channels of (sum over pixels of dpre * xhat)^2 + (sum over pixels of dpre)^2
//   dpre = RELU && y <= 0 ? 0 : dy, xhat = (x - mean) / sqrt(var + eps)
// dy, y, x: [C][PIXELS][N4] vec4s, stats: [2][C], sums: [ROWS][N4] vec4s.
#import batchnorm
#import grid
#args channels: u32, pixels: u32, rows: u32
override N4: u32 = 1u;
@group(0) @binding(0) var<storage, read> dy: activation;
@group(0) @binding(1) var<storage, read> y: activation;
@group(0) @binding(2) var<storage, read> x: activation;
@group(0) @binding(3) var<storage, read> stats: array<f32>;
@group(0) @binding(4) var<storage, read_write> sums: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 64u + t;
    if (i >= args.rows * N4) { return; }
    let span = (args.channels + args.rows - 1u) / args.rows;
    let first = (i / N4) * span;
    var total = vec4<f32>(0.0);
    for (var c = first; c < min(first + span, args.channels); c++) {
        let mean = stats[c];
        let inv_std = inv_std_of(stats[args.channels + c]);
        var gamma = vec4<f32>(0.0);
        var beta = vec4<f32>(0.0);
        for (var p = 0u; p < args.pixels; p++) {
            let at = (c * args.pixels + p) * N4 + i % N4;
            var d = load_dy(at);
            if (RELU) { d = relu_grad(d, load_y(at)); }
            gamma += d * ((load_x(at) - mean) * inv_std);
            beta += d;
        }
        total += gamma * gamma + beta * beta;
    }
    sums[i] += total;
}
