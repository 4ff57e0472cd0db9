// The Euclidean norm of each lane: norms[n] = ||x[.., n] - minus[.., n]||, four lanes a workgroup, in a fixed tree.
// x, minus: [ROWS][N4] vec4s, norms: [N4]. Without minus nothing is subtracted.
#import grid
#args rows: u32, minus: bool
override N4: u32 = 1u;
const THREADS: u32 = 256u;
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> minus: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> norms: array<vec4<f32>>;
var<workgroup> sums: array<vec4<f32>, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let n4 = group_index(group, groups);
    if (n4 >= N4) { return; }
    var sum = vec4<f32>(0.0);
    for (var row = t; row < args.rows; row += THREADS) {
        var d = x[row * N4 + n4];
        if (args.minus != 0u) { d -= minus[row * N4 + n4]; }
        sum += d * d;
    }
    sums[t] = sum;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if (t < half) { sums[t] += sums[t + half]; }
        workgroupBarrier();
    }
    if (t == 0u) { norms[n4] = sqrt(sums[0]); }
}
