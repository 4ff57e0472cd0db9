// Gradient of average pooling: dx (+)= sum of dy over the windows that hold the pixel / (KH KW).
// dx: [C][H_IN][W_IN][N], dy: [C][H_OUT][W_OUT][N], C = C_OUT.
#import conv_shape
#import grid
override ACCUMULATE: bool = false;
@group(0) @binding(0) var<storage, read> dy: activation;
@group(0) @binding(1) var<storage, read_write> dx: activation;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= C_OUT * H_IN * W_IN * N4) { return; }
    let p = i / N4;
    let ix = p % W_IN;
    let iy = (p / W_IN) % H_IN;
    let c = p / (W_IN * H_IN);
    var sum = vec4<f32>(0.0);
    // Windows that hold the pixel: oy * STRIDE <= iy + PAD < oy * STRIDE + KH, and likewise in x.
    let last_y = min((iy + PAD) / STRIDE, H_OUT - 1u);
    let last_x = min((ix + PAD) / STRIDE, W_OUT - 1u);
    let first_y = (max(iy + PAD + 1u, KH) - KH + STRIDE - 1u) / STRIDE;
    let first_x = (max(ix + PAD + 1u, KW) - KW + STRIDE - 1u) / STRIDE;
    for (var oy = first_y; oy <= last_y; oy++) {
        for (var ox = first_x; ox <= last_x; ox++) {
            sum += load_dy(((c * H_OUT + oy) * W_OUT + ox) * N4 + i % N4);
        }
    }
    var v = sum / f32(KH * KW);
    if (ACCUMULATE) { v += load_dx(i); }
    store_dx(i, v);
}
