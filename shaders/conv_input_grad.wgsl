// Dense convolution, gradient of the input, as an implicit matrix product; one dispatch a parity class of input pixels,
// so that with STRIDE 2 no tap that cannot contribute is multiplied.
//   dx[ci, iy, ix, n] (+)= sum over co, ky, kx with STRIDE | iy+PAD-ky, ix+PAD-kx of weight[co, ci, ky, kx] dy[co, (iy+PAD-ky)/STRIDE, (ix+PAD-kx)/STRIDE, n]
// for iy = CLASS_Y mod STRIDE, ix = CLASS_X mod STRIDE. dy: [C_OUT][H_OUT][W_OUT][N], dx: [C_IN][H_IN][W_IN][N].
#import conv_shape
#import gemm
override CLASS_Y: u32 = 0u;
override CLASS_X: u32 = 0u;
override ACCUMULATE: bool = false;
@group(0) @binding(0) var<storage, read> dy: activation;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: activation;

struct Column { y: i32, x: i32, n4: u32, inside: bool }

// The first tap of the class, and how many there are (every STRIDE-th).
fn first_y() -> u32 { return (CLASS_Y + PAD) % STRIDE; }
fn first_x() -> u32 { return (CLASS_X + PAD) % STRIDE; }
fn taps_y() -> u32 { return (KH + STRIDE - 1u - first_y()) / STRIDE; }
fn taps_x() -> u32 { return (KW + STRIDE - 1u - first_x()) / STRIDE; }
// Rows and columns of pixels of the class.
fn class_h() -> u32 { return (H_IN + STRIDE - 1u - CLASS_Y) / STRIDE; }
fn class_w() -> u32 { return (W_IN + STRIDE - 1u - CLASS_X) / STRIDE; }

fn gemm_m() -> u32 { return C_IN; }
fn gemm_k() -> u32 { return C_OUT * taps_y() * taps_x(); }
fn gemm_columns() -> u32 { return class_h() * class_w() * N4; }

fn a_at(m: u32, k: u32) -> vec4<f32> {
    var v = vec4<f32>(0.0);
    if (k < gemm_k()) {
        let taps = max(taps_y() * taps_x(), 1u);
        let co = k / taps;
        let tap = k % taps;
        let ky = first_y() + STRIDE * (tap / max(taps_x(), 1u));
        let kx = first_x() + STRIDE * (tap % max(taps_x(), 1u));
        let i = ((co * C_IN + m) * KH + ky) * KW + kx;
        if (m < C_IN) { v.x = weight[i]; }
        if (m + 1u < C_IN) { v.y = weight[i + KH * KW]; }
        if (m + 2u < C_IN) { v.z = weight[i + 2u * KH * KW]; }
        if (m + 3u < C_IN) { v.w = weight[i + 3u * KH * KW]; }
    }
    return v;
}

// The output pixel that tap (first_y, first_x) reads.
fn column_at(c: u32) -> Column {
    let pixel = c / N4;
    let iy = (pixel / class_w()) * STRIDE + CLASS_Y;
    let ix = (pixel % class_w()) * STRIDE + CLASS_X;
    return Column((i32(iy + PAD) - i32(first_y())) / i32(STRIDE), (i32(ix + PAD) - i32(first_x())) / i32(STRIDE), c % N4, c < gemm_columns());
}

fn b_at(column: Column, k: u32) -> vec4<f32> {
    let taps = max(taps_y() * taps_x(), 1u);
    let co = k / taps;
    let tap = k % taps;
    let oy = u32(column.y - i32(tap / max(taps_x(), 1u))); // negative wraps beyond H_OUT
    let ox = u32(column.x - i32(tap % max(taps_x(), 1u)));
    if (column.inside && k < gemm_k() && oy < H_OUT && ox < W_OUT) {
        return load_dy(((co * H_OUT + oy) * W_OUT + ox) * N4 + column.n4);
    }
    return vec4<f32>(0.0);
}

fn store(m: u32, c: u32, value: vec4<f32>) {
    let pixel = c / N4;
    let iy = (pixel / class_w()) * STRIDE + CLASS_Y;
    let ix = (pixel % class_w()) * STRIDE + CLASS_X;
    let i = ((m * H_IN + iy) * W_IN + ix) * N4 + c % N4;
    var v = value;
    if (ACCUMULATE) { v += load_dx(i); }
    store_dx(i, v);
}
