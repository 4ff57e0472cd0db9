//! Comparison with the expected outputs, and how near is near enough.

use super::Outcome;

/// Relative error of one layer in float32: sums of at most a few thousand products, each good to 6e-8, stay well below;
/// a wrong tap, a wrong lane or a lost term is far above.
pub const LAYER_TOLERANCE: f64 = 1e-5;

/// Relative error after five training steps: rounding of one step is amplified by BatchNorm and by the learning rate in the
/// next, ten times a layer's tolerance covers it.
pub const STEPS_TOLERANCE: f64 = 1e-4;

/// Relative error of a Hessian-vector product by central differences in float64 with a relative step of 1e-6: the difference loses
/// six of sixteen digits, and rounding the expected values to float32 costs 6e-8.
#[cfg(feature = "oracle")]
pub const CURVATURE_TOLERANCE: f64 = 1e-4;

/// Relative error of what the host computes in float64 against float64 written as JSON: only the order of sums and the last
/// bits of a cosine may differ.
pub const HOST_TOLERANCE: f64 = 1e-10;

/// Collects comparisons of one case.
#[derive(Default)]
pub struct Check {
    worst: f64,
    wrong: Vec<String>,
}

impl Check {
    /// `||got - want|| / ||want||` must be below `tolerance`; where `want` is all zero, so must `got` be.
    pub fn close<T: Copy + Into<f64>>(&mut self, what: &str, got: &[T], want: &[T], tolerance: f64) {
        if got.len() != want.len() {
            self.wrong.push(format!("{what}: {} values, expected {}", got.len(), want.len()));
            return;
        }
        let (mut error, mut scale) = (0.0f64, 0.0f64);
        for (&a, &b) in got.iter().zip(want) {
            let (a, b): (f64, f64) = (a.into(), b.into());
            error += (a - b) * (a - b);
            scale += b * b;
        }
        if scale == 0.0 {
            self.exactly(what, error == 0.0, "values that should be exactly zero are not");
            return;
        }
        let relative = (error / scale).sqrt();
        // Written so that NaN is wrong.
        if relative < tolerance {
            self.worst = self.worst.max(relative);
        } else {
            self.wrong.push(format!("{what}: relative error {relative:.2e}, allowed {tolerance:.0e}"));
        }
    }
    /// A condition that must hold.
    pub fn exactly(&mut self, what: &str, holds: bool, otherwise: &str) {
        if !holds {
            self.wrong.push(format!("{what}: {otherwise}"));
        }
    }
    /// Two masks, or other exact values.
    pub fn equal<T: PartialEq>(&mut self, what: &str, got: &[T], want: &[T]) {
        let off = got.iter().zip(want).filter(|(a, b)| a != b).count() + got.len().abs_diff(want.len());
        self.exactly(what, off == 0, &format!("{off} of {} differ", want.len()));
    }
    /// What became of the case.
    pub fn outcome(self) -> Outcome {
        if self.wrong.is_empty() { Outcome::Passed(self.worst) } else { Outcome::Failed(self.wrong.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: &[f32], want: &[f32]) -> bool {
        let mut check = Check::default();
        check.close("x", got, want, LAYER_TOLERANCE);
        matches!(check.outcome(), Outcome::Passed(_))
    }

    #[test]
    fn relative_errors_zeros_and_nan() {
        assert!(close(&[1.0, 2.0], &[1.0, 2.000_01]));
        assert!(!close(&[1.0, 2.0], &[1.0, 2.0001]));
        assert!(close(&[0.0, -0.0], &[0.0, 0.0]));
        assert!(!close(&[0.0, 1e-20], &[0.0, 0.0]), "zero means zero");
        assert!(!close(&[f32::NAN, 2.0], &[1.0, 2.0]));
        assert!(!close(&[f32::NAN], &[0.0]));
        assert!(!close(&[f32::INFINITY], &[1.0]));
        assert!(!close(&[1.0], &[1.0, 2.0]));
        assert!(close(&[], &[]));
    }
}
