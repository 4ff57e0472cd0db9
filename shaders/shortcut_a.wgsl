// The parameter-free shortcut: y[c + pad_channels, oy, ox] = x[c, oy*stride, ox*stride], other channels 0.
// x: [C_IN][H_IN][W_IN][N], y: [C_OUT][H_OUT][W_OUT][N].
#import conv_shape
#import grid
#args pad_channels: u32, stride: u32
@group(0) @binding(0) var<storage, read> x: activation;
@group(0) @binding(1) var<storage, read_write> y: activation;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= args.c_out * args.h_out * args.w_out * N4) { return; }
    let p = i / N4;
    let ox = p % args.w_out;
    let oy = (p / args.w_out) % args.h_out;
    let c = p / (args.w_out * args.h_out) - args.pad_channels; // wraps beyond c_in below pad_channels
    var v = vec4<f32>(0.0);
    if (c < args.c_in) { v = load_x(((c * args.h_in + oy * args.stride) * args.w_in + ox * args.stride) * N4 + i % N4); }
    store_y(i, v);
}
