// Normalise, scale, shift, add the residual, ReLU; lanes beyond n_valid become zero.
//   y = relu(gamma (x - mean) inv_std + beta + residual)
// x, residual, y: [C][PLANE] vec4s, stats, affine: [2][C].
#import step
#import grid
#import batchnorm
#args channels: u32, plane: u32, has_residual: bool
override N4: u32 = 1u;
@group(0) @binding(0) var<storage, read> x: activation;
@group(0) @binding(1) var<storage, read> stats: array<f32>;
@group(0) @binding(2) var<storage, read> affine: array<f32>;
@group(0) @binding(3) var<storage, read> residual: activation;
@group(0) @binding(4) var<storage, read_write> y: activation;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= args.channels * args.plane) { return; }
    let c = i / args.plane;
    var pre = normalized(load_x(i), stats[c], stats[args.channels + c], affine[c], affine[args.channels + c]);
    if (args.has_residual != 0u) { pre += load_residual(i); }
    if (RELU) { pre = max(pre, vec4<f32>(0.0)); }
    store_y(i, only_real(pre, i % N4));
}
