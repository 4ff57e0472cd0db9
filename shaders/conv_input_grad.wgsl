// Dense convolution, gradient of the input, as an implicit matrix product; one dispatch a parity class of input pixels,
// so that with stride 2 no tap that cannot contribute is multiplied.
//   dx[ci, iy, ix, n] (+)= sum over co, ky, kx with stride | iy+pad-ky, ix+pad-kx of weight[co, ci, ky, kx] dy[co, (iy+pad-ky)/stride, (ix+pad-kx)/stride, n]
// for iy = class_y mod stride, ix = class_x mod stride. dy: [C_OUT][H_OUT][W_OUT][N], dx: [C_IN][H_IN][W_IN][N].
#import conv_shape
#import kernel_args
#import gemm
// Of the class: which pixels, their first tap and how many there are (every stride-th), rows and columns of pixels.
#args class_y: u32, class_x: u32, first_y: u32, first_x: u32, taps_y: u32, taps_x: u32, class_h: u32, class_w: u32
#args accumulate: bool
@group(0) @binding(0) var<storage, read> dy: activation;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: activation;

struct Column { y: i32, x: i32, n4: u32, inside: bool }

fn gemm_m() -> u32 { return args.c_in; }
fn gemm_channels() -> u32 { return args.c_out; }
fn gemm_columns() -> u32 { return args.class_h * args.class_w * N4; }
fn tap_count() -> u32 { return args.taps_y * args.taps_x; }

fn weights_at(m: u32, co: u32, tap: u32) -> vec4<f32> {
    let ky = args.first_y + args.stride * (tap / args.taps_x);
    let kx = args.first_x + args.stride * (tap % args.taps_x);
    let row = args.kh * args.kw;
    let i = (co * args.c_in + m) * row + ky * args.kw + kx;
    var v = vec4<f32>(0.0);
    if (m < args.c_in) { v.x = weight[i]; }
    if (m + 1u < args.c_in) { v.y = weight[i + row]; }
    if (m + 2u < args.c_in) { v.z = weight[i + 2u * row]; }
    if (m + 3u < args.c_in) { v.w = weight[i + 3u * row]; }
    return v;
}

// The output pixel that tap (first_y, first_x) reads.
fn column_at(c: u32) -> Column {
    let pixel = c / N4;
    let iy = (pixel / args.class_w) * args.stride + args.class_y;
    let ix = (pixel % args.class_w) * args.stride + args.class_x;
    return Column((i32(iy + args.pad) - i32(args.first_y)) / i32(args.stride), (i32(ix + args.pad) - i32(args.first_x)) / i32(args.stride), c % N4, c < gemm_columns());
}

fn source_of(column: Column, tap: u32) -> u32 {
    let oy = u32(column.y - i32(tap / args.taps_x)); // negative wraps beyond h_out
    let ox = u32(column.x - i32(tap % args.taps_x));
    return select(NOWHERE, (oy * args.w_out + ox) * N4 + column.n4, column.inside && oy < args.h_out && ox < args.w_out);
}

fn source_at(source: u32, co: u32, n4: u32) -> vec4<f32> {
    return load_dy(co * (args.h_out * args.w_out * N4) + source);
}

fn store(m: u32, c: u32, value: vec4<f32>) {
    let pixel = c / N4;
    let iy = (pixel / args.class_w) * args.stride + args.class_y;
    let ix = (pixel % args.class_w) * args.stride + args.class_x;
    let i = ((m * args.h_in + iy) * args.w_in + ix) * N4 + c % N4;
    var v = value;
    if (args.accumulate != 0u) { v += load_dx(i); }
    store_dx(i, v);
}
