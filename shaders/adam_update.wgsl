// Adam, value by value: g = grad + weight_decay v; m = b1 m + (1-b1) g; s = b2 s + (1-b2) g^2;
// v -= lr (m / correction1) / (sqrt(s / correction2) + eps); v *= mask if has_mask. params.momentum is b1.
#import step
#import grid
#args has_mask: bool
@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@group(0) @binding(1) var<storage, read> grad: array<f32>;
@group(0) @binding(2) var<storage, read_write> first: array<f32>;
@group(0) @binding(3) var<storage, read_write> second: array<f32>;
@group(0) @binding(4) var<storage, read> mask: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= arrayLength(&values)) { return; }
    var v = values[i];
    let g = grad[i] + params.weight_decay * v;
    let m = params.momentum * first[i] + (1.0 - params.momentum) * g;
    let s = params.beta2 * second[i] + (1.0 - params.beta2) * g * g;
    first[i] = m;
    second[i] = s;
    v -= params.lr * (m / params.correction1) / (sqrt(s / params.correction2) + params.epsilon);
    if (args.has_mask != 0u) { v *= mask[i]; }
    values[i] = v;
}
