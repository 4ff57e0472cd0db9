// The first half of a step of PGD in the Euclidean norm: x = clip(x + step * grad / norm of its lane, 0, 1).
// grad, x: [pixels][N4] vec4s, norms: [N4].
#import grid
#args step: f32
override N4: u32 = 1u;
@group(0) @binding(0) var<storage, read> grad: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> norms: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= arrayLength(&x)) { return; }
    let norm = max(norms[i % N4], vec4<f32>(1e-12));
    x[i] = clamp(x[i] + args.step * (grad[i] / norm), vec4<f32>(0.0), vec4<f32>(1.0));
}
