// A lane is an image of the batch; a workgroup of 256 threads works on one. Sums and maxima over it, in a fixed tree.
#import grid
#args n: u32
const THREADS: u32 = 256u;
var<workgroup> parts: array<f32, 256>;

// The sum over all threads, for every thread.
fn lane_sum(t: u32, v: f32) -> f32 {
    parts[t] = v;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if (t < half) { parts[t] += parts[t + half]; }
        workgroupBarrier();
    }
    let total = parts[0];
    workgroupBarrier();
    return total;
}

// The largest over all threads, for every thread.
fn lane_max(t: u32, v: f32) -> f32 {
    parts[t] = v;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if (t < half) { parts[t] = max(parts[t], parts[t + half]); }
        workgroupBarrier();
    }
    let largest = parts[0];
    workgroupBarrier();
    return largest;
}
