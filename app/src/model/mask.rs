//! The inside of a learner as numbers to draw: allocations to compare with, and the mask on a small grid.
//!
//! What a pixel of the grid stands for is decided in [`sparring_figures::mask`], for the page and for TensorBoard alike; which layer it is
//! of, and in which colours it is drawn, is decided here.

use sparring_core::config::ExperimentConfig;
use sparring_core::data::DatasetName;
use sparring_core::events::LayerDensity;
use sparring_core::net::zoo::Input;
use sparring_core::sparse::density::erk;
use sparring_core::train::session::inspection::LayerView;
use sparring_figures::mask::{Grid, Mask};

/// Extent and classes of a dataset's images; a folder's are not known beforehand.
pub fn images(dataset: DatasetName) -> Option<((usize, usize, usize), usize)> {
    Some(match dataset {
        DatasetName::Cifar10 | DatasetName::BuiltIn => ((3, 32, 32), 10),
        DatasetName::Cifar100 => ((3, 32, 32), 100),
        DatasetName::Cifar100Coarse => ((3, 32, 32), 20),
        DatasetName::TinyImageNet => ((3, 64, 64), 200),
        DatasetName::Mnist | DatasetName::BuiltInGrey => ((1, 28, 28), 10),
        DatasetName::Folder => return None,
    })
}

/// Weights that exist over all weights.
pub fn overall(layers: &[LayerDensity]) -> f64 {
    let (active, total) = layers.iter().fold((0, 0), |(a, t), l| (a + l.active, t + l.total));
    active as f64 / total.max(1) as f64
}

/// The densities that ERK would give these layers at their present overall density; `None` where the network cannot be rebuilt.
pub fn as_erk(config: &ExperimentConfig, layers: &[LayerDensity]) -> Option<Vec<f64>> {
    let (extent, classes) = images(config.dataset)?;
    let graph = config.graph(Input { extent, classes, mean: [0.0; 4], std: [1.0; 4] }).ok()?;
    let shapes: Vec<Vec<usize>> = graph.weights().into_iter().map(|w| w.extents).collect();
    let same = shapes.len() == layers.len() && shapes.iter().zip(layers).all(|(s, l)| s.iter().product::<usize>() == l.total);
    if same { erk(&shapes, overall(layers)).ok() } else { None }
}

/// How much of a layer exists, and how much would by two allocations of the same number of weights in all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Allocation {
    /// The share that exists.
    pub density: f64,
    /// What ERK would give it; `None` where the network cannot be rebuilt.
    pub erk: Option<f64>,
    /// What it would have where every layer had the same share.
    pub uniform: f64,
    /// Weights that exist.
    pub active: usize,
    /// All weights.
    pub total: usize,
}

/// Those of the layers, beside what ERK gives them.
pub fn allocations(layers: &[LayerDensity], erk: Option<&[f64]>) -> Vec<Allocation> {
    let uniform = overall(layers);
    let of = |(i, layer): (usize, &LayerDensity)| Allocation {
        density: layer.active as f64 / layer.total.max(1) as f64,
        erk: erk.and_then(|erk| erk.get(i)).copied(),
        uniform,
        active: layer.active,
        total: layer.total,
    };
    layers.iter().enumerate().map(of).collect()
}

/// A layer's mask, of at most `most` pixels (across, down).
pub fn grid(view: &LayerView, most: (usize, usize)) -> Grid {
    let LayerView { rows, columns, active, grown, pruned, .. } = view;
    Grid::of(&Mask { rows: *rows, columns: *columns, active, grown, pruned }, most)
}

/// The colour of a legend's swatch: "rgb(27, 31, 36)", as a browser computes it.
pub fn colour(css: &str) -> [u8; 3] {
    let mut numbers = css.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok());
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn layer(total: usize, active: usize) -> LayerDensity {
        LayerDensity { name: "l".into(), total, active }
    }

    #[test]
    fn erk_is_compared_at_the_density_that_there_is_and_only_for_this_network() {
        let config = ExperimentConfig { dataset: DatasetName::BuiltIn, model: "tiny".parse().unwrap(), ..ExperimentConfig::default() };
        let graph = config.graph(Input { extent: (3, 32, 32), classes: 10, mean: [0.0; 4], std: [1.0; 4] }).unwrap();
        let layers: Vec<_> =
            graph.weights().iter().map(|w| layer(w.extents.iter().product(), w.extents.iter().product::<usize>() / 5)).collect();
        let densities = as_erk(&config, &layers).unwrap();
        let kept: f64 = densities.iter().zip(&layers).map(|(d, l)| d * l.total as f64).sum();
        let active: usize = layers.iter().map(|l| l.active).sum();
        assert!((kept - active as f64).abs() < 1e-6, "{kept} against {active}");
        assert!(densities[0] > overall(&layers), "ERK keeps the first layer denser: {densities:?}");
        assert_eq!(as_erk(&config, &layers[1..]), None);
        assert_eq!(as_erk(&ExperimentConfig { dataset: DatasetName::Folder, ..config }, &layers), None);
    }

    #[test]
    fn a_layer_is_compared_with_two_allocations() {
        let layers = [layer(100, 50), layer(300, 50)];
        let first = Allocation { density: 0.5, erk: Some(0.4), uniform: 0.25, active: 50, total: 100 };
        let all = allocations(&layers, Some(&[0.4, 0.2]));
        assert_eq!(all[0], first);
        assert_eq!((all[1].erk, all[1].uniform), (Some(0.2), 0.25));
        assert_eq!(allocations(&layers, None)[0], Allocation { erk: None, ..first });
    }

    #[test]
    fn computed_colours_are_read() {
        assert_eq!(colour("rgb(27, 31, 36)"), [27, 31, 36]);
        assert_eq!(colour(""), [0; 3]);
    }
}
