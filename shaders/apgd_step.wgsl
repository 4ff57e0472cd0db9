// APGD's move of a lane: x1 = P(x + size * direction), x <- P(x + (x1 - x) * weight + (x - old) * (1 - weight)), old <- x.
// P: onto the ball of radius eps around clean and into the box. Pixels: [ROWS][N]; lanes: [6][N], size first; control: weight first.
#import lanes
#args rows: u32, l2: bool, eps: f32
@group(0) @binding(0) var<storage, read> clean: array<f32>;
@group(0) @binding(1) var<storage, read> grad: array<f32>;
@group(0) @binding(2) var<storage, read> lanes: array<f32>;
@group(0) @binding(3) var<storage, read> control: array<f32>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;
@group(0) @binding(5) var<storage, read_write> old: array<f32>;

// How a difference of this norm is scaled onto the ball.
fn onto(norm: f32) -> f32 {
    var scale = 1.0;
    if (norm > args.eps) { scale = args.eps / norm; }
    return scale;
}

// A difference, on the ball and in the box.
fn placed(i: u32, d: f32, scale: f32) -> f32 {
    var inside = d * scale;
    if (args.l2 == 0u) { inside = clamp(d, -args.eps, args.eps); }
    return clamp(clean[i] + inside, 0.0, 1.0);
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let lane = group_index(group, groups);
    if (lane >= args.n) { return; }
    let size = lanes[lane];
    let weight = control[0];
    var length = 1.0;
    var scale = 1.0;
    if (args.l2 != 0u) {
        var sum = 0.0;
        for (var r = t; r < args.rows; r += THREADS) { sum += grad[r * args.n + lane] * grad[r * args.n + lane]; }
        length = sqrt(lane_sum(t, sum)) + 1e-12;
        sum = 0.0;
        for (var r = t; r < args.rows; r += THREADS) {
            let i = r * args.n + lane;
            let d = x[i] + size * (grad[i] / length) - clean[i];
            sum += d * d;
        }
        scale = onto(sqrt(lane_sum(t, sum)));
    }
    var sum = 0.0;
    for (var r = t; r < args.rows; r += THREADS) {
        let i = r * args.n + lane;
        let before = x[i];
        var direction = sign(grad[i]);
        if (args.l2 != 0u) { direction = grad[i] / length; }
        let first = placed(i, before + size * direction - clean[i], scale);
        let moved = before + (first - before) * weight + (before - old[i]) * (1.0 - weight);
        old[i] = before;
        x[i] = moved;
        let d = moved - clean[i];
        sum += d * d;
    }
    if (args.l2 != 0u) { scale = onto(sqrt(lane_sum(t, sum))); }
    for (var r = t; r < args.rows; r += THREADS) {
        let i = r * args.n + lane;
        x[i] = placed(i, x[i] - clean[i], scale);
    }
}
