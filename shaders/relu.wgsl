// y = max(x, 0), four floats at a time. in_place: x is y.
#import grid
#args in_place: bool
@group(0) @binding(0) var<storage, read> x: activation;
@group(0) @binding(1) var<storage, read_write> y: activation;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= arrayLength(&y)) { return; }
    var v: vec4<f32>;
    if (args.in_place != 0u) { v = load_y(i); } else { v = load_x(i); }
    store_y(i, max(v, vec4<f32>(0.0)));
}
