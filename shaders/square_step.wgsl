// Square's proposal for a lane: best with one window changed, on the ball. Pixels: [CHANNELS][H][W][N]; proposal: [N][12], see SQUARE_WORDS.
// l2: the first window takes what the second held and what is free, as pyramids on top of what was there.
#import lanes
#args channels: u32, h: u32, w: u32, l2: bool, eps: f32
@group(0) @binding(0) var<storage, read> clean: array<f32>;
@group(0) @binding(1) var<storage, read> best: array<f32>;
@group(0) @binding(2) var<storage, read> proposal: array<f32>;
@group(0) @binding(3) var<storage, read> pyramids: array<f32>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;

// Whether pixel p of a plane lies in the first (0) or second (8) window.
fn inside(lane: u32, p: u32, window: u32) -> bool {
    let at = 12u * lane + window;
    let side = u32(proposal[12u * lane + 2u]);
    let row = p / args.w - u32(proposal[at]);
    let col = p % args.w - u32(proposal[at + 1u]);
    return row < side && col < side; // before the window both wrap round
}

fn pyramid(lane: u32, p: u32) -> f32 {
    let at = 12u * lane;
    let side = u32(proposal[at + 2u]);
    let row = p / args.w - u32(proposal[at]);
    let col = p % args.w - u32(proposal[at + 1u]);
    return pyramids[select(row * side + col, col * side + row, proposal[at + 3u] != 0.0)];
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let lane = group_index(group, groups);
    if (lane >= args.n) { return; }
    let plane = args.h * args.w;
    if (args.l2 == 0u) {
        for (var r = t; r < args.channels * plane; r += THREADS) {
            let i = r * args.n + lane;
            var v = best[i];
            if (inside(lane, r % plane, 0u)) { v += 2.0 * args.eps * proposal[12u * lane + 4u + r / plane]; }
            x[i] = clamp(clean[i] + clamp(v - clean[i], -args.eps, args.eps), 0.0, 1.0);
        }
        return;
    }
    var before = array<f32, 4>(0.0, 0.0, 0.0, 0.0);
    var both = array<f32, 4>(0.0, 0.0, 0.0, 0.0);
    var whole = 0.0;
    for (var c = 0u; c < args.channels; c++) {
        var first = 0.0;
        var either = 0.0;
        var all = 0.0;
        for (var p = t; p < plane; p += THREADS) {
            let i = (c * plane + p) * args.n + lane;
            let d = best[i] - clean[i];
            all += d * d;
            let in_first = inside(lane, p, 0u);
            if (in_first) { first += d * d; }
            if (in_first || inside(lane, p, 8u)) { either += d * d; }
        }
        before[c] = sqrt(lane_sum(t, first)) + 1e-12;
        both[c] = lane_sum(t, either);
        whole += lane_sum(t, all);
    }
    let free = max(args.eps * args.eps - whole, 0.0) / f32(args.channels);
    var changed = 0.0;
    for (var c = 0u; c < args.channels; c++) {
        let direction = proposal[12u * lane + 4u + c];
        var now = 0.0;
        for (var p = t; p < plane; p += THREADS) {
            let i = (c * plane + p) * args.n + lane;
            var d = best[i] - clean[i];
            if (inside(lane, p, 0u)) {
                d = direction * pyramid(lane, p) + d / before[c];
                now += d * d;
            } else if (inside(lane, p, 8u)) {
                d = 0.0;
            }
            x[i] = d;
        }
        let scale = sqrt(free + both[c]) / (sqrt(lane_sum(t, now)) + 1e-12);
        for (var p = t; p < plane; p += THREADS) {
            let i = (c * plane + p) * args.n + lane;
            if (inside(lane, p, 0u)) { x[i] *= scale; }
            changed += x[i] * x[i];
        }
    }
    let scale = args.eps / max(sqrt(lane_sum(t, changed)), 1e-12);
    // By the same threads that wrote the differences.
    for (var c = 0u; c < args.channels; c++) {
        for (var p = t; p < plane; p += THREADS) {
            let i = (c * plane + p) * args.n + lane;
            x[i] = clamp(clean[i] + x[i] * scale, 0.0, 1.0);
        }
    }
}
