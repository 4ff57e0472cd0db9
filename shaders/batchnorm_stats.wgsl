// Batch statistics, first stage: sums of x - k and (x - k)^2 over a slice of a channel, k being the channel's first value
// (a shift, against cancellation). x: [C][PLANE] vec4s, partials: [slices][2][C].
#import step
#import channel_sums
@group(0) @binding(0) var<storage, read> x: activation;
@group(0) @binding(1) var<storage, read_write> partials: array<f32>;

fn sample(channel: u32, place: u32) -> Pair {
    let d = only_real(load_x(channel * args.plane + place) - load_x(channel * args.plane).x, place % N4);
    return Pair(d, d * d);
}
fn write(slice: u32, channel: u32, sum: vec2<f32>) {
    partials[2u * slice * args.channels + channel] = sum.x;
    partials[(2u * slice + 1u) * args.channels + channel] = sum.y;
}
