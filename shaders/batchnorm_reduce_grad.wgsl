// Gradient of gamma and beta, first stage: sums of dpre * xhat and dpre over a slice of a channel.
//   dpre = RELU && y <= 0 ? 0 : dy, xhat = (x - mean) inv_std; with AGAIN y is made again
// dy, y, x: [C][PLANE] vec4s, stats, affine: [2][C], partials: [slices][2][C]; sum_partials.wgsl adds the slices.
#import step
#import batchnorm
#import channel_sums
override AGAIN: bool = false; // of RELU
@group(0) @binding(0) var<storage, read> dy: activation;
@group(0) @binding(1) var<storage, read> y: activation;
@group(0) @binding(2) var<storage, read> x: activation;
@group(0) @binding(3) var<storage, read> stats: array<f32>;
@group(0) @binding(4) var<storage, read> affine: array<f32>;
@group(0) @binding(5) var<storage, read_write> partials: array<f32>;

fn sample(channel: u32, place: u32) -> Pair {
    let i = channel * args.plane + place;
    var d = load_dy(i);
    if (AGAIN) {
        d = relu_grad(d, normalized(load_x(i), stats[channel], stats[args.channels + channel], affine[channel], affine[args.channels + channel]));
    } else if (RELU) {
        d = relu_grad(d, load_y(i));
    }
    let xhat = (load_x(i) - stats[channel]) * inv_std_of(stats[args.channels + channel]);
    return Pair(only_real(d * xhat, place % N4), only_real(d, place % N4));
}
fn write(slice: u32, channel: u32, sum: vec2<f32>) {
    partials[2u * slice * args.channels + channel] = sum.x;
    partials[(2u * slice + 1u) * args.channels + channel] = sum.y;
}
