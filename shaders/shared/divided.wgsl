// i / by and i % by, without the 20 instructions of a division by what no compiler knows; `inverse` is 1.0 / f32(by), to the 2.5 steps that
// WGSL allows it to be off. Exact where i / by < 2^20: the product is then off by less than one.
fn divided(i: u32, by: u32, inverse: f32) -> vec2<u32> {
    let q = u32(f32(i) * inverse);
    let r = i32(i - q * by);
    let step = select(select(0, 1, r >= i32(by)), -1, r < 0);
    return vec2<u32>(u32(i32(q) + step), u32(r - step * i32(by)));
}
