// dx (+)= y > 0 ? dy : 0, float by float. IN_PLACE: dy is dx.
#import grid
override IN_PLACE: bool = false;
override ACCUMULATE: bool = false;
@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= arrayLength(&dx)) { return; }
    var d: f32;
    if (IN_PLACE) { d = dx[i]; } else { d = dy[i]; }
    d = select(0.0, d, y[i] > 0.0);
    if (ACCUMULATE) { d += dx[i]; }
    dx[i] = d;
}
