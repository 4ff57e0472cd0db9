// Which taps of a forward convolution fall inside the input, for output pixel (oy, ox): bit ky, and bit 16 + kx.
fn forward_taps(oy: u32, ox: u32) -> u32 {
    var bits = 0u;
    for (var ky = 0u; ky < KH; ky++) {
        if (oy * STRIDE + ky - PAD < H_IN) { bits |= 1u << ky; } // negative wraps beyond H_IN
    }
    for (var kx = 0u; kx < KW; kx++) {
        if (ox * STRIDE + kx - PAD < W_IN) { bits |= 65536u << kx; }
    }
    return bits;
}
// Where tap (0, 0) of channel 0 lies for output pixel (oy, ox) and batch vector n4, in vec4s; may be negative.
fn forward_base(oy: u32, ox: u32, n4: u32) -> i32 {
    let y = i32(oy * STRIDE) - i32(PAD);
    let x = i32(ox * STRIDE) - i32(PAD);
    return (y * i32(W_IN) + x) * i32(N4) + i32(n4);
}
// How far from there a packed (ci, ky, kx) lies.
fn forward_offset(packed: u32) -> i32 {
    return i32((((packed >> 8u) * H_IN + ((packed >> 4u) & 15u)) * W_IN + (packed & 15u)) * N4);
}
