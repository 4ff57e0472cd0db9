// SGD, value by value: g = grad + weight_decay v; m = momentum m + g; v -= lr (nesterov ? g + momentum m : m); v *= mask if has_mask;
// m *= mask afterwards if momentum_reset too.
#import step
#import grid
#args has_mask: bool, momentum_reset: bool
@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@group(0) @binding(1) var<storage, read> grad: array<f32>;
@group(0) @binding(2) var<storage, read_write> momentum: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<f32>;

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
    var m = params.momentum * momentum[i] + g;
    v -= params.lr * select(m, g + params.momentum * m, params.nesterov != 0u);
    if (args.has_mask != 0u) {
        v *= mask[i];
        if (args.momentum_reset != 0u) { m *= mask[i]; }
    }
    values[i] = v;
    momentum[i] = m;
}
