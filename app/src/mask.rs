//! The inside of a learner as numbers to draw: allocations to compare with, the mask on a small grid, bins of weights.
//!
//! A layer has up to millions of positions and a canvas a few hundred pixels across: what a pixel stands for is decided here and
//! said in the legend.

use sparring_core::config::ExperimentConfig;
use sparring_core::data::DatasetName;
use sparring_core::events::LayerDensity;
use sparring_core::net::zoo::Input;
use sparring_core::sparse::density::erk;
use sparring_core::train::session::inspection::LayerView;

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

/// A pixel of the mask's picture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cell {
    /// Share of its weights that exist.
    pub active: f32,
    /// Whether the latest update grew one of them.
    pub grown: bool,
    /// Whether it pruned one of its positions.
    pub pruned: bool,
}

/// A mask, small enough to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Inputs by kernel positions that a pixel stands for.
    pub columns: usize,
    /// Outputs that it stands for.
    pub rows: usize,
    /// Row by row.
    pub cells: Vec<Cell>,
}

impl Grid {
    /// At most `most` pixels (across, down). Existing weights are averaged; of marks the first counts, so that none is lost.
    pub fn of(view: &LayerView, most: (usize, usize)) -> Self {
        let (columns, rows) = (view.columns.div_ceil(most.0).max(1), view.rows.div_ceil(most.1).max(1));
        let (width, height) = (view.columns.div_ceil(columns), view.rows.div_ceil(rows));
        let mut grid = Self { width, height, columns, rows, cells: vec![Cell::default(); width * height] };
        let place = |position: &u32| {
            let (row, column) = (*position as usize / view.columns.max(1), *position as usize % view.columns.max(1));
            row / rows * width + column / columns
        };
        let each = |positions: &[u32], cells: &mut [Cell], change: fn(&mut Cell)| {
            for position in positions {
                if let Some(cell) = cells.get_mut(place(position)) {
                    change(cell);
                }
            }
        };
        each(&view.active, &mut grid.cells, |c| c.active += 1.0);
        each(&view.grown, &mut grid.cells, |c| c.grown = true);
        each(&view.pruned, &mut grid.cells, |c| c.pruned = true);
        for (i, cell) in grid.cells.iter_mut().enumerate() {
            // Pixels at the right and lower edge may stand for fewer.
            let wide = columns.min(view.columns - i % width * columns);
            let high = rows.min(view.rows - i / width * rows);
            cell.active /= (wide * high) as f32;
        }
        grid
    }

    /// Canvas bytes from the legend's colours: nothing there, a weight, one that grew, one that went.
    pub fn paint(&self, [none, active, grown, pruned]: [[u8; 3]; 4]) -> Vec<u8> {
        let blend = |share: f32| {
            // Few of many must still be seen: the root.
            let share = share.min(1.0).sqrt();
            let mix = |i: usize| (f32::from(none[i]) + (f32::from(active[i]) - f32::from(none[i])) * share).round() as u8;
            [mix(0), mix(1), mix(2)]
        };
        let colour = |c: &Cell| match (c.grown, c.pruned) {
            (true, _) => grown,
            (false, true) => pruned,
            _ => blend(c.active),
        };
        self.cells.iter().flat_map(|c| colour(c).into_iter().chain([255])).collect()
    }
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

    fn inside(rows: usize, columns: usize, active: &[u32], grown: &[u32], pruned: &[u32]) -> LayerView {
        let (active, grown, pruned) = (active.to_vec(), grown.to_vec(), pruned.to_vec());
        LayerView { rows, columns, active, grown, pruned, histogram: vec![], limit: 0.0 }
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
    fn a_small_mask_has_a_pixel_for_every_position() {
        let grid = Grid::of(&inside(2, 3, &[0, 4], &[4], &[5]), (100, 100));
        assert_eq!((grid.width, grid.height, grid.columns, grid.rows), (3, 2, 1, 1));
        let [none, active, grown, pruned] = [[0; 3], [100; 3], [1, 2, 3], [9; 3]];
        let pixels = grid.paint([none, active, grown, pruned]);
        let pixel = |i: usize| [pixels[4 * i], pixels[4 * i + 1], pixels[4 * i + 2]];
        assert_eq!([0, 1, 2, 3, 4, 5].map(pixel), [active, none, none, none, grown, pruned]);
        assert!(pixels.iter().skip(3).step_by(4).all(|alpha| *alpha == 255));
    }

    #[test]
    fn a_large_mask_averages_weights_and_loses_no_mark() {
        // 3 x 5 positions on 2 x 3 pixels at most: 2 x 2 positions a pixel, fewer at the edges.
        let grid = Grid::of(&inside(3, 5, &[0, 1, 5, 14], &[14], &[4]), (3, 2));
        assert_eq!((grid.width, grid.height, grid.columns, grid.rows), (3, 2, 2, 2));
        let shares: Vec<f32> = grid.cells.iter().map(|c| c.active).collect();
        assert_eq!(shares, [0.75, 0.0, 0.0, 0.0, 0.0, 1.0], "the last pixel stands for one position");
        assert!(grid.cells[5].grown && grid.cells[2].pruned);
        assert_eq!(grid.cells.iter().filter(|c| c.grown || c.pruned).count(), 2);
    }

    #[test]
    fn positions_beyond_the_tensor_are_harmless() {
        assert!(Grid::of(&inside(1, 2, &[7], &[], &[9]), (4, 4)).cells.iter().all(|c| c.active == 0.0));
        assert!(Grid::of(&inside(0, 0, &[0], &[], &[]), (4, 4)).cells.is_empty());
    }

    #[test]
    fn computed_colours_are_read() {
        assert_eq!(colour("rgb(27, 31, 36)"), [27, 31, 36]);
        assert_eq!(colour(""), [0; 3]);
    }
}
