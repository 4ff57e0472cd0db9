// Rows of a compressed sparse matrix times shifted copies of an activation: a workgroup of 128 threads makes ROWS rows at a tile, a thread one
// vec4 of each row. What the tile reads of a block of channels is staged; then every row walks its values of the block. So memory gives a word
// once for all rows and taps, and no value asks whether its tap is inside.
// The including stage says, beside what staged.wgsl asks for: row_count(), row_start(row), row_end(row), channel_count(), packed_at(i),
// value_at(i), tap_offset(packed), store(row, y, x, n4, value).
#import grid
#import staged
override ROWS: u32 = 16u; // 16 or 8

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
    let g = group_index(group, groups);
    let r = (g % row_tiles) * ROWS;
    let corner = corner_of(g / row_tiles);
    if (corner.y >= height()) { return; }
    let at = Place(t / (TILE_N * TILE_W), t / TILE_N % TILE_W, t % TILE_N);
    let place = staged_place(at);
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
        stage(first, last, corner, t);
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
    let y = corner.y + at.y;
    let x = corner.x + at.x;
    let n4 = corner.n4 + at.n4;
    if (y >= height() || x >= width() || n4 >= N4) { return; }
    store_row(r, y, x, n4, s0);
    store_row(r + 1u, y, x, n4, s1);
    store_row(r + 2u, y, x, n4, s2);
    store_row(r + 3u, y, x, n4, s3);
    store_row(r + 4u, y, x, n4, s4);
    store_row(r + 5u, y, x, n4, s5);
    store_row(r + 6u, y, x, n4, s6);
    store_row(r + 7u, y, x, n4, s7);
    if (ROWS > 8u) {
        store_row(r + 8u, y, x, n4, s8);
        store_row(r + 9u, y, x, n4, s9);
        store_row(r + 10u, y, x, n4, s10);
        store_row(r + 11u, y, x, n4, s11);
        store_row(r + 12u, y, x, n4, s12);
        store_row(r + 13u, y, x, n4, s13);
        store_row(r + 14u, y, x, n4, s14);
        store_row(r + 15u, y, x, n4, s15);
    }
}
