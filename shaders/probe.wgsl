// y = x after ROUNDS multiply-adds v * 0.5 + 0.25 of every element on its own; rounds = 0 moves memory, many are arithmetic.
// x, y: [LEN4] vectors; a thread has four of them, so that one's latency hides behind the others.
#import grid
#args len4: u32
override ROUNDS: u32 = 0u;
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let first = group_index(group, groups) * 1024u + t;
    var v: array<vec4<f32>, 4>;
    for (var k = 0u; k < 4u; k++) {
        v[k] = x[min(first + k * 256u, args.len4 - 1u)];
    }
    for (var r = 0u; r < ROUNDS; r++) {
        for (var k = 0u; k < 4u; k++) {
            v[k] = fma(v[k], vec4<f32>(0.5), vec4<f32>(0.25));
        }
    }
    for (var k = 0u; k < 4u; k++) {
        if (first + k * 256u < args.len4) { y[first + k * 256u] = v[k]; }
    }
}
