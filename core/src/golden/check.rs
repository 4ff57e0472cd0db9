//! Comparison with the expected outputs, and how near is near enough.

use super::Finding;

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

/// Largest difference of a corrupted pixel: one step of the bytes that it is rounded to.
pub const PIXEL_TOLERANCE: f64 = 1.0 / 255.0;

/// Mean difference of a pixel after JPEG: encoders round and smooth the colours differently.
pub const JPEG_TOLERANCE: f64 = 0.02;

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
    /// No value may be off by more than `tolerance`.
    pub fn within(&mut self, what: &str, got: &[f32], want: &[f32], tolerance: f64) {
        // A NaN is the largest, so that it is seen.
        let largest = |differences: &[f64]| differences.iter().copied().max_by(f64::total_cmp).unwrap_or(0.0);
        self.differences(what, got, want, "largest", largest, tolerance);
    }
    /// The mean difference must be below `tolerance`.
    pub fn mean_within(&mut self, what: &str, got: &[f32], want: &[f32], tolerance: f64) {
        let mean = |differences: &[f64]| differences.iter().sum::<f64>() / differences.len().max(1) as f64;
        self.differences(what, got, want, "mean", mean, tolerance);
    }
    fn differences(&mut self, what: &str, got: &[f32], want: &[f32], of: &str, reduce: impl Fn(&[f64]) -> f64, tolerance: f64) {
        if got.len() != want.len() {
            self.wrong.push(format!("{what}: {} values, expected {}", got.len(), want.len()));
            return;
        }
        let differences: Vec<f64> = got.iter().zip(want).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs()).collect();
        let difference = reduce(&differences);
        // Written so that NaN is wrong.
        if difference <= tolerance {
            self.worst = self.worst.max(difference);
        } else {
            self.wrong.push(format!("{what}: {of} difference {difference:.2e}, allowed {tolerance:.1e}"));
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
    pub fn finding(self) -> Finding {
        if self.wrong.is_empty() { Finding::Passed(self.worst) } else { Finding::Failed(self.wrong.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: &[f32], want: &[f32]) -> bool {
        let mut check = Check::default();
        check.close("x", got, want, LAYER_TOLERANCE);
        matches!(check.finding(), Finding::Passed(_))
    }

    #[test]
    fn absolute_differences_and_nan() {
        let passes = |mean: bool, got: &[f32], want: &[f32]| {
            let mut check = Check::default();
            if mean {
                check.mean_within("x", got, want, 0.1)
            } else {
                check.within("x", got, want, 0.1)
            }
            matches!(check.finding(), Finding::Passed(_))
        };
        assert!(passes(false, &[0.0, 0.09], &[0.0, 0.0]) && !passes(false, &[0.0, 0.11], &[0.0, 0.0]));
        assert!(passes(true, &[0.0, 0.19], &[0.0, 0.0]) && !passes(true, &[0.0, 0.21], &[0.0, 0.0]));
        for mean in [false, true] {
            assert!(!passes(mean, &[f32::NAN, 0.0], &[0.0, 0.0]) && !passes(mean, &[-f32::NAN, 0.0], &[0.0, 0.0]));
            assert!(!passes(mean, &[0.0], &[0.0, 0.0]));
        }
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
