// What the kernels of a sparse convolution's input gradient are bound to, its rows, and how they write.
// The including stage imports conv_shape.
#args accumulate: bool
@group(0) @binding(0) var<storage, read> dy: activation;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> t_row_ptr: array<u32>;
@group(0) @binding(3) var<storage, read> t_index: array<u32>;
@group(0) @binding(4) var<storage, read> t_value: array<u32>;
@group(0) @binding(5) var<storage, read_write> dx: activation;

fn row_count() -> u32 { return args.c_in; }
fn row_start(row: u32) -> u32 { return t_row_ptr[row]; }
fn row_end(row: u32) -> u32 { return t_row_ptr[row + 1u]; }

fn write(i: u32, value: vec4<f32>) {
    var v = value;
    if (args.accumulate != 0u) { v += load_dx(i); }
    store_dx(i, v);
}
