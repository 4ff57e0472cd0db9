//! Random masks: exactly as many positions as the density says, drawn without replacement; or each by a coin of its own.
//!
//! A layer's mask depends on the seed and its place alone, so every device and every resume starts from the same network.

use super::density::count;
use crate::rng::{Purpose, Stream};

/// Sorted positions of the `round(density * n)` active weights of weight tensor `layer`.
pub fn initial(seed: u64, layer: usize, n: usize, density: f64) -> Vec<u32> {
    let count = count(density, n);
    if count == n {
        return (0..n as u32).collect();
    }
    Stream::new(seed, Purpose::Masks, 0, layer as u64).choose(n, count)
}

/// Each position of weight tensor `layer` with probability `density`, as the paper's code draws its masks.
pub fn bernoulli(seed: u64, layer: usize, n: usize, density: f64) -> Vec<u32> {
    let mut stream = Stream::new(seed, Purpose::Masks, 1, layer as u64);
    (0..n as u32).filter(|_| f64::from(stream.uniform()) < density).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_and_positions_distinct() {
        for (n, density, expected) in [(1000, 0.1, 100), (7, 0.5, 4), (1, 0.4, 0), (1, 0.6, 1), (64, 0.0, 0), (64, 1.0, 64)] {
            let mask = initial(15, 2, n, density);
            assert_eq!(mask.len(), expected, "n {n} density {density}");
            assert!(mask.windows(2).all(|w| w[0] < w[1]) && mask.iter().all(|p| (*p as usize) < n));
        }
    }

    #[test]
    fn layers_and_seeds_differ_and_repeat() {
        assert_eq!(initial(15, 0, 500, 0.2), initial(15, 0, 500, 0.2));
        assert_ne!(initial(15, 0, 500, 0.2), initial(15, 1, 500, 0.2));
        assert_ne!(initial(15, 0, 500, 0.2), initial(16, 0, 500, 0.2));
    }

    #[test]
    fn every_position_is_as_likely() {
        let mut hits = [0u32; 20];
        for seed in 0..2000 {
            initial(seed, 0, 20, 0.25).into_iter().for_each(|p| hits[p as usize] += 1);
        }
        // 500 expected, standard deviation 19: seven deviations never happen by chance.
        assert!(hits.iter().all(|h| (365..=635).contains(h)), "{hits:?}");
    }

    #[test]
    fn coins_vary_about_the_density() {
        let counts: Vec<usize> = (0..50).map(|seed| bernoulli(seed, 0, 10_000, 0.2).len()).collect();
        // 2000 expected, standard deviation 40.
        assert!(counts.iter().all(|c| (1750..2250).contains(c)) && counts.iter().any(|c| *c != 2000), "{counts:?}");
        assert_eq!((bernoulli(1, 0, 9, 0.0).len(), bernoulli(1, 0, 9, 1.0).len()), (0, 9));
    }
}
