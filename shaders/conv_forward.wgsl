// Dense convolution, forward, as an implicit matrix product.
//   y[co, oy, ox, n] = bias[co] + sum over ci, ky, kx of weight[co, ci, ky, kx] x[ci, oy*stride+ky-pad, ox*stride+kx-pad, n]
// x: [C_IN][H_IN][W_IN][N], weight: [C_OUT][C_IN][KH][KW], bias: [C_OUT] if has_bias,
// stats, affine: [2][C_IN] if NORM (x is then normalised as it is loaded), y: [C_OUT][H_OUT][W_OUT][N].
#import conv_shape
#import kernel_args
#import norm_on_load
#import gemm
#args has_bias: bool
@group(0) @binding(0) var<storage, read> x: activation;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> stats: array<f32>;
@group(0) @binding(4) var<storage, read> affine: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: activation;

struct Column { y: i32, x: i32, n4: u32, inside: bool }

fn gemm_m() -> u32 { return args.c_out; }
fn gemm_channels() -> u32 { return args.c_in; }
fn gemm_columns() -> u32 { return args.h_out * args.w_out * N4; }
fn tap_count() -> u32 { return args.kh * args.kw; }

fn weights_at(m: u32, ci: u32, tap: u32) -> vec4<f32> {
    let row = args.c_in * tap_count();
    let i = m * row + ci * tap_count() + tap;
    var v = vec4<f32>(0.0);
    if (m < args.c_out) { v.x = weight[i]; }
    if (m + 1u < args.c_out) { v.y = weight[i + row]; }
    if (m + 2u < args.c_out) { v.z = weight[i + 2u * row]; }
    if (m + 3u < args.c_out) { v.w = weight[i + 3u * row]; }
    return v;
}

// What tap (0, 0) reads.
fn column_at(c: u32) -> Column {
    let pixel = c / N4;
    let oy = pixel / args.w_out;
    let ox = pixel % args.w_out;
    return Column(i32(oy * args.stride) - i32(args.pad), i32(ox * args.stride) - i32(args.pad), c % N4, c < gemm_columns());
}

fn source_of(column: Column, tap: u32) -> u32 {
    let iy = u32(column.y + i32(tap / args.kw)); // negative wraps beyond h_in
    let ix = u32(column.x + i32(tap % args.kw));
    return select(NOWHERE, (iy * args.w_in + ix) * N4 + column.n4, column.inside && iy < args.h_in && ix < args.w_in);
}

fn source_at(source: u32, ci: u32, n4: u32) -> vec4<f32> {
    return loaded(load_x(ci * (args.h_in * args.w_in * N4) + source), ci, n4);
}

fn store(m: u32, c: u32, value: vec4<f32>) {
    var v = value;
    if (args.has_bias != 0u) { v = only_real(value + bias[m], c % N4); }
    store_y(m * gemm_columns() + c, v);
}
