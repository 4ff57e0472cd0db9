// A convolution's output is cut into tiles, its input is staged, normalised if NORM.
// The including stage imports conv_shape and norm_on_load, and binds x.
#import staged
fn height() -> u32 { return args.h_out; }
fn width() -> u32 { return args.w_out; }

fn source_at(channel: u32, y: u32, x: u32, n4: u32) -> vec4<f32> {
    let iy = y - args.pad; // negative wraps beyond h_in
    let ix = x - args.pad;
    if (iy >= args.h_in || ix >= args.w_in) { return vec4<f32>(0.0); }
    return loaded(load_x(((channel * args.h_in + iy) * args.w_in + ix) * N4 + n4), channel, n4);
}

// How far a packed tap lies from the first of its channel.
fn tap_offset(packed: u32) -> u32 { return (((packed >> 4u) & 15u) * staged_w() + (packed & 15u)) * TILE_N; }
