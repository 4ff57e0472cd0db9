//! Whole small networks: five training steps, and scores of weights and samples.

use super::{Case, Outcome, Tensors};
use crate::device::Device;
use crate::error::{Error, Result};

/// Runs a case of kind `net`.
///
/// # Errors
/// `UnknownName` for a case that is neither.
pub async fn run(case: &Case, tensors: &Tensors, device: &mut Device) -> Result<Outcome> {
    match case.text("name")? {
        "train" => train(case, tensors, device).await,
        "scores" => Ok(Outcome::NotYet),
        name => Err(Error::UnknownName { kind: "net case", name: name.to_owned(), valid: "scores, train".into() }),
    }
}

/// Five masked steps of SGD; the losses and the state after them.
async fn train(_case: &Case, _tensors: &Tensors, _device: &mut Device) -> Result<Outcome> {
    Ok(Outcome::NotYet)
}
