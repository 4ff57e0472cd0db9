// Sparse convolution, gradient of the input, stride 1: what sparse_conv_input_grad.wgsl makes, from tiles of the output gradient that are
// staged once for many rows.
//   dx[ci, iy, ix, n] (+)= sum over the non-zeros (v, co, ky, kx) of transposed row ci of v dy[co, iy+pad-ky, ix+pad-kx, n]
// dy: [C_OUT][H_OUT][W_OUT][N], weight: [nnz] in CSR order, t_index, t_value: [nnz] in transposed order, t_row_ptr: [C_IN + 1].
#import conv_shape
#import sparse_tiles
#import sparse_input_grad

fn channel_count() -> u32 { return args.c_out; }
fn height() -> u32 { return args.h_in; }
fn width() -> u32 { return args.w_in; }
fn packed_at(i: u32) -> u32 { return t_index[i]; }
fn value_at(i: u32) -> f32 { return weight[t_value[i]]; }
// The first tap reads what is staged last.
fn tap_offset(packed: u32) -> u32 {
    return ((KH - 1u - ((packed >> 4u) & 15u)) * staged_w() + (KW - 1u - (packed & 15u))) * TILE_N;
}

fn source_at(channel: u32, y: u32, x: u32, n4: u32) -> vec4<f32> {
    let oy = y + args.pad - (KH - 1u); // negative wraps beyond h_out
    let ox = x + args.pad - (KW - 1u);
    if (oy >= args.h_out || ox >= args.w_out) { return vec4<f32>(0.0); }
    return load_dy(((channel * args.h_out + oy) * args.w_out + ox) * N4 + n4);
}

fn store(row: u32, iy: u32, ix: u32, n4: u32, value: vec4<f32>) {
    write(((row * args.h_in + iy) * args.w_in + ix) * N4 + n4, value);
}
