//! Masks by one threshold over scores of many layers: the largest magnitudes, or the highest saliencies, of all together.
//!
//! The threshold is found by selection, not by sorting, and ties fall to the earlier place, so a mask has exactly the asked
//! number of weights and is the same on every machine.

/// The `count` highest-scored places of all layers together: for each layer, increasing indices into its scores.
/// NaN ranks above everything; of equal scores the later places stay, as when pruning.
pub fn top(layers: &[&[f32]], count: usize) -> Vec<Vec<u32>> {
    let all: usize = layers.iter().map(|l| l.len()).sum();
    if count >= all {
        return layers.iter().map(|l| (0..l.len() as u32).collect()).collect();
    }
    let mut out: Vec<Vec<u32>> = vec![Vec::new(); layers.len()];
    if count == 0 {
        return out;
    }
    // Selection over plain integers is several times faster than over floats and their places.
    let mut keys: Vec<u32> = layers.iter().flat_map(|l| l.iter().map(|v| ordered(*v))).collect();
    let (_, threshold, above) = keys.select_nth_unstable(all - count);
    let threshold = *threshold;
    let mut at_threshold = count - above.iter().filter(|k| **k > threshold).count();
    for (layer, kept) in layers.iter().zip(&mut out).rev() {
        for (i, value) in layer.iter().enumerate().rev() {
            let key = ordered(*value);
            let tie = key == threshold && at_threshold > 0;
            at_threshold -= usize::from(tie);
            if key > threshold || tie {
                kept.push(i as u32);
            }
        }
        kept.reverse();
    }
    out
}

/// Floats as integers of the same order (IEEE total order).
fn ordered(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// How many of `n` weights a threshold at this density keeps: `int(density * n)`, as the paper's code counts (random masks round).
pub fn kept(density: f64, n: usize) -> usize {
    ((density * n as f64) as usize).min(n)
}

/// The largest magnitudes of all layers together, [`kept`] of them.
pub fn global(weights: &[&[f32]], density: f64) -> Vec<Vec<u32>> {
    let magnitudes: Vec<Vec<f32>> = weights.iter().map(|w| w.iter().map(|v| v.abs()).collect()).collect();
    let layers: Vec<&[f32]> = magnitudes.iter().map(Vec::as_slice).collect();
    top(&layers, kept(density, layers.iter().map(|l| l.len()).sum()))
}

/// The largest magnitudes of each layer, [`kept`] of each.
pub fn by_layer(weights: &[&[f32]], density: f64) -> Vec<Vec<u32>> {
    weights.iter().flat_map(|w| global(&[w], density)).collect()
}

/// The largest magnitudes of the first half of the layers together, and of the second half (with the middle one, where their
/// number is odd).
pub fn by_half(weights: &[&[f32]], density: f64) -> Vec<Vec<u32>> {
    let (first, second) = weights.split_at(weights.len() / 2);
    let mut out = global(first, density);
    out.extend(global(second, density));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_cases_by_hand() {
        let (a, b, c) = ([0.1, -0.9, 0.3], [0.2, -0.25], [5.0, 4.0, 3.0]);
        let layers: [&[f32]; 3] = [&a, &b, &c];
        assert_eq!(global(&layers, 0.5), [vec![1], vec![], vec![0, 1, 2]], "one threshold may empty a layer");
        assert_eq!(by_layer(&layers, 0.5), [vec![1], vec![1], vec![0]]);
        assert_eq!(by_half(&layers, 0.4), [vec![1], vec![], vec![0, 1]]);
        assert_eq!(global(&layers, 0.0), [vec![0u32; 0], vec![], vec![]]);
        assert_eq!(global(&layers, 1.0), [vec![0, 1, 2], vec![0, 1], vec![0, 1, 2]]);
        assert_eq!(top(&[&[-3.0, -1.0, f32::NAN, -2.0]], 2), [vec![1, 2]], "scores have signs");
    }

    #[test]
    fn ties_fall_to_the_earlier_place() {
        let (a, b) = ([1.0f32; 3], [1.0f32, 2.0]);
        assert_eq!(global(&[&a, &b], 0.6), [vec![2], vec![0, 1]]);
    }

    proptest! {
        #[test]
        fn selection_equals_sorting(layers in prop::collection::vec(prop::collection::vec(-3i8..4, 0..40), 1..5), density in 0.0..=1.0f64) {
            // Few distinct values: many ties.
            let layers: Vec<Vec<f32>> = layers.into_iter().map(|l| l.into_iter().map(f32::from).collect()).collect();
            let views: Vec<&[f32]> = layers.iter().map(Vec::as_slice).collect();
            let mut places: Vec<(usize, u32)> = Vec::new();
            for (l, layer) in layers.iter().enumerate() {
                places.extend((0..layer.len() as u32).map(|i| (l, i)));
            }
            let keep = kept(density, places.len());
            places.sort_by(|a, b| layers[a.0][a.1 as usize].abs().total_cmp(&layers[b.0][b.1 as usize].abs()));
            let mut expected = vec![Vec::new(); layers.len()];
            for (l, i) in places.split_off(places.len() - keep) {
                expected[l].push(i);
            }
            expected.iter_mut().for_each(|l| l.sort_unstable());
            prop_assert_eq!(global(&views, density), expected);
        }
    }
}
