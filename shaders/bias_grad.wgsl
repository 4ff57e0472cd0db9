// Gradient of a bias, first stage: the sum of dy over a slice of a channel. dy: [C][PLANE] vec4s, partials: [slices][C];
// sum_partials.wgsl adds the slices.
#import channel_sums
@group(0) @binding(0) var<storage, read> dy: activation;
@group(0) @binding(1) var<storage, read_write> partials: array<f32>;

fn sample(channel: u32, place: u32) -> Pair {
    return Pair(load_dy(channel * args.plane + place), vec4<f32>(0.0));
}
fn write(slice: u32, channel: u32, sum: vec2<f32>) {
    partials[slice * args.channels + channel] = sum.x;
}
