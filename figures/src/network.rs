//! A network as its layers, from its input down: each as wide as it has weights, filled as far as these exist.
//!
//! What a mask update has grown lights up at the end of what is filled. Widths are roots of the numbers of weights, which differ a
//! hundredfold between the first layers and the last.

use crate::svg::{Svg, Told};

/// Width and height of the drawing.
const SIZE: (f64, f64) = (220.0, 180.0);
/// A layer is no higher than this, however few there are.
const HIGHEST: f64 = 22.0;
/// Share of a row that is between layers.
const GAP: f64 = 0.22;

/// A layer of the drawing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// Weights of the dense layer.
    pub total: usize,
    /// Those that exist.
    pub active: usize,
    /// Those of them that the last mask update has grown.
    pub grown: usize,
}

/// On which side of the ring a network stands: it faces the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Its layers end at the right.
    Left,
    /// They begin at the left.
    Right,
}

/// The drawing, told by `label`.
pub fn network(layers: &[Layer], side: Side, label: &str) -> String {
    let (width, height) = SIZE;
    let row = (height / layers.len().max(1) as f64).min(HIGHEST);
    let root = |weights: usize| (weights as f64).sqrt();
    let most = layers.iter().map(|layer| root(layer.total)).fold(1.0, f64::max);
    let mut svg = Svg::new("network", width, row * layers.len() as f64, Told::By(label));
    for (i, layer) in layers.iter().enumerate() {
        let whole = width * root(layer.total) / most;
        let share = |weights: usize| whole * (weights as f64 / layer.total.max(1) as f64).min(1.0);
        let (filled, grown) = (share(layer.active), share(layer.grown.min(layer.active)));
        let top = row * i as f64;
        let mut part = |class: &str, from: f64, long: f64| {
            let x = if side == Side::Left { width - from - long } else { from };
            svg.rect(class, (x, top), long, row * (1.0 - GAP));
        };
        part("room", 0.0, whole);
        part("fill", 0.0, filled);
        part("grown", filled - grown, grown);
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYERS: [Layer; 2] = [Layer { total: 400, active: 400, grown: 0 }, Layer { total: 1600, active: 400, grown: 100 }];

    #[test]
    fn layers_are_as_wide_as_the_root_of_their_weights_and_filled_as_far_as_these_exist() {
        let svg = network(&LAYERS, Side::Right, "SET 0.2");
        // The larger layer takes all 220 units; the smaller one has a quarter of its weights, half its root.
        assert!(
            svg.contains("<rect class=\"room\" x=\"0\" y=\"0\" width=\"110\"")
                && svg.contains("<rect class=\"fill\" x=\"0\" y=\"0\" width=\"110\""),
            "{svg}"
        );
        assert!(
            svg.contains("<rect class=\"room\" x=\"0\" y=\"22\" width=\"220\"")
                && svg.contains("<rect class=\"fill\" x=\"0\" y=\"22\" width=\"55\""),
            "{svg}"
        );
        // A sixteenth of it has just grown, and is the last part of what is filled.
        assert!(svg.contains("<rect class=\"grown\" x=\"41.3\" y=\"22\" width=\"13.8\""), "{svg}");
        assert!(svg.contains("aria-label=\"SET 0.2\""), "{svg}");
    }

    #[test]
    fn who_stands_at_the_left_faces_right() {
        let svg = network(&LAYERS, Side::Left, "Dense");
        assert!(svg.contains("<rect class=\"fill\" x=\"165\" y=\"22\" width=\"55\""), "{svg}");
        assert!(svg.contains("<rect class=\"grown\" x=\"165\" y=\"22\" width=\"13.8\""), "{svg}");
    }

    #[test]
    fn a_deep_network_fits_and_an_empty_one_is_no_division_by_zero() {
        let deep = network(&[LAYERS[1]; 60], Side::Right, "deep");
        assert!(deep.contains("viewBox=\"0 0 220 180\""), "{deep}");
        let none = network(&[Layer::default()], Side::Right, "") + &network(&[], Side::Left, "");
        assert!(!none.contains("NaN") && !none.contains("inf"), "{none}");
    }
}
