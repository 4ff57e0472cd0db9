// The parameter-free shortcut: y[c + PAD_CHANNELS, oy, ox] = x[c, oy*STRIDE, ox*STRIDE], other channels 0.
// x: [C_IN][H_IN][W_IN][N], y: [C_OUT][H_OUT][W_OUT][N].
#import conv_shape
#import grid
override PAD_CHANNELS: u32 = 0u;
@group(0) @binding(0) var<storage, read> x: activation;
@group(0) @binding(1) var<storage, read_write> y: activation;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= C_OUT * H_OUT * W_OUT * N4) { return; }
    let p = i / N4;
    let ox = p % W_OUT;
    let oy = (p / W_OUT) % H_OUT;
    let c = p / (W_OUT * H_OUT) - PAD_CHANNELS; // wraps beyond C_IN below PAD_CHANNELS
    var v = vec4<f32>(0.0);
    if (c < C_IN) { v = load_x(((c * H_IN + oy * STRIDE) * W_IN + ox * STRIDE) * N4 + i % N4); }
    store_y(i, v);
}
