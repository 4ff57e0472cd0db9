// Gradient of the parameter-free shortcut: dx[c, iy, ix] (+)= dy[c + PAD_CHANNELS, iy/STRIDE, ix/STRIDE] where STRIDE divides both.
// dx: [C_IN][H_IN][W_IN][N], dy: [C_OUT][H_OUT][W_OUT][N].
#import conv_shape
#import grid
override PAD_CHANNELS: u32 = 0u;
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
    if (i >= C_IN * H_IN * W_IN * N4) { return; }
    let p = i / N4;
    let ix = p % W_IN;
    let iy = (p / W_IN) % H_IN;
    let c = p / (W_IN * H_IN) + PAD_CHANNELS;
    var v = vec4<f32>(0.0);
    if (ix % STRIDE == 0u && iy % STRIDE == 0u && c < C_OUT) {
        v = load_dy(((c * H_OUT + iy / STRIDE) * W_OUT + ix / STRIDE) * N4 + i % N4);
    }
    if (ACCUMULATE) { v += load_dx(i); }
    store_dx(i, v);
}
