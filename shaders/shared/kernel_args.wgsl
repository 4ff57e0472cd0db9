// The kernel, for stages that are the same for any.
#args kh: u32, kw: u32, stride: u32
