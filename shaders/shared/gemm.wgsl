// A register-tiled matrix product, once for each tap of a kernel: out[m, c] = sum over taps and channels of weight[m, channel, tap]
// times what tap and channel read at column c, where c counts vec4s. Taps come first, so that where a column reads is found once a tap.
// A thread of 128 makes TALL rows of WIDE vec4s, a workgroup a tile of TALL ROWS by WIDE 128 / ROWS vec4s: large tiles load less for a product,
// small ones are more workgroups where there is little to make.
// The including stage says what the operands are: gemm_m(), gemm_channels(), gemm_columns(), tap_count(), weights_at(m, channel, tap)
// (4 rows), column_at(c) -> Column, source_of(column, tap) -> its channel 0 or NOWHERE, source_at(source, channel, n4), store(m, c, value).
#import grid
override ROWS: u32 = 8u; // 8, 4 or 2: few output rows get wide tiles
override TALL: u32 = 8u; // 8 or 4, and with 4:
override WIDE: u32 = 2u; // 2 or 1
const NOWHERE: u32 = 0xffffffffu;
const THREADS: u32 = 128u;
var<workgroup> tile_a: array<vec4<f32>, 272>; // [depth][2 ROWS + 1], one spare against bank conflicts
var<workgroup> tile_b: array<vec4<f32>, 512>; // [depth][256 / ROWS]

fn store_pair(m: u32, c: u32, second: u32, v0: vec4<f32>, v1: vec4<f32>) {
    if (m < gemm_m()) {
        if (c < gemm_columns()) { store(m, c, v0); }
        if (WIDE == 2u && second < gemm_columns()) { store(m, second, v1); }
    }
}

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let cols = THREADS / ROWS;
    let width = WIDE * cols;
    let depth = 2u * ROWS;
    let quads = TALL / 4u * ROWS;
    let stride_a = quads + 1u;
    let tiles_m = (gemm_m() + TALL * ROWS - 1u) / (TALL * ROWS);
    let g = group_index(group, groups);
    let m0 = (g % tiles_m) * TALL * ROWS;
    let c0 = (g / tiles_m) * width;
    if (c0 >= gemm_columns()) { return; }
    let row = t / cols;
    let col = t % cols;
    let load_c = t % width;
    let load_k = t / width;
    let column = column_at(c0 + load_c);

    var s00 = vec4<f32>(0.0); var s01 = vec4<f32>(0.0);
    var s10 = vec4<f32>(0.0); var s11 = vec4<f32>(0.0);
    var s20 = vec4<f32>(0.0); var s21 = vec4<f32>(0.0);
    var s30 = vec4<f32>(0.0); var s31 = vec4<f32>(0.0);
    var s40 = vec4<f32>(0.0); var s41 = vec4<f32>(0.0);
    var s50 = vec4<f32>(0.0); var s51 = vec4<f32>(0.0);
    var s60 = vec4<f32>(0.0); var s61 = vec4<f32>(0.0);
    var s70 = vec4<f32>(0.0); var s71 = vec4<f32>(0.0);

    let taps = tap_count();
    let channels = gemm_channels();
    for (var tap = 0u; tap < taps; tap++) {
        let source = source_of(column, tap);
        for (var first = 0u; first < channels; first += depth) {
            for (var i = t; i < depth * quads; i += THREADS) {
                let k = i % depth;
                let q = i / depth;
                var a = vec4<f32>(0.0);
                if (first + k < channels) { a = weights_at(m0 + 4u * q, first + k, tap); }
                tile_a[k * stride_a + q] = a;
            }
            for (var k = load_k; k < depth; k += THREADS / width) {
                var b = vec4<f32>(0.0);
                if (source != NOWHERE && first + k < channels) { b = source_at(source, first + k, column.n4); }
                tile_b[k * width + load_c] = b;
            }
            workgroupBarrier();
            let filled = min(depth, channels - first);
            for (var k = 0u; k < filled; k++) {
                let a0 = tile_a[k * stride_a + TALL / 4u * row];
                let b0 = tile_b[k * width + col];
                s00 += a0.x * b0;
                s10 += a0.y * b0;
                s20 += a0.z * b0;
                s30 += a0.w * b0;
                if (WIDE == 2u) {
                    let b1 = tile_b[k * width + col + cols];
                    s01 += a0.x * b1;
                    s11 += a0.y * b1;
                    s21 += a0.z * b1;
                    s31 += a0.w * b1;
                    if (TALL == 8u) {
                        let a1 = tile_a[k * stride_a + 2u * row + 1u];
                        s40 += a1.x * b0; s41 += a1.x * b1;
                        s50 += a1.y * b0; s51 += a1.y * b1;
                        s60 += a1.z * b0; s61 += a1.z * b1;
                        s70 += a1.w * b0; s71 += a1.w * b1;
                    }
                }
            }
            workgroupBarrier();
        }
    }
    let m = m0 + TALL * row;
    let c = c0 + col;
    let d = c + cols;
    store_pair(m, c, d, s00, s01);
    store_pair(m + 1u, c, d, s10, s11);
    store_pair(m + 2u, c, d, s20, s21);
    store_pair(m + 3u, c, d, s30, s31);
    if (TALL == 8u) {
        store_pair(m + 4u, c, d, s40, s41);
        store_pair(m + 5u, c, d, s50, s51);
        store_pair(m + 6u, c, d, s60, s61);
        store_pair(m + 7u, c, d, s70, s71);
    }
}
