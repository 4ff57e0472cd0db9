// What Square keeps of a lane: the proposal where it lowers the margin of a lane that is not fooled yet.
// Pixels: [ROWS][N]; values: [2][N], margin first; lanes: [N] least margin.
#import lanes
#args rows: u32
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> best: array<f32>;
@group(0) @binding(3) var<storage, read_write> lanes: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let lane = group_index(group, groups);
    if (lane >= args.n) { return; }
    let better = lanes[lane] > 0.0 && values[lane] < lanes[lane];
    if (better) {
        for (var r = t; r < args.rows; r += THREADS) { best[r * args.n + lane] = x[r * args.n + lane]; }
    }
    storageBarrier(); // every thread has read the lane's margin
    if (t == 0u && better) { lanes[lane] = values[lane]; }
}
