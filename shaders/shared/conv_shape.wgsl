// Geometry of a convolution. N4: batch / 4.
override C_IN: u32 = 1u;
override H_IN: u32 = 1u;
override W_IN: u32 = 1u;
override C_OUT: u32 = 1u;
override H_OUT: u32 = 1u;
override W_OUT: u32 = 1u;
override KH: u32 = 1u;
override KW: u32 = 1u;
override STRIDE: u32 = 1u;
override PAD: u32 = 0u;
override N4: u32 = 1u;
