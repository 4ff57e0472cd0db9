// One row of a compressed sparse matrix times shifted copies of an activation: a workgroup of 64 threads makes one row at
// 64 COLUMNS vec4s of (pixel, n); a thread keeps COLUMNS of them in registers, so a value and its index are read once for all.
// Columns fall into classes that are reached by different taps (the pixel parities of a strided gradient): a workgroup works
// on one class and passes over the values that cannot reach it.
// The including stage says what a column reads: row_count(), class_count(), column_count() of a class, class_taps(class),
// column_at(class, c) -> Column, entry_at(i) -> Entry, source_at(i, channel), store(row, class, c, value), row_start(row), row_end(row).
#import grid
override COLUMNS: u32 = 8u; // 8, 4, 2 or 1
const THREADS: u32 = 64u;

// Where tap (0, 0) of channel 0 lies, and which taps fall inside: bit ky, and bit 16 + kx.
struct Column { base: i32, inside: u32 }
// A value, how far from a column's base it reads, its tap as bits like a column's, and the channel that it reads.
struct Entry { value: f32, offset: i32, tap: u32, channel: u32 }

fn tap_bits(packed: u32) -> u32 {
    return (1u << ((packed >> 4u) & 15u)) | (65536u << (packed & 15u));
}

// Loads unconditionally, so that a thread's loads do not wait for one another.
fn tap_of(column: Column, entry: Entry) -> vec4<f32> {
    let inside = (column.inside & entry.tap) == entry.tap;
    return entry.value * select(vec4<f32>(0.0), source_at(select(0u, u32(column.base + entry.offset), inside), entry.channel), inside);
}

// The first value from `start` on that can reach the class.
fn next_in_reach(start: u32, end: u32, reach: u32) -> u32 {
    if (class_count() == 1u) { return start; }
    for (var i = start; i < end; i++) {
        let tap = entry_at(i).tap;
        if ((reach & tap) == tap) { return i; }
    }
    return end;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_index(group, groups);
    let row = g % row_count();
    let class_index = (g / row_count()) % class_count();
    let c = (g / (row_count() * class_count())) * (THREADS * COLUMNS) + t;
    let reach = class_taps(class_index);
    let p0 = column_at(class_index, c);
    let p1 = column_at(class_index, c + THREADS);
    let p2 = column_at(class_index, c + 2u * THREADS);
    let p3 = column_at(class_index, c + 3u * THREADS);
    let p4 = column_at(class_index, c + 4u * THREADS);
    let p5 = column_at(class_index, c + 5u * THREADS);
    let p6 = column_at(class_index, c + 6u * THREADS);
    let p7 = column_at(class_index, c + 7u * THREADS);
    var s0 = vec4<f32>(0.0); var s1 = vec4<f32>(0.0); var s2 = vec4<f32>(0.0); var s3 = vec4<f32>(0.0);
    var s4 = vec4<f32>(0.0); var s5 = vec4<f32>(0.0); var s6 = vec4<f32>(0.0); var s7 = vec4<f32>(0.0);
    let end = row_end(row);
    for (var i = next_in_reach(row_start(row), end, reach); i < end; i = next_in_reach(i + 1u, end, reach)) {
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
    store(row, class_index, c, s0);
    if (COLUMNS > 1u) {
        store(row, class_index, c + THREADS, s1);
    }
    if (COLUMNS > 2u) {
        store(row, class_index, c + 2u * THREADS, s2);
        store(row, class_index, c + 3u * THREADS, s3);
    }
    if (COLUMNS > 4u) {
        store(row, class_index, c + 4u * THREADS, s4);
        store(row, class_index, c + 5u * THREADS, s5);
        store(row, class_index, c + 6u * THREADS, s6);
        store(row, class_index, c + 7u * THREADS, s7);
    }
}
