// Dense convolution, forward, as an implicit matrix product.
//   y[co, oy, ox, n] = bias[co] + sum over ci, ky, kx of weight[co, ci, ky, kx] x[ci, oy*STRIDE+ky-PAD, ox*STRIDE+kx-PAD, n]
// x: [C_IN][H_IN][W_IN][N], weight: [C_OUT][C_IN][KH][KW], bias: [C_OUT] if HAS_BIAS,
// stats, affine: [2][C_IN] if NORM (x is then normalised as it is loaded), y: [C_OUT][H_OUT][W_OUT][N].
#import conv_shape
#import norm_on_load
#import gemm
override HAS_BIAS: bool = false;
@group(0) @binding(0) var<storage, read> x: activation;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> stats: array<f32>;
@group(0) @binding(4) var<storage, read> affine: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: activation;

struct Column { y: i32, x: i32, n4: u32, inside: bool }

fn gemm_m() -> u32 { return C_OUT; }
fn gemm_k() -> u32 { return C_IN * KH * KW; }
fn gemm_columns() -> u32 { return H_OUT * W_OUT * N4; }

fn a_at(m: u32, k: u32) -> vec4<f32> {
    var v = vec4<f32>(0.0);
    if (k < gemm_k()) {
        let i = m * gemm_k() + k;
        if (m < C_OUT) { v.x = weight[i]; }
        if (m + 1u < C_OUT) { v.y = weight[i + gemm_k()]; }
        if (m + 2u < C_OUT) { v.z = weight[i + 2u * gemm_k()]; }
        if (m + 3u < C_OUT) { v.w = weight[i + 3u * gemm_k()]; }
    }
    return v;
}

fn column_at(c: u32) -> Column {
    let pixel = c / N4;
    let oy = pixel / W_OUT;
    let ox = pixel % W_OUT;
    return Column(i32(oy * STRIDE) - i32(PAD), i32(ox * STRIDE) - i32(PAD), c % N4, c < gemm_columns());
}

fn b_at(column: Column, k: u32) -> vec4<f32> {
    let ci = k / (KH * KW);
    let tap = k % (KH * KW);
    let iy = u32(column.y + i32(tap / KW)); // negative wraps beyond H_IN
    let ix = u32(column.x + i32(tap % KW));
    if (column.inside && k < gemm_k() && iy < H_IN && ix < W_IN) {
        return loaded(load_x(((ci * H_IN + iy) * W_IN + ix) * N4 + column.n4), ci, column.n4);
    }
    return vec4<f32>(0.0);
}

fn store(m: u32, c: u32, value: vec4<f32>) {
    var v = value;
    if (HAS_BIAS) { v = only_real(value + bias[m], c % N4); }
    store_y(m * gemm_columns() + c, v);
}
