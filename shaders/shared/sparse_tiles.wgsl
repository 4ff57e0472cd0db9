// Rows of a compressed sparse matrix times shifted copies of an activation, for strides of 1: a workgroup of 128 threads makes ROWS rows at a
// tile of TILE_H by TILE_W pixels by TILE_N vec4s, a thread one vec4 of each row. What the tile reads of a block of channels is staged in
// workgroup memory, zero outside the image; then every row walks its values of the block. So memory gives a word once for all rows and taps,
// and no value asks whether its tap is inside.
// The including stage says: row_count(), row_start(row), row_end(row), channel_count(), packed_at(i), value_at(i), tap_offset(packed), height(), width()
// (of what is written), KH, KW and N4 as overrides, source_at(channel, y, x, n4) of the staged origin's place, store(row, y, x, n4, value).
#import grid
override ROWS: u32 = 16u; // 16 or 8
override TILE_H: u32 = 4u;
override TILE_W: u32 = 8u;
override TILE_N: u32 = 4u; // the three: 128 in all
const THREADS: u32 = 128u;
const STAGED: u32 = 1024u; // 16 KiB
var<workgroup> staged: array<vec4<f32>, 1024>; // [channel of the block][TILE_H + KH - 1][TILE_W + KW - 1][TILE_N]

fn staged_w() -> u32 { return TILE_W + KW - 1u; }
fn staged_plane() -> u32 { return (TILE_H + KH - 1u) * staged_w() * TILE_N; }

// Adds a row's values up to the block's end, in the order of sparse_rows.wgsl; the cursor stays at the next block's first.
fn walk(cursor: ptr<function, u32>, row: u32, until: u32, base: u32, before: vec4<f32>) -> vec4<f32> {
    var sum = before;
    if (row < row_count()) {
        let end = row_end(row);
        var i = *cursor;
        while (i < end) {
            let packed = packed_at(i);
            if (packed >= until) { break; }
            sum += value_at(i) * staged[base + (packed >> 8u) * staged_plane() + tap_offset(packed)];
            i++;
        }
        *cursor = i;
    }
    return sum;
}

fn start_of(row: u32) -> u32 {
    return row_start(min(row, row_count() - 1u));
}

fn store_row(row: u32, y: u32, x: u32, n4: u32, value: vec4<f32>) {
    if (row < row_count()) { store(row, y, x, n4, value); }
}

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let row_tiles = (row_count() + ROWS - 1u) / ROWS;
    let tiles_n = (N4 + TILE_N - 1u) / TILE_N;
    let tiles_x = (width() + TILE_W - 1u) / TILE_W;
    let g = group_index(group, groups);
    let tile = g / row_tiles;
    let r = (g % row_tiles) * ROWS;
    let n0 = (tile % tiles_n) * TILE_N;
    let x0 = (tile / tiles_n % tiles_x) * TILE_W;
    let y0 = (tile / (tiles_n * tiles_x)) * TILE_H;
    if (y0 >= height()) { return; }
    let n = t % TILE_N;
    let x = t / TILE_N % TILE_W;
    let y = t / (TILE_N * TILE_W);
    let place = (y * staged_w() + x) * TILE_N + n;
    let channels = channel_count();
    let block = STAGED / staged_plane();

    var s0 = vec4<f32>(0.0); var s1 = vec4<f32>(0.0); var s2 = vec4<f32>(0.0); var s3 = vec4<f32>(0.0);
    var s4 = vec4<f32>(0.0); var s5 = vec4<f32>(0.0); var s6 = vec4<f32>(0.0); var s7 = vec4<f32>(0.0);
    var s8 = vec4<f32>(0.0); var s9 = vec4<f32>(0.0); var s10 = vec4<f32>(0.0); var s11 = vec4<f32>(0.0);
    var s12 = vec4<f32>(0.0); var s13 = vec4<f32>(0.0); var s14 = vec4<f32>(0.0); var s15 = vec4<f32>(0.0);
    var i0 = start_of(r); var i1 = start_of(r + 1u); var i2 = start_of(r + 2u); var i3 = start_of(r + 3u);
    var i4 = start_of(r + 4u); var i5 = start_of(r + 5u); var i6 = start_of(r + 6u); var i7 = start_of(r + 7u);
    var i8 = start_of(r + 8u); var i9 = start_of(r + 9u); var i10 = start_of(r + 10u); var i11 = start_of(r + 11u);
    var i12 = start_of(r + 12u); var i13 = start_of(r + 13u); var i14 = start_of(r + 14u); var i15 = start_of(r + 15u);

    for (var first = 0u; first < channels; first += block) {
        let last = min(first + block, channels);
        for (var i = t; i < (last - first) * staged_plane(); i += THREADS) {
            let p = i / TILE_N % (staged_plane() / TILE_N);
            let n4 = n0 + i % TILE_N;
            var v = vec4<f32>(0.0);
            if (n4 < N4) { v = source_at(first + i / staged_plane(), y0 + p / staged_w(), x0 + p % staged_w(), n4); }
            staged[i] = v;
        }
        workgroupBarrier();
        let base = place - first * staged_plane(); // wraps; the channel brings it back
        let until = last << 8u;
        s0 = walk(&i0, r, until, base, s0);
        s1 = walk(&i1, r + 1u, until, base, s1);
        s2 = walk(&i2, r + 2u, until, base, s2);
        s3 = walk(&i3, r + 3u, until, base, s3);
        s4 = walk(&i4, r + 4u, until, base, s4);
        s5 = walk(&i5, r + 5u, until, base, s5);
        s6 = walk(&i6, r + 6u, until, base, s6);
        s7 = walk(&i7, r + 7u, until, base, s7);
        if (ROWS > 8u) {
            s8 = walk(&i8, r + 8u, until, base, s8);
            s9 = walk(&i9, r + 9u, until, base, s9);
            s10 = walk(&i10, r + 10u, until, base, s10);
            s11 = walk(&i11, r + 11u, until, base, s11);
            s12 = walk(&i12, r + 12u, until, base, s12);
            s13 = walk(&i13, r + 13u, until, base, s13);
            s14 = walk(&i14, r + 14u, until, base, s14);
            s15 = walk(&i15, r + 15u, until, base, s15);
        }
        workgroupBarrier();
    }
    let n4 = n0 + n;
    if (y0 + y >= height() || x0 + x >= width() || n4 >= N4) { return; }
    store_row(r, y0 + y, x0 + x, n4, s0);
    store_row(r + 1u, y0 + y, x0 + x, n4, s1);
    store_row(r + 2u, y0 + y, x0 + x, n4, s2);
    store_row(r + 3u, y0 + y, x0 + x, n4, s3);
    store_row(r + 4u, y0 + y, x0 + x, n4, s4);
    store_row(r + 5u, y0 + y, x0 + x, n4, s5);
    store_row(r + 6u, y0 + y, x0 + x, n4, s6);
    store_row(r + 7u, y0 + y, x0 + x, n4, s7);
    if (ROWS > 8u) {
        store_row(r + 8u, y0 + y, x0 + x, n4, s8);
        store_row(r + 9u, y0 + y, x0 + x, n4, s9);
        store_row(r + 10u, y0 + y, x0 + x, n4, s10);
        store_row(r + 11u, y0 + y, x0 + x, n4, s11);
        store_row(r + 12u, y0 + y, x0 + x, n4, s12);
        store_row(r + 13u, y0 + y, x0 + x, n4, s13);
        store_row(r + 14u, y0 + y, x0 + x, n4, s14);
        store_row(r + 15u, y0 + y, x0 + x, n4, s15);
    }
}
