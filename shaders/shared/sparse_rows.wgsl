// One row of a compressed sparse matrix times shifted copies of an activation: a workgroup of 64 threads makes one row at
// 64 COLUMNS vec4s of (pixel, n); a thread keeps COLUMNS of them in registers, so a value and its index are read once for all.
// The including stage says what a column reads: row_count(), column_count(), column_at(c) -> Column, entry_at(i) -> Entry,
// source_at(i), store(row, c, value).
#import grid
override COLUMNS: u32 = 8u; // 8, 4, 2 or 1
const THREADS: u32 = 64u;

// Where tap (0, 0) of channel 0 lies, and which taps fall inside: bit ky, and bit 16 + kx.
struct Column { base: i32, inside: u32 }
// A value, how far from a column's base it reads, and its tap as bits like a column's.
struct Entry { value: f32, offset: i32, tap: u32 }

fn tap_bits(packed: u32) -> u32 {
    return (1u << ((packed >> 4u) & 15u)) | (65536u << (packed & 15u));
}

fn tap_of(column: Column, entry: Entry) -> vec4<f32> {
    if ((column.inside & entry.tap) == entry.tap) {
        return entry.value * source_at(u32(column.base + entry.offset));
    }
    return vec4<f32>(0.0);
}

fn finish(row: u32, c: u32, value: vec4<f32>) {
    if (c < column_count()) { store(row, c, value); }
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_index(group, groups);
    let row = g % row_count();
    let c = (g / row_count()) * (THREADS * COLUMNS) + t;
    let p0 = column_at(c);
    let p1 = column_at(c + THREADS);
    let p2 = column_at(c + 2u * THREADS);
    let p3 = column_at(c + 3u * THREADS);
    let p4 = column_at(c + 4u * THREADS);
    let p5 = column_at(c + 5u * THREADS);
    let p6 = column_at(c + 6u * THREADS);
    let p7 = column_at(c + 7u * THREADS);
    var s0 = vec4<f32>(0.0); var s1 = vec4<f32>(0.0); var s2 = vec4<f32>(0.0); var s3 = vec4<f32>(0.0);
    var s4 = vec4<f32>(0.0); var s5 = vec4<f32>(0.0); var s6 = vec4<f32>(0.0); var s7 = vec4<f32>(0.0);
    let end = row_end(row);
    for (var i = row_start(row); i < end; i++) {
        let entry = entry_at(i);
        s0 += tap_of(p0, entry);
        if (COLUMNS > 1u) {
            s1 += tap_of(p1, entry);
        }
        if (COLUMNS > 2u) {
            s2 += tap_of(p2, entry);
            s3 += tap_of(p3, entry);
        }
        if (COLUMNS > 4u) {
            s4 += tap_of(p4, entry);
            s5 += tap_of(p5, entry);
            s6 += tap_of(p6, entry);
            s7 += tap_of(p7, entry);
        }
    }
    finish(row, c, s0);
    if (COLUMNS > 1u) {
        finish(row, c + THREADS, s1);
    }
    if (COLUMNS > 2u) {
        finish(row, c + 2u * THREADS, s2);
        finish(row, c + 3u * THREADS, s3);
    }
    if (COLUMNS > 4u) {
        finish(row, c + 4u * THREADS, s4);
        finish(row, c + 5u * THREADS, s5);
        finish(row, c + 6u * THREADS, s6);
        finish(row, c + 7u * THREADS, s7);
    }
}
