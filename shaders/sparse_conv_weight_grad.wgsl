// Sparse convolution, gradient of the values: a product sampled at the non-zeros. As many threads as args.lanes take 8 values that follow one
// another (mostly of one row, so dy is loaded once for all of them) and one slice of span vec4s of (pixel, n); a workgroup of
// 64 threads holds 64 / lanes such blocks.
//   dw[slice, i] = sum over (oy, ox, n) of the slice of dy[row[i], oy, ox, n] x[ci, oy*stride+ky-pad, ox*stride+kx-pad, n]
// index, row: [nnz] (packed (ci, ky, kx), and co), stats, affine: [2][C_IN] if NORM (x is then normalised as it is loaded). Slices are added by sum_partials.wgsl.
#import conv_shape
#import kernel_args
#import forward_taps
#import norm_on_load
#import grid
#import divided
#args lanes: u32, span: u32 // lanes: a power of 2, at most 64
@group(0) @binding(0) var<storage, read> x: activation;
@group(0) @binding(1) var<storage, read> stats: array<f32>;
@group(0) @binding(2) var<storage, read> affine: array<f32>;
@group(0) @binding(3) var<storage, read> dy: activation;
@group(0) @binding(4) var<storage, read> index: array<u32>;
@group(0) @binding(5) var<storage, read> row: array<u32>;
@group(0) @binding(6) var<storage, read_write> dw: array<f32>;
const THREADS: u32 = 64u;
const NOWHERE: u32 = 255u; // tap (15, 15), which no kernel has
var<workgroup> sums: array<vec4<f32>, 128>; // [thread][2]

fn places() -> u32 { return args.h_out * args.w_out * N4; }

// Value i's place if it stands in `co`, else a tap that is never inside.
fn place_of(i: u32, last: u32, co: u32) -> u32 {
    if (i <= last && row[min(i, last)] == co) { return index[i]; }
    return NOWHERE;
}

fn tap_bits(packed: u32) -> u32 {
    return (1u << ((packed >> 4u) & 15u)) | (65536u << (packed & 15u));
}

fn product(d: vec4<f32>, base: i32, inside: u32, offset: i32, tap: u32, channel: u32, n4: u32) -> vec4<f32> {
    let ok = (inside & tap) == tap;
    return select(vec4<f32>(0.0), d * loaded(load_x(select(0u, u32(base + offset), ok)), channel, n4), ok);
}

fn total(v: vec4<f32>) -> f32 { return (v.x + v.y) + (v.z + v.w); }

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let nnz = arrayLength(&index);
    let blocks = THREADS / args.lanes;
    let groups_a_slice = (nnz + 8u * blocks - 1u) / (8u * blocks);
    let g = group_index(group, groups);
    let slice = g / groups_a_slice;
    let start = slice * args.span;
    if (start >= places()) { return; }
    let end = min(start + args.span, places());
    let lane = t % args.lanes;
    let first = ((g % groups_a_slice) * blocks + t / args.lanes) * 8u;
    let last = min(first + 7u, nnz - 1u); // before `first` where there is nothing left to do

    var s0 = vec4<f32>(0.0); var s1 = vec4<f32>(0.0); var s2 = vec4<f32>(0.0); var s3 = vec4<f32>(0.0);
    var s4 = vec4<f32>(0.0); var s5 = vec4<f32>(0.0); var s6 = vec4<f32>(0.0); var s7 = vec4<f32>(0.0);
    let inverse_width = 1.0 / f32(args.w_out);
    var i = first;
    while (i <= last) {
        // One round a row; values of other rows get no product in it.
        let co = row[i];
        let q0 = place_of(first, last, co); let q1 = place_of(first + 1u, last, co);
        let q2 = place_of(first + 2u, last, co); let q3 = place_of(first + 3u, last, co);
        let q4 = place_of(first + 4u, last, co); let q5 = place_of(first + 5u, last, co);
        let q6 = place_of(first + 6u, last, co); let q7 = place_of(first + 7u, last, co);
        let o0 = forward_offset(q0); let o1 = forward_offset(q1); let o2 = forward_offset(q2); let o3 = forward_offset(q3);
        let o4 = forward_offset(q4); let o5 = forward_offset(q5); let o6 = forward_offset(q6); let o7 = forward_offset(q7);
        let b0 = tap_bits(q0); let b1 = tap_bits(q1); let b2 = tap_bits(q2); let b3 = tap_bits(q3);
        let b4 = tap_bits(q4); let b5 = tap_bits(q5); let b6 = tap_bits(q6); let b7 = tap_bits(q7);
        for (var c = start + lane; c < end; c += args.lanes) {
            let d = load_dy(co * places() + c);
            let at = divided(c / N4, args.w_out, inverse_width);
            let oy = at.x;
            let ox = at.y;
            let n4 = c % N4;
            let base = forward_base(oy, ox, n4);
            let inside = forward_taps(oy, ox);
            s0 += product(d, base, inside, o0, b0, q0 >> 8u, n4);
            s1 += product(d, base, inside, o1, b1, q1 >> 8u, n4);
            s2 += product(d, base, inside, o2, b2, q2 >> 8u, n4);
            s3 += product(d, base, inside, o3, b3, q3 >> 8u, n4);
            s4 += product(d, base, inside, o4, b4, q4 >> 8u, n4);
            s5 += product(d, base, inside, o5, b5, q5 >> 8u, n4);
            s6 += product(d, base, inside, o6, b6, q6 >> 8u, n4);
            s7 += product(d, base, inside, o7, b7, q7 >> 8u, n4);
        }
        while (i <= last) {
            if (row[i] != co) { break; }
            i++;
        }
    }
    sums[2u * t] = vec4<f32>(total(s0), total(s1), total(s2), total(s3));
    sums[2u * t + 1u] = vec4<f32>(total(s4), total(s5), total(s6), total(s7));
    workgroupBarrier();
    for (var half = args.lanes / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            sums[2u * t] += sums[2u * (t + half)];
            sums[2u * t + 1u] += sums[2u * (t + half) + 1u];
        }
        workgroupBarrier();
    }
    for (var v = lane; v < 8u; v += args.lanes) {
        if (first + v <= last) { dw[slice * nnz + first + v] = sums[2u * (t - lane) + v / 4u][v % 4u]; }
    }
}
