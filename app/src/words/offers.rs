//! What the engine's named things are called where their names say too little.

/// Scores, by name.
pub const SCORES: [(&str, &str); 7] = [
    ("el2n", "EL2N: error early in training"),
    ("el2n-norm", "EL2N, as a norm"),
    ("grand", "GraNd: size of the gradient"),
    ("forgetting", "Forgetting: learnt and lost again"),
    ("uncertainty", "Uncertainty of the answer"),
    ("loss", "Loss"),
    ("random", "A random score"),
];
/// Ways to share the density, by name.
pub const ALLOCATIONS: [(&str, &str); 3] =
    [("erk", "by ERK: small layers denser"), ("uniform", "the same everywhere"), ("global-magnitude", "by magnitude, all layers together")];
/// A kind of corruption beyond the standard ones.
pub fn extra(label: &str) -> String {
    format!("{label} (extra)")
}
