// Gradient of max pooling, gathered: an input takes the gradient of each window whose first maximum (row-major) it is.
// x, dx: [C][H_IN][W_IN][N], y, dy: [C][H_OUT][W_OUT][N], C = C_OUT.
#import conv_shape
#import kernel_shape
#import grid
#args accumulate: bool
@group(0) @binding(0) var<storage, read> x: activation;
@group(0) @binding(1) var<storage, read> y: activation;
@group(0) @binding(2) var<storage, read> dy: activation;
@group(0) @binding(3) var<storage, read_write> dx: activation;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= args.c_out * args.h_in * args.w_in * N4) { return; }
    let n4 = i % N4;
    let p = i / N4;
    let ix = p % args.w_in;
    let iy = (p / args.w_in) % args.h_in;
    let c = p / (args.w_in * args.h_in);
    let here = load_x(i);
    var sum = vec4<f32>(0.0);
    for (var ky = 0u; ky < KH; ky++) {
        for (var kx = 0u; kx < KW; kx++) {
            let sy = iy + args.pad - ky; // negative wraps beyond any extent
            let sx = ix + args.pad - kx;
            let oy = sy / STRIDE;
            let ox = sx / STRIDE;
            if (ky <= iy + args.pad && kx <= ix + args.pad && sy % STRIDE == 0u && sx % STRIDE == 0u && oy < args.h_out && ox < args.w_out) {
                let o = ((c * args.h_out + oy) * args.w_out + ox) * N4 + n4;
                let top = load_y(o);
                var first = here == top;
                for (var before = 0u; before < ky * KW + kx; before++) {
                    let by = oy * STRIDE + before / KW - args.pad;
                    let bx = ox * STRIDE + before % KW - args.pad;
                    if (by < args.h_in && bx < args.w_in) {
                        first = first & (load_x(((c * args.h_in + by) * args.w_in + bx) * N4 + n4) != top);
                    }
                }
                sum += select(vec4<f32>(0.0), load_dy(o), first);
            }
        }
    }
    if (args.accumulate != 0u) { sum += load_dx(i); }
    store_dx(i, sum);
}
