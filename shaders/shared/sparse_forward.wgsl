// What the kernels of a sparse forward convolution are bound to, its rows, and how they write.
// The including stage imports conv_shape and step.
#args has_bias: bool
@group(0) @binding(0) var<storage, read> x: activation;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> row_ptr: array<u32>;
@group(0) @binding(3) var<storage, read> index: array<u32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> stats: array<f32>;
@group(0) @binding(6) var<storage, read> affine: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: activation;

fn row_count() -> u32 { return args.c_out; }
fn row_start(row: u32) -> u32 { return row_ptr[row]; }
fn row_end(row: u32) -> u32 { return row_ptr[row + 1u]; }

fn write(i: u32, row: u32, n4: u32, value: vec4<f32>) {
    var v = value;
    if (args.has_bias != 0u) { v = only_real(value + bias[row], n4); }
    store_y(i, v);
}
