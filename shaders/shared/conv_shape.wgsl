// Geometry of a convolution or a pool, but for the kernel. N4: batch / 4.
#args c_in: u32, h_in: u32, w_in: u32, c_out: u32, h_out: u32, w_out: u32, pad: u32
override N4: u32 = 1u;
