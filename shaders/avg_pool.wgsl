// y = sum over the window / (KH KW); padding counts as zero. x: [C][H_IN][W_IN][N], y: [C][H_OUT][W_OUT][N], C = C_OUT.
#import conv_shape
#import kernel_shape
#import grid
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
    let c = p / (args.w_out * args.h_out);
    var sum = vec4<f32>(0.0);
    for (var ky = 0u; ky < KH; ky++) {
        let iy = oy * STRIDE + ky - args.pad; // negative wraps beyond h_in
        for (var kx = 0u; kx < KW; kx++) {
            let ix = ox * STRIDE + kx - args.pad;
            if (iy < args.h_in && ix < args.w_in) { sum += load_x(((c * args.h_in + iy) * args.w_in + ix) * N4 + i % N4); }
        }
    }
    store_y(i, sum / f32(KH * KW));
}
