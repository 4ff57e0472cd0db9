// Gradient of BatchNorm's input, and of the residual.
//   train: dx (+)= gamma inv_std (dpre - daffine[1] / m - xhat daffine[0] / m), m = pixels n_valid; eval: dx (+)= gamma inv_std dpre
//   dresidual (+)= dpre = RELU && y <= 0 ? 0 : dy; with AGAIN y is made again
// dy, y, x, dx, dresidual: [C][PLANE] vec4s, stats, affine, daffine: [2][C]. IN_PLACE: dy is dx.
#import step
#import grid
#import batchnorm
#args channels: u32, plane: u32, pixels: u32
override N4: u32 = 1u;
override AGAIN: bool = false; // of RELU
override IN_PLACE: bool = false;
override ACCUMULATE: bool = false;
override HAS_RESIDUAL: bool = false;
override ACCUMULATE_RESIDUAL: bool = false;
@group(0) @binding(0) var<storage, read> dy: activation;
@group(0) @binding(1) var<storage, read> y: activation;
@group(0) @binding(2) var<storage, read> x: activation;
@group(0) @binding(3) var<storage, read> stats: array<f32>;
@group(0) @binding(4) var<storage, read> affine: array<f32>;
@group(0) @binding(5) var<storage, read> daffine: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: activation;
@group(0) @binding(7) var<storage, read_write> dresidual: activation;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= args.channels * args.plane) { return; }
    let c = i / args.plane;
    var d: vec4<f32>;
    if (IN_PLACE) { d = load_dx(i); } else { d = load_dy(i); }
    if (AGAIN) {
        d = relu_grad(d, normalized(load_x(i), stats[c], stats[args.channels + c], affine[c], affine[args.channels + c]));
    } else if (RELU) {
        d = relu_grad(d, load_y(i));
    }
    d = only_real(d, i % N4);
    if (HAS_RESIDUAL) {
        if (ACCUMULATE_RESIDUAL) { store_dresidual(i, load_dresidual(i) + d); } else { store_dresidual(i, d); }
    }
    let inv_std = inv_std_of(stats[args.channels + c]);
    if (args.eval == 0u) {
        let scale = 1.0 / f32(args.pixels * params.n_valid);
        let xhat = (load_x(i) - stats[c]) * inv_std;
        d -= daffine[args.channels + c] * scale + xhat * (daffine[c] * scale);
    }
    d = only_real(affine[c] * inv_std * d, i % N4);
    if (ACCUMULATE) { d += load_dx(i); }
    store_dx(i, d);
}
