// Sparse convolution, forward: row co of the CSR weight times shifted copies of the input.
//   y[co, oy, ox, n] = bias[co] + sum over the non-zeros (v, ci, ky, kx) of row co of v x[ci, oy*stride+ky-pad, ox*stride+kx-pad, n]
// x: [C_IN][H_IN][W_IN][N], weight, index: [nnz], row_ptr: [C_OUT + 1], bias: [C_OUT] if has_bias,
// stats, affine: [2][C_IN] if NORM (x is then normalised as it is loaded), y: [C_OUT][H_OUT][W_OUT][N].
#import conv_shape
#import kernel_args
#import forward_taps
#import norm_on_load
#import sparse_rows
#args has_bias: bool
@group(0) @binding(0) var<storage, read> x: activation;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> row_ptr: array<u32>;
@group(0) @binding(3) var<storage, read> index: array<u32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> stats: array<f32>;
@group(0) @binding(6) var<storage, read> affine: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: activation;

fn row_count() -> u32 { return args.c_out; }
fn column_count() -> u32 { return args.h_out * args.w_out * N4; }
fn row_start(row: u32) -> u32 { return row_ptr[row]; }
fn row_end(row: u32) -> u32 { return row_ptr[row + 1u]; }

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
    var v = value;
    if (args.has_bias != 0u) { v = only_real(value + bias[row], c % N4); }
    store_y(row * column_count() + c, v);
}
