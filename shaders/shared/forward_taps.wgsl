// Which taps of a forward convolution fall inside the input, for output pixel (oy, ox): bit ky, and bit 16 + kx.
fn forward_taps(oy: u32, ox: u32) -> u32 {
    return taps_inside(oy * args.stride, args.kh, args.h_in) | (taps_inside(ox * args.stride, args.kw, args.w_in) << 16u);
}
// Bit k for each of `taps` that reads within `extent`, the first of them `pad` before `start`.
fn taps_inside(start: u32, taps: u32, extent: u32) -> u32 {
    let before = min(max(args.pad, start) - start, taps);
    let until = min(max(extent + args.pad, start) - start, taps);
    return ((1u << until) - 1u) & ~((1u << before) - 1u);
}
// Where tap (0, 0) of channel 0 lies for output pixel (oy, ox) and batch vector n4, in vec4s; may be negative.
fn forward_base(oy: u32, ox: u32, n4: u32) -> i32 {
    let y = i32(oy * args.stride) - i32(args.pad);
    let x = i32(ox * args.stride) - i32(args.pad);
    return (y * i32(args.w_in) + x) * i32(N4) + i32(n4);
}
// How far from there a packed (ci, ky, kx) lies.
fn forward_offset(packed: u32) -> i32 {
    return i32((((packed >> 8u) * args.h_in + ((packed >> 4u) & 15u)) * args.w_in + (packed & 15u)) * N4);
}
