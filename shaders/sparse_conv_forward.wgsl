// Sparse convolution, forward: row co of the CSR weight times shifted copies of the input.
//   y[co, oy, ox, n] = bias[co] + sum over the non-zeros (v, ci, ky, kx) of row co of v x[ci, oy*stride+ky-pad, ox*stride+kx-pad, n]
// x: [C_IN][H_IN][W_IN][N], weight, index: [nnz], row_ptr: [C_OUT + 1], bias: [C_OUT] if has_bias,
// stats, affine: [2][C_IN] if NORM (x is then normalised as it is loaded), y: [C_OUT][H_OUT][W_OUT][N].
#import conv_shape
#import kernel_args
#import forward_taps
#import norm_on_load
#import sparse_rows
#import sparse_forward

fn column_count() -> u32 { return args.h_out * args.w_out * N4; }

fn class_count() -> u32 { return 1u; }
fn class_taps(class_index: u32) -> u32 { return 0xffffffffu; }

fn column_at(class_index: u32, c: u32) -> Column {
    if (c >= column_count()) { return Column(0, 0u); }
    let pixel = c / N4;
    let oy = pixel / args.w_out;
    let ox = pixel % args.w_out;
    return Column(forward_base(oy, ox, c % N4), forward_taps(oy, ox));
}

fn entry_at(i: u32) -> Entry {
    let packed = index[i];
    return Entry(weight[i], forward_offset(packed), tap_bits(packed), packed >> 8u);
}

fn source_at(i: u32, channel: u32) -> vec4<f32> { return loaded(load_x(i), channel, i % N4); }

fn store(row: u32, class_index: u32, c: u32, value: vec4<f32>) {
    if (c >= column_count()) { return; }
    write(row * column_count() + c, row, c % N4, value);
}
