// A channel's statistics, from `saved` (mean, 1/sqrt(var + eps)) or, with eval, `running` (mean, variance).
#args eval: bool, eps: f32
override RELU: bool = false;
fn inv_std_of(second: f32) -> f32 {
    if (args.eval != 0u) { return 1.0 / sqrt(second + args.eps); }
    return second;
}
// What BatchNorm makes of a value before a residual and ReLU.
fn normalized(x: vec4<f32>, mean: f32, second: f32, gamma: f32, beta: f32) -> vec4<f32> {
    return gamma * ((x - mean) * inv_std_of(second)) + beta;
}
// The gradient before ReLU, given the forward output.
fn relu_grad(dy: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    return select(dy, vec4<f32>(0.0), y <= vec4<f32>(0.0));
}
