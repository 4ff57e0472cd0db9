// Gradient of the parameter-free shortcut: dx[c, iy, ix] (+)= dy[c + pad_channels, iy/stride, ix/stride] where stride divides both.
// dx: [C_IN][H_IN][W_IN][N], dy: [C_OUT][H_OUT][W_OUT][N].
#import conv_shape
#import grid
#args pad_channels: u32, stride: u32, accumulate: bool
@group(0) @binding(0) var<storage, read> dy: activation;
@group(0) @binding(1) var<storage, read_write> dx: activation;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= args.c_in * args.h_in * args.w_in * N4) { return; }
    let p = i / N4;
    let ix = p % args.w_in;
    let iy = (p / args.w_in) % args.h_in;
    let c = p / (args.w_in * args.h_in) + args.pad_channels;
    var v = vec4<f32>(0.0);
    if (ix % args.stride == 0u && iy % args.stride == 0u && c < args.c_out) {
        v = load_dy(((c * args.h_out + iy / args.stride) * args.w_out + ix / args.stride) * N4 + i % N4);
    }
    if (args.accumulate != 0u) { v += load_dx(i); }
    store_dx(i, v);
}
