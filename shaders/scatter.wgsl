// whole[co, ci, ky, kx] = values[i] where value i stands; the rest of whole stays as it is.
// values, index, row: [nnz], whole: [C_OUT][C_IN][KH][KW].
#import grid
#import whole_place
@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> row: array<u32>;
@group(0) @binding(3) var<storage, read_write> whole: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= arrayLength(&values)) { return; }
    whole[whole_place(i)] = values[i];
}
