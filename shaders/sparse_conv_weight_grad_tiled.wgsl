// Sparse convolution, gradient of the values: what sparse_conv_weight_grad.wgsl makes, from tiles of the input that are staged once for ROWS rows.
// A workgroup of 128 threads makes ROWS rows of one slice of the tiles. It takes values in blocks, in the order of their channels: as far as
// every row has at most 16 and their channels can be staged. LANES threads hold a row's values of the block, and each adds one column of the
// tile; so a value's place and sum stay in registers, and of two factors one comes from workgroup memory, once for four products.
//   dw[slice, i] = sum over (oy, ox, n) of the slice of dy[row, oy, ox, n] x[ci, oy*stride+ky-pad, ox*stride+kx-pad, n]
// index: [nnz] (packed (ci, ky, kx)), row_ptr: [C_OUT + 1], stats, affine: [2][C_IN] if NORM. Slices are added by sum_partials.wgsl.
#import conv_shape
#import norm_on_load
#import staged_input
#import grid
#args tiles: u32 // of a slice
@group(0) @binding(0) var<storage, read> x: activation;
@group(0) @binding(1) var<storage, read> stats: array<f32>;
@group(0) @binding(2) var<storage, read> affine: array<f32>;
@group(0) @binding(3) var<storage, read> dy: activation;
@group(0) @binding(4) var<storage, read> row_ptr: array<u32>;
@group(0) @binding(5) var<storage, read> index: array<u32>;
@group(0) @binding(6) var<storage, read_write> dw: array<f32>;
override ROWS: u32 = 16u; // 16 or 8; TILE_W * TILE_N is 128 / ROWS
const HELD: u32 = 16u; // values of a row
const NONE: u32 = 0xffffffffu;
// Of each row: its first value that has no sum yet, how many of them the block holds, and the places of that first value and of the first
// that would be too many.
var<workgroup> cursors: array<u32, 16>;
var<workgroup> counts: array<u32, 16>;
var<workgroup> starts: array<u32, 16>;
var<workgroup> stops: array<u32, 16>;
// Where a block begins, and the first place beyond it.
var<workgroup> block: vec2<u32>;

// The block that begins at the first value without a sum.
fn next_block() -> vec2<u32> {
    var first = NONE;
    var stop = NONE;
    for (var r = 0u; r < ROWS; r++) {
        first = min(first, starts[r]);
        stop = min(stop, stops[r]);
    }
    return vec2<u32>(first, min(stop, ((first >> 8u) + STAGED / staged_plane()) << 8u));
}

// Where four values of a row read, from the tile's first place; anywhere for those that the block does not hold.
fn offsets(i: u32, end: u32, channel: u32) -> vec4<u32> {
    return vec4<u32>(offset(i, end, channel), offset(i + 1u, end, channel), offset(i + 2u, end, channel), offset(i + 3u, end, channel));
}
fn offset(i: u32, end: u32, channel: u32) -> u32 {
    if (i >= end) { return 0u; }
    return ((index[i] >> 8u) - channel) * staged_plane() + tap_offset(index[i]);
}

// Four values' products with one vec4 of the output's gradient.
fn products(d: vec4<f32>, base: u32, at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(dot(d, staged[base + at.x]), dot(d, staged[base + at.y]), dot(d, staged[base + at.z]), dot(d, staged[base + at.w]));
}

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let lanes = THREADS / ROWS;
    let row_tiles = (args.c_out + ROWS - 1u) / ROWS;
    let tiles_y = (args.h_out + TILE_H - 1u) / TILE_H;
    let g = group_index(group, groups);
    let slice = g / row_tiles;
    let from_tile = slice * args.tiles;
    let until_tile = min(from_tile + args.tiles, tiles_n() * tiles_x() * tiles_y);
    if (from_tile >= until_tile) { return; }
    let nnz = arrayLength(&index);
    let r = t / lanes;
    let lane = t % lanes;
    let row = (g % row_tiles) * ROWS + r;
    var i = 0u;
    var end = 0u;
    if (row < args.c_out) {
        i = row_ptr[row];
        end = row_ptr[row + 1u];
    }
    loop {
        if (lane == 0u) {
            cursors[r] = i;
            starts[r] = NONE;
            stops[r] = NONE;
            if (i < end) { starts[r] = index[i]; }
            if (i + HELD < end) { stops[r] = index[i + HELD]; }
        }
        workgroupBarrier();
        if (t == 0u) { block = next_block(); }
        let held = workgroupUniformLoad(&block);
        if (held.x == NONE) { break; }
        let channel = held.x >> 8u;
        let channels = min((held.y + 255u) >> 8u, args.c_in) - channel;
        var stop = i;
        while (stop < min(end, i + HELD)) {
            if (index[stop] >= held.y) { break; }
            stop++;
        }
        let count = stop - i;
        if (lane == 0u) { counts[r] = count; }
        let at0 = offsets(i, stop, channel);
        let at1 = offsets(i + 4u, stop, channel);
        let at2 = offsets(i + 8u, stop, channel);
        let at3 = offsets(i + 12u, stop, channel);
        var s0 = vec4<f32>(0.0); var s1 = vec4<f32>(0.0); var s2 = vec4<f32>(0.0); var s3 = vec4<f32>(0.0);
        for (var tile = from_tile; tile < until_tile; tile++) {
            let corner = corner_of(tile);
            stage(channel, channel + channels, corner, t);
            workgroupBarrier();
            let ox = corner.x + lane / TILE_N;
            let n4 = corner.n4 + lane % TILE_N;
            if (count > 0u && ox < args.w_out && n4 < N4) {
                for (var y = 0u; y < min(TILE_H, args.h_out - corner.y); y++) {
                    let d = load_dy(((row * args.h_out + corner.y + y) * args.w_out + ox) * N4 + n4);
                    let base = staged_place(Place(y, lane / TILE_N, lane % TILE_N));
                    s0 += products(d, base, at0);
                    if (count > 4u) { s1 += products(d, base, at1); }
                    if (count > 8u) { s2 += products(d, base, at2); }
                    if (count > 12u) { s3 += products(d, base, at3); }
                }
            }
            workgroupBarrier();
        }
        // What the lanes of a row have added, value by value.
        staged[4u * t] = s0;
        staged[4u * t + 1u] = s1;
        staged[4u * t + 2u] = s2;
        staged[4u * t + 3u] = s3;
        workgroupBarrier();
        for (var o = t; o < ROWS * HELD; o += THREADS) {
            let k = o % HELD;
            if (k < counts[o / HELD]) {
                var sum = 0.0;
                for (var l = 0u; l < lanes; l++) { sum += staged[4u * (o / HELD * lanes + l) + k / 4u][k % 4u]; }
                dw[slice * nnz + cursors[o / HELD] + k] = sum;
            }
        }
        i = stop;
        workgroupBarrier();
    }
}
