//! Hardness: scores of samples, and the subsets chosen by them.

/// EL2N scores of a dataset's samples, with where they came from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// E.g. "el2n" (squared norm).
    pub name: String,
    /// One a sample of the training file, in its order.
    pub train: Vec<f32>,
    /// One a sample of the test file.
    pub test: Vec<f32>,
    /// How they were made (run card), JSON.
    pub card: String,
}
