// Sparse convolution, gradient of the input: row ci of the transposed index times shifted copies of the output gradient.
//   dx[ci, iy, ix, n] (+)= sum over the non-zeros (v, co, ky, kx) of transposed row ci with STRIDE | iy+pad-ky, ix+pad-kx
//                          of v dy[co, (iy+pad-ky)/STRIDE, (ix+pad-kx)/STRIDE, n]
// dy: [C_OUT][H_OUT][W_OUT][N], weight: [nnz] in CSR order, t_index, t_value: [nnz] in transposed order, t_row_ptr: [C_IN + 1].
#import conv_shape
#import sparse_rows
#import sparse_input_grad
override STRIDE: u32 = 1u;
#args kh: u32, kw: u32

// Input pixels by parity: class (iy % STRIDE, ix % STRIDE), each as large as the largest.
fn class_count() -> u32 { return STRIDE * STRIDE; }
fn class_w() -> u32 { return (args.w_in + STRIDE - 1u) / STRIDE; }
fn column_count() -> u32 { return ((args.h_in + STRIDE - 1u) / STRIDE) * class_w() * N4; }
fn class_taps(class_index: u32) -> u32 {
    var bits = 0u;
    for (var ky = (class_index / STRIDE + args.pad) % STRIDE; ky < args.kh; ky += STRIDE) { bits |= 1u << ky; }
    for (var kx = (class_index % STRIDE + args.pad) % STRIDE; kx < args.kw; kx += STRIDE) { bits |= 65536u << kx; }
    return bits;
}

fn row_of(class_index: u32, c: u32) -> u32 { return (c / N4 / class_w()) * STRIDE + class_index / STRIDE; }
fn col_of(class_index: u32, c: u32) -> u32 { return (c / N4 % class_w()) * STRIDE + class_index % STRIDE; }

// Taps that reach this pixel have the parity of (iy + pad), so (iy + pad - ky) / STRIDE = (iy + pad) / STRIDE - ky / STRIDE.
fn column_at(class_index: u32, c: u32) -> Column {
    let iy = row_of(class_index, c);
    let ix = col_of(class_index, c);
    if (iy >= args.h_in || ix >= args.w_in) { return Column(0, 0u); }
    let py = iy + args.pad;
    let px = ix + args.pad;
    var bits = 0u;
    for (var ky = py % STRIDE; ky < args.kh; ky += STRIDE) {
        if (ky <= py && (py - ky) / STRIDE < args.h_out) { bits |= 1u << ky; }
    }
    for (var kx = px % STRIDE; kx < args.kw; kx += STRIDE) {
        if (kx <= px && (px - kx) / STRIDE < args.w_out) { bits |= 65536u << kx; }
    }
    return Column(i32(((py / STRIDE) * args.w_out + px / STRIDE) * N4 + c % N4), bits);
}

fn entry_at(i: u32) -> Entry {
    let packed = t_index[i];
    let ky = (packed >> 4u) & 15u;
    let kx = packed & 15u;
    let channel = i32((packed >> 8u) * (args.h_out * args.w_out * N4));
    return Entry(weight[t_value[i]], channel - i32(((ky / STRIDE) * args.w_out + kx / STRIDE) * N4), tap_bits(packed), packed >> 8u);
}

fn source_at(i: u32, channel: u32) -> vec4<f32> { return load_dy(i); }

fn store(row: u32, class_index: u32, c: u32, value: vec4<f32>) {
    let iy = row_of(class_index, c);
    let ix = col_of(class_index, c);
    if (iy >= args.h_in || ix >= args.w_in) { return; }
    write(((row * args.h_in + iy) * args.w_in + ix) * N4 + c % N4, value);
}
