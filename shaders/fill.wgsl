// Every float of a buffer becomes args.value.
#import grid
#args value: f32
@group(0) @binding(0) var<storage, read_write> buffer: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= arrayLength(&buffer)) { return; }
    buffer[i] = args.value;
}
