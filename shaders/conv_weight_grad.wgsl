// Dense convolution, gradient of the weights: a matrix product over all pixels and samples, cut into slices of span vec4s
// whose partial sums are added by sum_partials.wgsl (or, with one slice, are the result).
//   dw[slice, co, ci, ky, kx] = sum over (oy, ox, n) of the slice of dy[co, oy, ox, n] x[ci, oy*stride+ky-pad, ox*stride+kx-pad, n]
// stats, affine: [2][C_IN] if NORM (x is then normalised as it is loaded). A workgroup of 128 threads makes a tile of 8 ROWS output channels by 512 / ROWS taps; a thread makes 8 by 4.
#import conv_shape
#import norm_on_load
#import grid
#import divided
override ROWS: u32 = 8u;  // 8, 4 or 2
override DEPTH: u32 = 4u; // vec4s of the reduction held at a time: DEPTH (8 ROWS) <= 256, DEPTH 512 / ROWS <= 512
override KH: u32 = 1u;
override KW: u32 = 1u;
#args stride: u32, span: u32 // span: a multiple of DEPTH
@group(0) @binding(0) var<storage, read> x: activation;
@group(0) @binding(1) var<storage, read> stats: array<f32>;
@group(0) @binding(2) var<storage, read> affine: array<f32>;
@group(0) @binding(3) var<storage, read> dy: activation;
@group(0) @binding(4) var<storage, read_write> dw: array<f32>;
const THREADS: u32 = 128u;
var<workgroup> tile_a: array<vec4<f32>, 256>; // [DEPTH][8 ROWS]
var<workgroup> tile_b: array<vec4<f32>, 512>; // [DEPTH][512 / ROWS]

fn taps() -> u32 { return args.c_in * KH * KW; }
fn places() -> u32 { return args.h_out * args.w_out * N4; }

fn x_at(k: u32, place: u32, end: u32, inverse_width: f32) -> vec4<f32> {
    let ci = k / (KH * KW);
    let tap = k % (KH * KW);
    let at = divided(place / N4, args.w_out, inverse_width);
    let iy = at.x * args.stride + tap / KW - args.pad; // negative wraps beyond h_in
    let ix = at.y * args.stride + tap % KW - args.pad;
    if (k < taps() && place < end && iy < args.h_in && ix < args.w_in) {
        return loaded(load_x(((ci * args.h_in + iy) * args.w_in + ix) * N4 + place % N4), ci, place % N4);
    }
    return vec4<f32>(0.0);
}

fn dots(a: vec4<f32>, b0: vec4<f32>, b1: vec4<f32>, b2: vec4<f32>, b3: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(dot(a, b0), dot(a, b1), dot(a, b2), dot(a, b3));
}

fn store_row(slice: u32, m: u32, k: u32, v: vec4<f32>) {
    if (m < args.c_out) {
        let cols = THREADS / ROWS;
        let i = (slice * args.c_out + m) * taps() + k;
        if (k < taps()) { dw[i] = v.x; }
        if (k + cols < taps()) { dw[i + cols] = v.y; }
        if (k + 2u * cols < taps()) { dw[i + 2u * cols] = v.z; }
        if (k + 3u * cols < taps()) { dw[i + 3u * cols] = v.w; }
    }
}

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let cols = THREADS / ROWS;
    let height = 8u * ROWS;
    let width = 4u * cols;
    let tiles_m = (args.c_out + height - 1u) / height;
    let tiles_k = (taps() + width - 1u) / width;
    let g = group_index(group, groups);
    let m0 = (g % tiles_m) * height;
    let k0 = ((g / tiles_m) % tiles_k) * width;
    let slice = g / (tiles_m * tiles_k);
    let start = slice * args.span;
    if (start >= places()) { return; }
    let end = min(start + args.span, places());
    let row = t / cols;
    let col = t % cols;
    let inverse_width = 1.0 / f32(args.w_out);

    var s0 = vec4<f32>(0.0); var s1 = vec4<f32>(0.0); var s2 = vec4<f32>(0.0); var s3 = vec4<f32>(0.0);
    var s4 = vec4<f32>(0.0); var s5 = vec4<f32>(0.0); var s6 = vec4<f32>(0.0); var s7 = vec4<f32>(0.0);

    for (var p0 = start; p0 < end; p0 += DEPTH) {
        for (var i = t; i < DEPTH * height; i += THREADS) {
            let d = i % DEPTH;
            let m = i / DEPTH;
            var v = vec4<f32>(0.0);
            if (m0 + m < args.c_out && p0 + d < end) { v = load_dy((m0 + m) * places() + p0 + d); }
            tile_a[d * height + m] = v;
        }
        for (var i = t; i < DEPTH * width; i += THREADS) {
            let d = i % DEPTH;
            let k = i / DEPTH;
            tile_b[d * width + k] = x_at(k0 + k, p0 + d, end, inverse_width);
        }
        workgroupBarrier();
        for (var d = 0u; d < DEPTH; d++) {
            let a = d * height + row;
            let b = d * width + col;
            let b0 = tile_b[b];
            let b1 = tile_b[b + cols];
            let b2 = tile_b[b + 2u * cols];
            let b3 = tile_b[b + 3u * cols];
            s0 += dots(tile_a[a], b0, b1, b2, b3);
            s1 += dots(tile_a[a + ROWS], b0, b1, b2, b3);
            s2 += dots(tile_a[a + 2u * ROWS], b0, b1, b2, b3);
            s3 += dots(tile_a[a + 3u * ROWS], b0, b1, b2, b3);
            s4 += dots(tile_a[a + 4u * ROWS], b0, b1, b2, b3);
            s5 += dots(tile_a[a + 5u * ROWS], b0, b1, b2, b3);
            s6 += dots(tile_a[a + 6u * ROWS], b0, b1, b2, b3);
            s7 += dots(tile_a[a + 7u * ROWS], b0, b1, b2, b3);
        }
        workgroupBarrier();
    }
    let m = m0 + row;
    let k = k0 + col;
    store_row(slice, m, k, s0);
    store_row(slice, m + ROWS, k, s1);
    store_row(slice, m + 2u * ROWS, k, s2);
    store_row(slice, m + 3u * ROWS, k, s3);
    store_row(slice, m + 4u * ROWS, k, s4);
    store_row(slice, m + 5u * ROWS, k, s5);
    store_row(slice, m + 6u * ROWS, k, s6);
    store_row(slice, m + 7u * ROWS, k, s7);
}
