// Softmax cross-entropy, one workgroup, a thread a sample: loss, EL2N, true-class probability, answer; batch totals.
//   p = softmax(logits); dlogits = (p - target) / divisor(), 0 on padded lanes; target = one_hot, label_smoothing of it spread evenly
//   samples[sample_offset + lane] = loss, |p - one_hot|^2, p[label], first maximum; totals += losses, correct, samples, non-finite
// logits, dlogits (if has_grad): [CLASSES][N], labels: [N].
#import step
#args classes: u32, n: u32, has_grad: bool
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(3) var<storage, read_write> samples: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> totals: array<f32>;
const THREADS: u32 = 256u;
var<workgroup> sums: array<vec4<f32>, 256>;

fn is_finite(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u;
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) t: u32) {
    let spread = params.label_smoothing / f32(args.classes);
    var sum = vec4<f32>(0.0);
    for (var n = t; n < args.n; n += THREADS) {
        if (n < params.n_valid) {
            let label = labels[n];
            var top = logits[n];
            var answer = 0u;
            for (var c = 1u; c < args.classes; c++) {
                let v = logits[c * args.n + n];
                if (v > top) {
                    top = v;
                    answer = c;
                }
            }
            var total = 0.0;
            for (var c = 0u; c < args.classes; c++) {
                total += exp(logits[c * args.n + n] - top);
            }
            var distance = 0.0;
            var p_true = 0.0;
            for (var c = 0u; c < args.classes; c++) {
                let p = exp(logits[c * args.n + n] - top) / total;
                let truth = select(0.0, 1.0, c == label);
                let d = p - truth;
                if (c == label) { p_true = p; }
                distance += d * d;
                if (args.has_grad != 0u) { dlogits[c * args.n + n] = (d + (params.label_smoothing * truth - spread)) / divisor(); }
            }
            let right = logits[min(label, args.classes - 1u) * args.n + n];
            var loss = log(total) - (right - top);
            if (params.label_smoothing > 0.0) {
                var apart = 0.0;
                for (var c = 0u; c < args.classes; c++) {
                    apart += right - logits[c * args.n + n];
                }
                loss += spread * apart;
            }
            let i = params.sample_offset + n;
            if (i < arrayLength(&samples)) { samples[i] = vec4<f32>(loss, distance, p_true, f32(answer)); }
            let fine = is_finite(loss);
            sum += vec4<f32>(select(0.0, loss, fine), select(0.0, 1.0, answer == label), 1.0, select(1.0, 0.0, fine));
        } else if (args.has_grad != 0u) {
            for (var c = 0u; c < args.classes; c++) {
                dlogits[c * args.n + n] = 0.0;
            }
        }
    }
    sums[t] = sum;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if (t < half) { sums[t] += sums[t + half]; }
        workgroupBarrier();
    }
    if (t < 4u) { totals[t] += sums[0][t]; }
}
