//! How a total density is shared among layers, and the exact number of weights each then has.
//!
//! ERK keeps small and shallow layers denser, which is most of why sparse networks train well from scratch.

use crate::error::{Error, Result};

/// Erdos-Renyi kernel (Evci et al. 2020): densities by layer, from the weights' extents (`[c_out, c_in]` or
/// `[c_out, c_in, kh, kw]`) and the density of all together. Density is proportional to (sum of extents) / (product of extents);
/// layers that would pass 1 become dense and the rest is solved again, until none does.
///
/// # Errors
/// `Config` where `density` is not in 0..=1; `Shape` where a tensor is empty.
pub fn erk(shapes: &[Vec<usize>], density: f64) -> Result<Vec<f64>> {
    if !(0.0..=1.0).contains(&density) {
        return Err(Error::config(format!("density must be from 0 to 1, found {density}")));
    }
    if let Some(empty) = shapes.iter().find(|s| s.iter().product::<usize>() == 0) {
        return Err(Error::shape("density allocation", "weight", "no extent of zero", format!("{empty:?}")));
    }
    let sizes: Vec<f64> = shapes.iter().map(|s| s.iter().product::<usize>() as f64).collect();
    let scales: Vec<f64> = shapes.iter().zip(&sizes).map(|(s, n)| s.iter().sum::<usize>() as f64 / n).collect();
    let mut dense = vec![false; shapes.len()];
    loop {
        let (mut budget, mut weight) = (0.0, 0.0);
        let mut largest = 0.0f64;
        for ((&n, &scale), &is_dense) in sizes.iter().zip(&scales).zip(&dense) {
            if is_dense {
                budget -= n * (1.0 - density);
            } else {
                budget += n * density;
                weight += scale * n;
                largest = largest.max(scale);
            }
        }
        let factor = if weight > 0.0 { (budget / weight).max(0.0) } else { 0.0 };
        if largest * factor <= 1.0 {
            return Ok(scales.iter().zip(&dense).map(|(scale, &is_dense)| if is_dense { 1.0 } else { scale * factor }).collect());
        }
        for (is_dense, &scale) in dense.iter_mut().zip(&scales) {
            *is_dense |= scale == largest;
        }
    }
}

/// A rule that shares a density among layers, by the extents of their weights.
type Share = fn(&[Vec<usize>], f64) -> Result<Vec<f64>>;

/// The same density everywhere.
///
/// # Errors
/// None; its signature is that of [`erk`].
pub fn uniform(shapes: &[Vec<usize>], density: f64) -> Result<Vec<f64>> {
    Ok(vec![density; shapes.len()])
}

/// The first `first` layers dense and the others sparser by as much, so that all together have this density; `share` shares what is left.
///
/// # Errors
/// `Config` where the first layers alone have more weights than the density allows; as `share`.
pub fn keeping_first(first: usize, shapes: &[Vec<usize>], density: f64, share: Share) -> Result<Vec<f64>> {
    if first == 0 {
        return share(shapes, density);
    }
    let (kept, rest) = shapes.split_at(first.min(shapes.len()));
    let weights = |shapes: &[Vec<usize>]| shapes.iter().map(|s| s.iter().product::<usize>() as f64).sum::<f64>();
    let (dense, sparse) = (weights(kept), weights(rest));
    let left = density * (dense + sparse) - dense;
    if left < 0.0 || (sparse == 0.0 && density < 1.0) {
        return Err(Error::config(format!(
            "keep-first={first}: the first {} of {} layers alone have a density of {:.4} of all weights, and {density} is asked for; keep fewer \
             layers or take a higher density",
            kept.len(),
            shapes.len(),
            dense / (dense + sparse).max(1.0)
        )));
    }
    let mut densities = vec![1.0; kept.len()];
    densities.extend(share(rest, (left / sparse.max(1.0)).min(1.0))?);
    Ok(densities)
}

/// The number of weights of a layer of `n` at a density: `density * n`, rounded.
pub fn count(density: f64, n: usize) -> usize {
    ((density * n as f64).round() as usize).min(n)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::error::ErrorKind;
    use proptest::prelude::*;

    fn shapes() -> impl Strategy<Value = Vec<Vec<usize>>> {
        let conv = (1usize..40, 1usize..40, 1usize..4).prop_map(|(o, i, k)| vec![o, i, k, k]);
        let linear = (1usize..80, 1usize..80).prop_map(|(o, i)| vec![o, i]);
        prop::collection::vec(prop_oneof![conv, linear], 1..8)
    }

    proptest! {
        #[test]
        fn total_is_kept_and_no_layer_passes_one(shapes in shapes(), density in prop_oneof![Just(0.0), Just(1.0), 0.0..1.0f64]) {
            let densities = erk(&shapes, density).unwrap();
            let sizes: Vec<f64> = shapes.iter().map(|s| s.iter().product::<usize>() as f64).collect();
            let total: f64 = densities.iter().zip(&sizes).map(|(d, n)| d * n).sum();
            prop_assert!((total - density * sizes.iter().sum::<f64>()).abs() <= 1e-9 * sizes.iter().sum::<f64>());
            prop_assert!(densities.iter().all(|d| (0.0..=1.0).contains(d)), "{densities:?}");
        }
    }

    #[test]
    fn the_first_layers_are_dense_and_the_density_is_the_same() {
        let shapes = [vec![16, 3, 3, 3], vec![64, 64, 3, 3], vec![10, 64]];
        let sizes = [432.0, 36864.0, 640.0];
        for share in [uniform, erk] {
            let densities = keeping_first(1, &shapes, 0.1, share).unwrap();
            assert_eq!(densities[0], 1.0);
            let total: f64 = densities.iter().zip(sizes).map(|(d, n)| d * n).sum();
            assert!((total - 0.1 * 37936.0).abs() < 1e-6, "{densities:?}");
            assert_eq!(keeping_first(0, &shapes, 0.1, share).unwrap(), share(&shapes, 0.1).unwrap());
        }
        // 3793.6 weights of which 432 are the first layer's, among 37504.
        assert!((keeping_first(1, &shapes, 0.1, uniform).unwrap()[2] - 3361.6 / 37504.0).abs() < 1e-12);
        let too_many = keeping_first(2, &shapes, 0.1, erk).unwrap_err().to_string();
        assert!(too_many.contains("first 2 of 3 layers") && too_many.contains("0.9831") && too_many.contains("keep fewer"), "{too_many}");
        assert!(keeping_first(9, &shapes, 0.5, erk).is_err());
        assert_eq!(keeping_first(9, &shapes, 1.0, erk).unwrap(), [1.0; 3]);
    }

    #[test]
    fn erk_keeps_small_layers_denser() {
        let densities = erk(&[vec![16, 3, 3, 3], vec![64, 64, 3, 3], vec![10, 64]], 0.1).unwrap();
        assert_eq!(densities[0], 1.0);
        assert!(densities[2] > densities[1] && densities[1] > 0.0);
    }

    #[test]
    fn counts_round_and_stay_inside() {
        assert_eq!(count(0.1, 25), 3, "2.5 rounds away from zero");
        assert_eq!(count(0.0, 7), 0);
        assert_eq!(count(1.0, 7), 7);
    }

    #[test]
    fn bad_densities_are_errors() {
        for density in [-0.1, 1.1, f64::NAN] {
            assert!(matches!(erk(&[vec![2, 2]], density).as_ref().map_err(Error::kind), Err(ErrorKind::Config(_))));
        }
        assert!(erk(&[vec![0, 2]], 0.5).is_err());
    }
}
