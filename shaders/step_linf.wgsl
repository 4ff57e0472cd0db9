// A step of PGD in the maximum norm: x = clip(clean + clip(x + step * sign(grad) - clean, -eps, eps), 0, 1). All: vec4s.
#import grid
#args step: f32, eps: f32
override N4: u32 = 1u;
@group(0) @binding(0) var<storage, read> clean: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> grad: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= arrayLength(&x)) { return; }
    let moved = x[i] + args.step * sign(grad[i]) - clean[i];
    x[i] = clamp(clean[i] + clamp(moved, vec4<f32>(-args.eps), vec4<f32>(args.eps)), vec4<f32>(0.0), vec4<f32>(1.0));
}
