//! Topology: CSR, density allocation, prune and grow. Plain Rust on the CPU, exact and seeded.
