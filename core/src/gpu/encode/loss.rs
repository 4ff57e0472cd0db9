//! The loss: one workgroup, since logits are few.

use super::super::launch::{Launch, flag};
use super::{Encode, Operands};
use crate::error::Result;
use crate::ops::SoftmaxCrossEntropy;

impl Encode for SoftmaxCrossEntropy {
    fn encode(&self, operands: &Operands) -> Result<Vec<Launch>> {
        let launch = Launch::new("softmax_cross_entropy", operands.all(), 1, (8 * self.classes * self.n) as f64);
        let numbers = [("classes", self.classes as f64), ("n", self.n as f64), ("has_grad", flag(self.dlogits.is_some()))];
        Ok(vec![launch.with(numbers)])
    }
}
