// Decode a batch of byte images to [0,1] and augment: crop with zero padding, flip, rotate (nearest, zero fill).
// bytes: [n][C][H][W] bytes in u32 words, little-endian; augmentation: [n][8] = column offset, row offset, flip, cos, sin, 0, 0, 0;
// out: [C][H][W][N]. The formula stands at `ops::Augment`.
#import step
#import grid
#args c: u32, h: u32, w: u32
override N4: u32 = 1u;
@group(0) @binding(0) var<storage, read> bytes: array<u32>;
@group(0) @binding(1) var<storage, read> augmentation: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;

fn pixel(c: u32, y: u32, x: u32, n: u32) -> f32 {
    if (n >= params.n_valid) { return 0.0; }
    let a = augmentation[2u * n];
    let sin = augmentation[2u * n + 1u].x;
    let cx = f32(args.w - 1u) / 2.0;
    let cy = f32(args.h - 1u) / 2.0;
    let u = f32(x) - cx;
    let v = f32(y) - cy;
    var sx = i32(round(a.w * u + sin * v + cx));
    var sy = i32(round(-sin * u + a.w * v + cy));
    if (sx < 0 || sx >= i32(args.w) || sy < 0 || sy >= i32(args.h)) { return 0.0; }
    if (a.z > 0.5) { sx = i32(args.w) - 1 - sx; }
    sx += i32(round(a.x));
    sy += i32(round(a.y));
    if (sx < 0 || sx >= i32(args.w) || sy < 0 || sy >= i32(args.h)) { return 0.0; }
    let i = ((n * args.c + c) * args.h + u32(sy)) * args.w + u32(sx);
    return f32((bytes[i / 4u] >> (8u * (i % 4u))) & 255u) / 255.0;
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let i = group_index(group, groups) * 256u + t;
    if (i >= args.c * args.h * args.w * N4) { return; }
    let n = 4u * (i % N4);
    let p = i / N4;
    let x = p % args.w;
    let y = (p / args.w) % args.h;
    let c = p / (args.w * args.h);
    out[i] = vec4<f32>(pixel(c, y, x, n), pixel(c, y, x, n + 1u), pixel(c, y, x, n + 2u), pixel(c, y, x, n + 3u));
}
