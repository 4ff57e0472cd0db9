// y += x, four floats at a time.
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
    if (i >= arrayLength(&y)) { return; }
    store_y(i, load_y(i) + load_x(i));
}
