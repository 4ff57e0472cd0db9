// Gradient of max pooling, gathered: an input takes the gradient of each window whose first maximum (row-major) it is.
// x, dx: [C][H_IN][W_IN][N], y, dy: [C][H_OUT][W_OUT][N], C = C_OUT.
#import conv_shape
#import grid
override ACCUMULATE: bool = false;
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
    if (i >= C_OUT * H_IN * W_IN * N4) { return; }
    let n4 = i % N4;
    let p = i / N4;
    let ix = p % W_IN;
    let iy = (p / W_IN) % H_IN;
    let c = p / (W_IN * H_IN);
    let here = load_x(i);
    var sum = vec4<f32>(0.0);
    for (var ky = 0u; ky < KH; ky++) {
        for (var kx = 0u; kx < KW; kx++) {
            let sy = iy + PAD - ky; // negative wraps beyond any extent
            let sx = ix + PAD - kx;
            let oy = sy / STRIDE;
            let ox = sx / STRIDE;
            if (ky <= iy + PAD && kx <= ix + PAD && sy % STRIDE == 0u && sx % STRIDE == 0u && oy < H_OUT && ox < W_OUT) {
                let o = ((c * H_OUT + oy) * W_OUT + ox) * N4 + n4;
                let top = load_y(o);
                var first = here == top;
                for (var before = 0u; before < ky * KW + kx; before++) {
                    let by = oy * STRIDE + before / KW - PAD;
                    let bx = ox * STRIDE + before % KW - PAD;
                    if (by < H_IN && bx < W_IN) {
                        first = first & (load_x(((c * H_IN + by) * W_IN + bx) * N4 + n4) != top);
                    }
                }
                sum += select(vec4<f32>(0.0), load_dy(o), first);
            }
        }
    }
    if (ACCUMULATE) { sum += load_dx(i); }
    store_dx(i, sum);
}
