// What FAB keeps of a lane: where x fools, it is the answer if it is nearer than the last, and goes back by a tenth towards clean.
// Pixels: [ROWS][N]; values: [2][N], fooled second; lanes: [N] distance of the answer.
#import lanes
#args rows: u32, l2: bool
@group(0) @binding(0) var<storage, read> clean: array<f32>;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> adv: array<f32>;
@group(0) @binding(4) var<storage, read_write> lanes: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let lane = group_index(group, groups);
    if (lane >= args.n) { return; }
    var sum = 0.0;
    var largest = 0.0;
    for (var r = t; r < args.rows; r += THREADS) {
        let d = x[r * args.n + lane] - clean[r * args.n + lane];
        sum += d * d;
        largest = max(largest, abs(d));
    }
    let euclidean = sqrt(lane_sum(t, sum));
    let maximum = lane_max(t, largest);
    let far = select(maximum, euclidean, args.l2 != 0u);
    let fooled = values[args.n + lane] != 0.0;
    let nearer = fooled && far < lanes[lane];
    for (var r = t; r < args.rows; r += THREADS) {
        let i = r * args.n + lane;
        if (nearer) { adv[i] = x[i]; }
        if (fooled) { x[i] = clamp(clean[i] + (x[i] - clean[i]) * 0.9, 0.0, 1.0); }
    }
    storageBarrier(); // every thread has read the lane's distance
    if (t == 0u && nearer) { lanes[lane] = far; }
}
