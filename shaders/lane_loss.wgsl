// A loss by lane, its gradient with respect to the logits, and whether the lane is fooled; the formulas stand at `LaneLossKind`.
// logits, dlogits: [CLASSES][N], values: [2][N]. kind: 0 cross-entropy, 1 DLR, 2 targeted DLR, 3 z_t - z_y, 4 z_y - z_o.
#import step
#import grid
#args n: u32, classes: u32, kind: u32
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;
@group(0) @binding(4) var<storage, read_write> dlogits: array<f32>;

fn add(c: u32, lane: u32, v: f32) {
    dlogits[c * args.n + lane] += v;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let lane = group_index(group, groups) * 64u + t;
    if (lane >= args.n) { return; }
    for (var c = 0u; c < args.classes; c++) { dlogits[c * args.n + lane] = 0.0; }
    values[lane] = 0.0;
    values[args.n + lane] = 0.0;
    if (lane >= params.n_valid) { return; }
    let label = labels[lane];
    let goal = targets[lane];
    if (label >= args.classes || goal >= args.classes) {
        // NaN; the added zero is one that a compiler, which may refuse a constant NaN, does not know.
        values[lane] = bitcast<f32>(0x7fc00000u + (params.n_valid >> 31u));
        return;
    }
    // The four largest logits, the last again where there are fewer, and the largest other than the label's.
    var top = array<u32, 4>(0u, 0u, 0u, 0u);
    for (var k = 0u; k < 4u; k++) {
        var best = top[max(k, 1u) - 1u];
        var found = false;
        for (var c = 0u; c < args.classes; c++) {
            var taken = false;
            for (var j = 0u; j < k; j++) { taken = taken || top[j] == c; }
            if (!taken && (!found || logits[c * args.n + lane] > logits[best * args.n + lane])) {
                best = c;
                found = true;
            }
        }
        top[k] = best;
    }
    var other = label;
    for (var c = 0u; c < args.classes; c++) {
        if (c != label && (other == label || logits[c * args.n + lane] > logits[other * args.n + lane])) { other = c; }
    }
    let z_label = logits[label * args.n + lane];
    var loss = 0.0;
    if (args.kind == 0u) {
        let largest = logits[top[0] * args.n + lane];
        var total = 0.0;
        for (var c = 0u; c < args.classes; c++) { total += exp(logits[c * args.n + lane] - largest); }
        for (var c = 0u; c < args.classes; c++) { dlogits[c * args.n + lane] = exp(logits[c * args.n + lane] - largest) / total; }
        add(label, lane, -1.0);
        loss = log(total) - (z_label - largest);
    } else if (args.kind == 1u || args.kind == 2u) {
        let against = select(other, goal, args.kind == 2u);
        let fourth = select(top[2], top[3], args.kind == 2u);
        var spread = logits[top[0] * args.n + lane] - 0.5 * (logits[top[2] * args.n + lane] + logits[fourth * args.n + lane]) + 1e-12;
        if (args.classes < 3u) { spread = 1.0; }
        let difference = z_label - logits[against * args.n + lane];
        add(label, lane, -1.0 / spread);
        add(against, lane, 1.0 / spread);
        if (args.classes >= 3u) {
            let slope = difference / (spread * spread);
            add(top[0], lane, slope);
            add(top[2], lane, -0.5 * slope);
            add(fourth, lane, -0.5 * slope);
        }
        loss = -difference / spread;
    } else if (args.kind == 3u) {
        add(goal, lane, 1.0);
        add(label, lane, -1.0);
        loss = logits[goal * args.n + lane] - z_label;
    } else {
        add(label, lane, 1.0);
        add(other, lane, -1.0);
        loss = z_label - logits[other * args.n + lane];
    }
    values[lane] = loss;
    values[args.n + lane] = select(1.0, 0.0, top[0] == label);
}
