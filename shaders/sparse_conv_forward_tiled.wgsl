// Sparse convolution, forward: what sparse_conv_forward.wgsl makes, from tiles of the input that are staged once for many rows.
//   y[co, oy, ox, n] = bias[co] + sum over the non-zeros (v, ci, ky, kx) of row co of v x[ci, oy*stride+ky-pad, ox*stride+kx-pad, n]
// x: [C_IN][H_IN][W_IN][N], weight, index: [nnz], row_ptr: [C_OUT + 1], bias: [C_OUT] if has_bias,
// stats, affine: [2][C_IN] if NORM (x is then normalised as it is staged), y: [C_OUT][H_OUT][W_OUT][N].
#import conv_shape
#import norm_on_load
#import sparse_tiles
#import staged_input
#import sparse_forward

fn channel_count() -> u32 { return args.c_in; }
fn packed_at(i: u32) -> u32 { return index[i]; }
fn value_at(i: u32) -> f32 { return weight[i]; }

fn store(row: u32, oy: u32, ox: u32, n4: u32, value: vec4<f32>) {
    write(((row * args.h_out + oy) * args.w_out + ox) * N4 + n4, row, n4, value);
}
