// y = (x - mean[c]) * inv_std[c] on real lanes, 0 beyond. x, y: [C][PLANE] vec4s, C <= 4. in_place: x is y.
#import step
#import grid
#args channels: u32, plane: u32, in_place: bool, mean0: f32, mean1: f32, mean2: f32, mean3: f32, inv_std0: f32, inv_std1: f32, inv_std2: f32, inv_std3: f32
override N4: u32 = 1u;
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= args.channels * args.plane) { return; }
    let c = i / args.plane;
    let mean = select(select(args.mean0, args.mean1, c == 1u), select(args.mean2, args.mean3, c == 3u), c >= 2u);
    let inv_std = select(select(args.inv_std0, args.inv_std1, c == 1u), select(args.inv_std2, args.inv_std3, c == 3u), c >= 2u);
    var v: vec4<f32>;
    if (args.in_place != 0u) { v = y[i]; } else { v = x[i]; }
    y[i] = only_real((v - mean) * inv_std, i % N4);
}
