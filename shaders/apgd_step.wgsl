// APGD's move of a lane: x1 = P(x + size * direction), x <- P(x + (x1 - x) * weight + (x - old) * (1 - weight)), old <- x.
// P: onto the ball of radius EPS around clean and into the box. Pixels: [ROWS][N]; lanes: [6][N], size first; control: weight first.
#import lanes
override ROWS: u32 = 1u;
override L2: bool = false;
override EPS: f32 = 0.0;
@group(0) @binding(0) var<storage, read> clean: array<f32>;
@group(0) @binding(1) var<storage, read> grad: array<f32>;
@group(0) @binding(2) var<storage, read> lanes: array<f32>;
@group(0) @binding(3) var<storage, read> control: array<f32>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;
@group(0) @binding(5) var<storage, read_write> old: array<f32>;

// How a difference of this norm is scaled onto the ball.
fn onto(norm: f32) -> f32 {
    var scale = 1.0;
    if (norm > EPS) { scale = EPS / norm; }
    return scale;
}

// A difference, on the ball and in the box.
fn placed(i: u32, d: f32, scale: f32) -> f32 {
    var inside = d * scale;
    if (!L2) { inside = clamp(d, -EPS, EPS); }
    return clamp(clean[i] + inside, 0.0, 1.0);
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let lane = group_index(group, groups);
    if (lane >= N) { return; }
    let size = lanes[lane];
    let weight = control[0];
    var length = 1.0;
    var scale = 1.0;
    if (L2) {
        var sum = 0.0;
        for (var r = t; r < ROWS; r += THREADS) { sum += grad[r * N + lane] * grad[r * N + lane]; }
        length = sqrt(lane_sum(t, sum)) + 1e-12;
        sum = 0.0;
        for (var r = t; r < ROWS; r += THREADS) {
            let i = r * N + lane;
            let d = x[i] + size * (grad[i] / length) - clean[i];
            sum += d * d;
        }
        scale = onto(sqrt(lane_sum(t, sum)));
    }
    var sum = 0.0;
    for (var r = t; r < ROWS; r += THREADS) {
        let i = r * N + lane;
        let before = x[i];
        var direction = sign(grad[i]);
        if (L2) { direction = grad[i] / length; }
        let first = placed(i, before + size * direction - clean[i], scale);
        let moved = before + (first - before) * weight + (before - old[i]) * (1.0 - weight);
        old[i] = before;
        x[i] = moved;
        let d = moved - clean[i];
        sum += d * d;
    }
    if (L2) { scale = onto(sqrt(lane_sum(t, sum))); }
    for (var r = t; r < ROWS; r += THREADS) {
        let i = r * N + lane;
        x[i] = placed(i, x[i] - clean[i], scale);
    }
}
