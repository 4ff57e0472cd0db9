// Where value i of a sparse weight stands in the dense tensor [C_OUT][C_IN][KH][KW].
// The including stage binds index ([nnz] packed (ci, ky, kx)) and row ([nnz] co).
#args c_in: u32, kh: u32, kw: u32
fn whole_place(i: u32) -> u32 {
    let packed = index[i];
    return ((row[i] * args.c_in + (packed >> 8u)) * args.kh + ((packed >> 4u) & 15u)) * args.kw + (packed & 15u);
}
