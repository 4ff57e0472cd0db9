// Where value i of a sparse weight stands in the dense tensor [C_OUT][C_IN][KH][KW].
// The including stage binds index ([nnz] packed (ci, ky, kx)) and row ([nnz] co).
override C_IN: u32 = 1u;
override KH: u32 = 1u;
override KW: u32 = 1u;
fn whole_place(i: u32) -> u32 {
    let packed = index[i];
    return ((row[i] * C_IN + (packed >> 8u)) * KH + ((packed >> 4u) & 15u)) * KW + (packed & 15u);
}
