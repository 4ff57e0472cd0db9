// A BatchNorm, and perhaps ReLU, of a convolution's input, applied as it is loaded; zero beyond n_valid.
// The including stage binds stats and affine, both [2][C_IN].
#import step
#import batchnorm
override NORM: bool = false;
fn loaded(x: vec4<f32>, channel: u32, n4: u32) -> vec4<f32> {
    if (!NORM) { return x; }
    var v = normalized(x, stats[channel], stats[args.c_in + channel], affine[channel], affine[args.c_in + channel]);
    if (RELU) { v = max(v, vec4<f32>(0.0)); }
    return only_real(v, n4);
}
