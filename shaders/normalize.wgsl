// y = (x - mean[c]) * inv_std[c] on real lanes, 0 beyond. x, y: [C][PLANE] vec4s, C <= 4. IN_PLACE: x is y.
#import step
#import grid
override CHANNELS: u32 = 1u;
override PLANE: u32 = 1u;
override N4: u32 = 1u;
override IN_PLACE: bool = false;
override MEAN0: f32 = 0.0;
override MEAN1: f32 = 0.0;
override MEAN2: f32 = 0.0;
override MEAN3: f32 = 0.0;
override INV_STD0: f32 = 1.0;
override INV_STD1: f32 = 1.0;
override INV_STD2: f32 = 1.0;
override INV_STD3: f32 = 1.0;
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= CHANNELS * PLANE) { return; }
    let c = i / PLANE;
    let mean = select(select(MEAN0, MEAN1, c == 1u), select(MEAN2, MEAN3, c == 3u), c >= 2u);
    let inv_std = select(select(INV_STD0, INV_STD1, c == 1u), select(INV_STD2, INV_STD3, c == 3u), c >= 2u);
    var v: vec4<f32>;
    if (IN_PLACE) { v = y[i]; } else { v = x[i]; }
    y[i] = only_real((v - mean) * inv_std, i % N4);
}
