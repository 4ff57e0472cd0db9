// FAB's move of a lane: x and clean projected, within the box, on the plane values[0] + grad * (z - x) = 0, mixed, a little beyond.
// Pixels: [ROWS][N]. A projection moves pixel i by min(multiplier * rate, room) against the plane's side; Newton's steps find the
// multiplier: what is reached is concave and piecewise linear in it.
#import lanes
#args rows: u32, l2: bool
const PROJECTION_STEPS: u32 = 32u;
@group(0) @binding(0) var<storage, read> clean: array<f32>;
@group(0) @binding(1) var<storage, read> grad: array<f32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;

fn point(i: u32, from_clean: bool) -> f32 {
    var p = x[i];
    if (from_clean) { p = clean[i]; }
    return p;
}
fn room(i: u32, from_clean: bool, direction: f32) -> f32 {
    let p = point(i, from_clean);
    return select(1.0 - p, p, direction * grad[i] > 0.0);
}
fn rate(i: u32) -> f32 {
    return select(1.0, abs(grad[i]), args.l2 != 0u);
}

fn multiplier(t: u32, lane: u32, from_clean: bool, excess: f32, direction: f32) -> f32 {
    var m = 0.0;
    for (var k = 0u; k < PROJECTION_STEPS; k++) {
        var reached = 0.0;
        var slope = 0.0;
        for (var r = t; r < args.rows; r += THREADS) {
            let i = r * args.n + lane;
            let w = abs(grad[i]);
            let wanted = m * rate(i);
            let most = room(i, from_clean, direction);
            reached += w * min(wanted, most);
            if (wanted < most) { slope += w * rate(i); }
        }
        let missing = excess - lane_sum(t, reached);
        let all = lane_sum(t, slope);
        if (missing > 0.0 && all > 0.0) { m += missing / all; }
    }
    return m;
}

fn change(i: u32, from_clean: bool, m: f32, direction: f32) -> f32 {
    return -direction * sign(grad[i]) * min(m * rate(i), room(i, from_clean, direction));
}

// The norm of a change.
fn length_of(t: u32, lane: u32, from_clean: bool, m: f32, direction: f32) -> f32 {
    var sum = 0.0;
    var largest = 0.0;
    for (var r = t; r < args.rows; r += THREADS) {
        let d = change(r * args.n + lane, from_clean, m, direction);
        sum += d * d;
        largest = max(largest, abs(d));
    }
    let euclidean = sqrt(lane_sum(t, sum));
    let maximum = lane_max(t, largest);
    return max(select(maximum, euclidean, args.l2 != 0u), 1e-8);
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let lane = group_index(group, groups);
    if (lane >= args.n) { return; }
    let near = values[lane];
    var between = 0.0;
    for (var r = t; r < args.rows; r += THREADS) {
        let i = r * args.n + lane;
        between += grad[i] * (clean[i] - x[i]);
    }
    let far = near + lane_sum(t, between);
    let near_side = select(1.0, -1.0, near < 0.0);
    let far_side = select(1.0, -1.0, far < 0.0);
    let near_m = multiplier(t, lane, false, abs(near), near_side);
    let far_m = multiplier(t, lane, true, abs(far), far_side);
    let a = length_of(t, lane, false, near_m, near_side);
    let b = length_of(t, lane, true, far_m, far_side);
    let share = clamp(a / (a + b), 0.0, 0.1);
    for (var r = t; r < args.rows; r += THREADS) {
        let i = r * args.n + lane;
        let from_x = x[i] + 1.05 * change(i, false, near_m, near_side);
        let from_clean = clean[i] + 1.05 * change(i, true, far_m, far_side);
        x[i] = clamp(from_x * (1.0 - share) + from_clean * share, 0.0, 1.0);
    }
}
