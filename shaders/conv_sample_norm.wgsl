// Squared gradients of a convolution's weights, sample by sample: a thread adds up one row of weights for four samples.
//   sums[row, n] += sum over its weights of (sum over (oy, ox) of dy[co, oy, ox, n] x[ci, oy*STRIDE+ky-pad, ox*STRIDE+kx-pad, n])^2
// With sparse, index and row say which weights exist ([nnz] packed (ci, ky, kx), and co); with bias the biases follow them.
// sums: [ROWS][N4] vec4s.
#import conv_shape
#import kernel_shape
#import grid
#args sparse: bool, empty: bool, bias: bool, rows: u32
@group(0) @binding(0) var<storage, read> x: activation;
@group(0) @binding(1) var<storage, read> dy: activation;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read> row: array<u32>;
@group(0) @binding(4) var<storage, read_write> sums: array<vec4<f32>>;

// The gradient of weight `i`, which exists.
fn weight_gradient(i: u32, n4: u32) -> vec4<f32> {
    let taps = KH * KW;
    var co = i / (args.c_in * taps);
    var ci = (i / taps) % args.c_in;
    var ky = (i % taps) / KW;
    var kx = i % KW;
    if (args.sparse != 0u) {
        let packed = index[i];
        co = row[i];
        ci = packed >> 8u;
        ky = (packed >> 4u) & 15u;
        kx = packed & 15u;
    }
    var sum = vec4<f32>(0.0);
    for (var oy = 0u; oy < args.h_out; oy++) {
        let iy = oy * STRIDE + ky - args.pad; // negative wraps beyond h_in
        if (iy >= args.h_in) { continue; }
        for (var ox = 0u; ox < args.w_out; ox++) {
            let ix = ox * STRIDE + kx - args.pad;
            if (ix >= args.w_in) { continue; }
            sum += load_dy(((co * args.h_out + oy) * args.w_out + ox) * N4 + n4) * load_x(((ci * args.h_in + iy) * args.w_in + ix) * N4 + n4);
        }
    }
    return sum;
}

fn bias_gradient(co: u32, n4: u32) -> vec4<f32> {
    var sum = vec4<f32>(0.0);
    for (var p = 0u; p < args.h_out * args.w_out; p++) {
        sum += load_dy((co * args.h_out * args.w_out + p) * N4 + n4);
    }
    return sum;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 64u + t;
    if (i >= args.rows * N4) { return; }
    let n4 = i % N4;
    var weights = args.c_out * args.c_in * KH * KW;
    if (args.sparse != 0u) { weights = arrayLength(&index); }
    if (args.empty != 0u) { weights = 0u; }
    let count = weights + select(0u, args.c_out, args.bias != 0u);
    let span = (count + args.rows - 1u) / args.rows;
    let first = (i / N4) * span;
    var total = vec4<f32>(0.0);
    for (var w = first; w < min(first + span, count); w++) {
        var g: vec4<f32>;
        if (w < weights) { g = weight_gradient(w, n4); } else { g = bias_gradient(w - weights, n4); }
        total += g * g;
    }
    sums[i] += total;
}
