//! The scores by name, and which way each of them points.

use crate::names::named_enum;

named_enum! {
    /// A hardness score of a sample.
    pub enum ScoreName ("score") {
        /// Squared norm of softmax minus one-hot, as the paper's code has it; higher is harder.
        El2n = "el2n",
        /// Norm of softmax minus one-hot, as Paul et al. 2021 have it; higher is harder.
        El2nNorm = "el2n-norm",
        /// Norm of the loss gradient over all parameters (Paul et al. 2021); higher is harder.
        Grand = "grand",
        /// Times a sample that was right became wrong during training, infinite if it never was right (Toneva et al. 2019); higher is harder.
        Forgetting = "forgetting",
        /// Softmax probability of the true class; LOWER is harder.
        Uncertainty = "uncertainty",
        /// Cross-entropy; higher is harder.
        Loss = "loss",
        /// A uniform random number: the control.
        Random = "random",
    }
}

impl ScoreName {
    /// 1 where a higher value is a harder sample, -1 where it is an easier one.
    pub fn sign(self) -> f32 {
        if self == Self::Uncertainty { -1.0 } else { 1.0 }
    }
}

named_enum! {
    /// Which end of a ranking by hardness.
    pub enum Part ("part") {
        /// The hardest samples.
        Hard = "hard",
        /// The easiest.
        Easy = "easy",
        /// Those around the median.
        Middle = "middle",
    }
}
