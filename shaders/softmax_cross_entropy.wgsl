// Softmax cross-entropy, one workgroup, a thread a sample: loss, EL2N, true-class probability, answer; batch totals.
//   p = softmax(logits); dlogits = (p - target) / divisor(), 0 on padded lanes; target = one_hot, label_smoothing of it spread evenly
//   samples[sample_offset + lane] = loss, |p - one_hot|^2, p[label], first maximum; totals += losses, correct, samples, non-finite
// logits, dlogits (if HAS_GRAD): [CLASSES][N], labels: [N].
#import step
override CLASSES: u32 = 1u;
override N: u32 = 4u;
override HAS_GRAD: bool = false;
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
    let spread = params.label_smoothing / f32(CLASSES);
    var sum = vec4<f32>(0.0);
    for (var n = t; n < N; n += THREADS) {
        if (n < params.n_valid) {
            let label = labels[n];
            var top = logits[n];
            var answer = 0u;
            for (var c = 1u; c < CLASSES; c++) {
                let v = logits[c * N + n];
                if (v > top) {
                    top = v;
                    answer = c;
                }
            }
            var total = 0.0;
            for (var c = 0u; c < CLASSES; c++) {
                total += exp(logits[c * N + n] - top);
            }
            var distance = 0.0;
            var p_true = 0.0;
            for (var c = 0u; c < CLASSES; c++) {
                let p = exp(logits[c * N + n] - top) / total;
                let truth = select(0.0, 1.0, c == label);
                let d = p - truth;
                if (c == label) { p_true = p; }
                distance += d * d;
                if (HAS_GRAD) { dlogits[c * N + n] = (d + (params.label_smoothing * truth - spread)) / divisor(); }
            }
            let right = logits[min(label, CLASSES - 1u) * N + n];
            var loss = log(total) - (right - top);
            if (params.label_smoothing > 0.0) {
                var apart = 0.0;
                for (var c = 0u; c < CLASSES; c++) {
                    apart += right - logits[c * N + n];
                }
                loss += spread * apart;
            }
            let i = params.sample_offset + n;
            if (i < arrayLength(&samples)) { samples[i] = vec4<f32>(loss, distance, p_true, f32(answer)); }
            let fine = is_finite(loss);
            sum += vec4<f32>(select(0.0, loss, fine), select(0.0, 1.0, answer == label), 1.0, select(1.0, 0.0, fine));
        } else if (HAS_GRAD) {
            for (var c = 0u; c < CLASSES; c++) {
                dlogits[c * N + n] = 0.0;
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
