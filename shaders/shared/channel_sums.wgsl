// Sums over one slice of a channel's plane: a workgroup of 256 threads adds what sample(channel, place) gives (two sums at
// once, four lanes each) over span vec4s, in a fixed tree.
// The including stage says: sample(channel, place) -> Pair, write(slice, channel, sums).
#import grid
#args channels: u32, plane: u32, span: u32 // plane: vec4s of a channel
override N4: u32 = 1u;
const THREADS: u32 = 256u;
struct Pair { first: vec4<f32>, second: vec4<f32> }
var<workgroup> sums: array<vec2<f32>, 256>;

fn lanes_sum(v: vec4<f32>) -> f32 { return (v.x + v.y) + (v.z + v.w); }

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let g = group_index(group, groups);
    let channel = g % args.channels;
    let slice = g / args.channels;
    let start = slice * args.span;
    if (start >= args.plane) { return; }
    let end = min(start + args.span, args.plane);
    var first = vec4<f32>(0.0);
    var second = vec4<f32>(0.0);
    for (var p = start + t; p < end; p += THREADS) {
        let pair = sample(channel, p);
        first += pair.first;
        second += pair.second;
    }
    sums[t] = vec2<f32>(lanes_sum(first), lanes_sum(second));
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if (t < half) { sums[t] += sums[t + half]; }
        workgroupBarrier();
    }
    if (t == 0u) { write(slice, channel, sums[0]); }
}
