// The kernel, for stages that divide by it for every value they load.
override KH: u32 = 1u;
override KW: u32 = 1u;
override STRIDE: u32 = 1u;
