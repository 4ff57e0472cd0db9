// Onto the Euclidean ball: x = clip(clean + (x - clean) * min(1, eps / norm of its lane), 0, 1).
// clean, x: [pixels][N4] vec4s, norms: [N4].
#import grid
#args eps: f32
override N4: u32 = 1u;
@group(0) @binding(0) var<storage, read> clean: array<vec4<f32>>;
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
    let norm = norms[i % N4];
    let outside = norm > vec4<f32>(args.eps);
    let scale = select(vec4<f32>(1.0), args.eps / select(vec4<f32>(1.0), norm, outside), outside);
    x[i] = clamp(clean[i] + (x[i] - clean[i]) * scale, vec4<f32>(0.0), vec4<f32>(1.0));
}
