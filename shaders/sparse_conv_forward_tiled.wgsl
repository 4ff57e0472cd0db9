// Sparse convolution, forward, stride 1: what sparse_conv_forward.wgsl makes, from tiles of the input that are staged once for many rows.
//   y[co, oy, ox, n] = bias[co] + sum over the non-zeros (v, ci, ky, kx) of row co of v x[ci, oy+ky-pad, ox+kx-pad, n]
// x: [C_IN][H_IN][W_IN][N], weight, index: [nnz], row_ptr: [C_OUT + 1], bias: [C_OUT] if has_bias,
// stats, affine: [2][C_IN] if NORM (x is then normalised as it is staged), y: [C_OUT][H_OUT][W_OUT][N].
#import conv_shape
#import norm_on_load
#import sparse_tiles
#import sparse_forward
override KH: u32 = 1u;
override KW: u32 = 1u;

fn channel_count() -> u32 { return args.c_in; }
fn height() -> u32 { return args.h_out; }
fn width() -> u32 { return args.w_out; }
fn packed_at(i: u32) -> u32 { return index[i]; }
fn value_at(i: u32) -> f32 { return weight[i]; }
fn tap_offset(packed: u32) -> u32 { return (((packed >> 4u) & 15u) * staged_w() + (packed & 15u)) * TILE_N; }

fn source_at(channel: u32, y: u32, x: u32, n4: u32) -> vec4<f32> {
    let iy = y - args.pad; // negative wraps beyond h_in
    let ix = x - args.pad;
    if (iy >= args.h_in || ix >= args.w_in) { return vec4<f32>(0.0); }
    return loaded(load_x(((channel * args.h_in + iy) * args.w_in + ix) * N4 + n4), channel, n4);
}

fn store(row: u32, oy: u32, ox: u32, n4: u32, value: vec4<f32>) {
    write(((row * args.h_out + oy) * args.w_out + ox) * N4 + n4, row, n4, value);
}
