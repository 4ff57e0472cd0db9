// dx (+)= y > 0 ? dy : 0, four floats at a time. in_place: dy is dx.
#import grid
#args in_place: bool, accumulate: bool
@group(0) @binding(0) var<storage, read> dy: activation;
@group(0) @binding(1) var<storage, read> y: activation;
@group(0) @binding(2) var<storage, read_write> dx: activation;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= arrayLength(&dx)) { return; }
    var d: vec4<f32>;
    if (args.in_place != 0u) { d = load_dx(i); } else { d = load_dy(i); }
    d = select(vec4<f32>(0.0), d, load_y(i) > vec4<f32>(0.0));
    if (args.accumulate != 0u) { d += load_dx(i); }
    store_dx(i, d);
}
