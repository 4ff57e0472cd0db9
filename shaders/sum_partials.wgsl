// Adds partial results in a fixed order: out[i] = sum over s of partials[s, i].
// partials: [slices][len], out: [len].
#import grid
@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let len = arrayLength(&out);
    let i = group_index(group, groups) * 64u + t;
    if (i >= len) { return; }
    var sum = 0.0;
    for (var p = i; p < arrayLength(&partials); p += len) {
        sum += partials[p];
    }
    out[i] = sum;
}
