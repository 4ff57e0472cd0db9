//! A layer's mask as a picture: which weights exist, which are new, which went.
//!
//! A layer has up to millions of positions and a picture some hundred pixels across: what a pixel stands for is decided here, once, so that
//! the page and TensorBoard show the same mask in the same way.

/// A weight tensor's mask. Positions are flat indices into `rows` x `columns`.
#[derive(Clone, Copy, Debug)]
pub struct Mask<'a> {
    /// Outputs.
    pub rows: usize,
    /// Weights of an output.
    pub columns: usize,
    /// Positions of the weights that exist.
    pub active: &'a [u32],
    /// Those of them that the latest update grew.
    pub grown: &'a [u32],
    /// Positions that it pruned.
    pub pruned: &'a [u32],
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
    pub fn of(mask: &Mask, most: (usize, usize)) -> Self {
        let (columns, rows) = (mask.columns.div_ceil(most.0).max(1), mask.rows.div_ceil(most.1).max(1));
        let (width, height) = (mask.columns.div_ceil(columns), mask.rows.div_ceil(rows));
        let mut grid = Self { width, height, columns, rows, cells: vec![Cell::default(); width * height] };
        let place = |position: &u32| {
            let (row, column) = (*position as usize / mask.columns.max(1), *position as usize % mask.columns.max(1));
            row / rows * width + column / columns
        };
        let each = |positions: &[u32], cells: &mut [Cell], change: fn(&mut Cell)| {
            for position in positions {
                if let Some(cell) = cells.get_mut(place(position)) {
                    change(cell);
                }
            }
        };
        each(mask.active, &mut grid.cells, |c| c.active += 1.0);
        each(mask.grown, &mut grid.cells, |c| c.grown = true);
        each(mask.pruned, &mut grid.cells, |c| c.pruned = true);
        for (i, cell) in grid.cells.iter_mut().enumerate() {
            // Pixels at the right and lower edge may stand for fewer.
            let wide = columns.min(mask.columns - i % width * columns);
            let high = rows.min(mask.rows - i / width * rows);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mask<'a>(rows: usize, columns: usize, active: &'a [u32], grown: &'a [u32], pruned: &'a [u32]) -> Mask<'a> {
        Mask { rows, columns, active, grown, pruned }
    }

    #[test]
    fn a_small_mask_has_a_pixel_for_every_position() {
        let grid = Grid::of(&mask(2, 3, &[0, 4], &[4], &[5]), (100, 100));
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
        let grid = Grid::of(&mask(3, 5, &[0, 1, 5, 14], &[14], &[4]), (3, 2));
        assert_eq!((grid.width, grid.height, grid.columns, grid.rows), (3, 2, 2, 2));
        let shares: Vec<f32> = grid.cells.iter().map(|c| c.active).collect();
        assert_eq!(shares, [0.75, 0.0, 0.0, 0.0, 0.0, 1.0], "the last pixel stands for one position");
        assert!(grid.cells[5].grown && grid.cells[2].pruned);
        assert_eq!(grid.cells.iter().filter(|c| c.grown || c.pruned).count(), 2);
    }

    #[test]
    fn positions_beyond_the_tensor_are_harmless() {
        assert!(Grid::of(&mask(1, 2, &[7], &[], &[9]), (4, 4)).cells.iter().all(|c| c.active == 0.0));
        assert!(Grid::of(&mask(0, 0, &[0], &[], &[]), (4, 4)).cells.is_empty());
    }
}
