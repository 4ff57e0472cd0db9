// What APGD keeps of a lane after a pass: best point and gradient, last point that fools; the step is halved where there is no progress.
// Pixels: [ROWS][N]; values: [2][N] loss, fooled; control: weight, interval that ends or 0, start; lanes: [6][N], see APGD_ROWS.
#import lanes
#args rows: u32
@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read> control: array<f32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad: array<f32>;
@group(0) @binding(4) var<storage, read_write> best: array<f32>;
@group(0) @binding(5) var<storage, read_write> best_grad: array<f32>;
@group(0) @binding(6) var<storage, read_write> adv: array<f32>;
@group(0) @binding(7) var<storage, read_write> lanes: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let lane = group_index(group, groups);
    if (lane >= args.n) { return; }
    let loss = values[lane];
    let fooled = values[args.n + lane] != 0.0;
    var size = lanes[lane];
    var best_loss = lanes[args.n + lane];
    var rises = lanes[3u * args.n + lane];
    var checked = lanes[4u * args.n + lane];
    var halved = lanes[5u * args.n + lane];
    var better = true;
    var halve = false;
    if (control[2] != 0.0) {
        best_loss = loss;
        rises = 0.0;
        checked = loss;
        halved = 1.0;
    } else {
        better = loss > best_loss;
        if (better) { best_loss = loss; }
        if (loss > lanes[2u * args.n + lane]) { rises += 1.0; }
        if (control[1] > 0.0) {
            halve = (halved == 0.0 && checked >= best_loss) || rises <= 0.75 * control[1];
            rises = 0.0;
            checked = best_loss;
            halved = select(0.0, 1.0, halve);
            if (halve) { size *= 0.5; }
        }
    }
    for (var r = t; r < args.rows; r += THREADS) {
        let i = r * args.n + lane;
        if (fooled) { adv[i] = x[i]; }
        if (better) {
            best[i] = x[i];
            best_grad[i] = grad[i];
        }
        if (halve) {
            x[i] = best[i];
            grad[i] = best_grad[i];
        }
    }
    storageBarrier(); // every thread has read the lane's state
    if (t == 0u) {
        lanes[lane] = size;
        lanes[args.n + lane] = best_loss;
        lanes[2u * args.n + lane] = loss;
        lanes[3u * args.n + lane] = rises;
        lanes[4u * args.n + lane] = checked;
        lanes[5u * args.n + lane] = halved;
    }
}
