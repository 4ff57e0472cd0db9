// Gradient of average pooling: dx (+)= sum of dy over the windows that hold the pixel / (KH KW).
// dx: [C][H_IN][W_IN][N], dy: [C][H_OUT][W_OUT][N], C = C_OUT.
#import conv_shape
#import kernel_shape
#import grid
#args accumulate: bool
@group(0) @binding(0) var<storage, read> dy: activation;
@group(0) @binding(1) var<storage, read_write> dx: activation;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= args.c_out * args.h_in * args.w_in * N4) { return; }
    let p = i / N4;
    let ix = p % args.w_in;
    let iy = (p / args.w_in) % args.h_in;
    let c = p / (args.w_in * args.h_in);
    var sum = vec4<f32>(0.0);
    // Windows that hold the pixel: oy * STRIDE <= iy + pad < oy * STRIDE + KH, and likewise in x.
    let last_y = min((iy + args.pad) / STRIDE, args.h_out - 1u);
    let last_x = min((ix + args.pad) / STRIDE, args.w_out - 1u);
    let first_y = (max(iy + args.pad + 1u, KH) - KH + STRIDE - 1u) / STRIDE;
    let first_x = (max(ix + args.pad + 1u, KW) - KW + STRIDE - 1u) / STRIDE;
    for (var oy = first_y; oy <= last_y; oy++) {
        for (var ox = first_x; ox <= last_x; ox++) {
            sum += load_dy(((c * args.h_out + oy) * args.w_out + ox) * N4 + i % N4);
        }
    }
    var v = sum / f32(KH * KW);
    if (args.accumulate != 0u) { v += load_dx(i); }
    store_dx(i, v);
}
