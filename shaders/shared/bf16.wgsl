// Four floats as the upper halves of float32 in two words, the first of a pair in the lower half. The twin of `core/src/bf16.rs`.
fn widened(stored: vec2<u32>) -> vec4<f32> {
    let low = stored << vec2<u32>(16u);
    let high = stored & vec2<u32>(0xffff0000u);
    return bitcast<vec4<f32>>(vec4<u32>(low.x, high.x, low.y, high.y));
}
// To the nearest, ties to even; a NaN stays one.
fn rounded(v: vec4<f32>) -> vec2<u32> {
    let bits = bitcast<vec4<u32>>(v);
    let upper = bits >> vec4<u32>(16u);
    let nearest = (bits + vec4<u32>(0x7fffu) + (upper & vec4<u32>(1u))) >> vec4<u32>(16u);
    let is_nan = (bits & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
    let half = select(nearest, upper | vec4<u32>(0x40u), is_nan);
    return vec2<u32>(half.x | (half.y << 16u), half.z | (half.w << 16u));
}
