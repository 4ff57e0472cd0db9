//! A sparse weight as the products walk it: which packed float each of its values meets, list by list.
//!
//! It follows from the topology and the geometry alone, so it is prepared once and kept with the index until that is written again; values
//! stream through it. Prepared in every call it took most of the time of layers with many weights and few columns.

use pulp::{Simd, WithSimd};

use super::lattice::{Lattice, Tiling};
use crate::cpu::conv::index::Csr;
use crate::cpu::made::Kept;

/// Vectors that a sparse row accumulates at once.
pub const SPARSE_VECTORS: usize = 8;
/// Floats of the sums of a block's entries in the gradient of the weights, a vector each: part of an L2 cache and more of an L3 cache.
const SUMS: usize = 512 * 1024;
/// Mean entries of a row from which its products take longer than moving columns of tiles does.
const TILED: usize = 24;
/// Floats of a vector from which inputs come slower than products are made; measured with 16 (tiles gain) and, in the page, with 4 (they lose).
const WIDE: usize = 16;
/// Mean entries of a list from which a group of channels of its own pays.
const GROUP_ENTRIES: usize = 8;

/// See the module.
pub struct Structure {
    /// How the lattice is cut.
    pub tiling: Tiling,
    /// Floats of a vector.
    pub vector: usize,
    /// Groups of channels of a block: the input of one stays in the L1 cache.
    pub groups: usize,
    rows: usize,
    /// Where each list begins, `[block][group][row]`, and the end of the last.
    starts: Vec<u32>,
    /// Position of each entry's value.
    pub positions: Vec<u32>,
    /// Where each entry reads: floats from the ring row's beginning, and which row of a turn it is in the lowest bits.
    places: Vec<u32>,
    turns: Vec<Turn>,
}

/// Bits of a row of a turn: no kernel has more than 15.
const ROW_BITS: u32 = 4;

/// Where the rows of a turn begin in a packed channel.
pub struct Turn([u32; 1 << ROW_BITS]);

/// Where some entries read, in one turn.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    places: &'a [u32],
    turn: &'a Turn,
}

impl<'a> Places<'a> {
    /// As the structure keeps them.
    #[inline(always)]
    pub fn kept(self) -> &'a [u32] {
        self.places
    }
    /// The float at which one of them reads.
    #[inline(always)]
    pub fn offset(self, place: u32) -> usize {
        let Turn(rows) = self.turn;
        (place >> ROW_BITS) as usize + rows[(place & ((1 << ROW_BITS) - 1)) as usize] as usize
    }
}

impl Structure {
    /// Prepares what `csr` has of `rows` output channels on this lattice.
    pub fn new(lattice: &Lattice, csr: Csr<'_>, rows: usize) -> Self {
        let lanes = pulp::Arch::new().dispatch(Lanes);
        let channels = SUMS / (lanes * csr.len().div_ceil(lattice.source.c).max(1));
        let tiled = lanes >= WIDE && csr.len() >= TILED * rows;
        let tiling = Tiling::for_vectors(lattice, SPARSE_VECTORS * lanes, tiled, channels);
        let blocks = tiling.blocks(lattice);
        // Groups keep the input in L1, at the price of sums that go to a stage and back for each: worth it from some entries a group on.
        let most = (csr.len() / (rows * blocks * GROUP_ENTRIES)).max(1);
        let span = tiling.span(SPARSE_VECTORS * lanes).max(tiling.channels.div_ceil(most));
        let groups = tiling.channels.div_ceil(span);
        let reached = |row: usize| {
            csr.row(row).filter_map(move |entry| {
                let tap = lattice.tap_of[entry.ky * lattice.kw + entry.kx]?;
                Some((entry, tap))
            })
        };
        // Where each channel's lists are, so that no entry costs a division.
        let list_of: Vec<u32> = (0..lattice.source.c)
            .map(|channel| ((channel / tiling.channels * groups + channel % tiling.channels / span) * rows) as u32)
            .collect();
        let mut starts = vec![0u32; blocks * groups * rows + 1];
        for row in 0..rows {
            for (entry, _) in reached(row) {
                starts[list_of[entry.channel] as usize + row + 1] += 1;
            }
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let count = starts[starts.len() - 1] as usize;
        let (mut next, mut positions, mut places) = (starts.clone(), vec![0; count], vec![0; count]);
        let taps: Vec<(usize, u32)> =
            (0..lattice.taps.len()).map(|tap| tiling.tap(tap)).map(|(row, column)| (row, column as u32)).collect();
        let row_at = |turn: usize, row: usize| if row < tiling.ring { tiling.row(turn, row) as u32 } else { 0 };
        let turns = (0..tiling.ring).map(|turn| Turn(std::array::from_fn(|row| row_at(turn, row)))).collect();
        let channel_at: Vec<u32> = (0..lattice.source.c).map(|channel| (channel % tiling.channels * tiling.channel) as u32).collect();
        for row in 0..rows {
            for (entry, tap) in reached(row) {
                let slot = &mut next[list_of[entry.channel] as usize + row];
                let at = *slot as usize;
                *slot += 1;
                positions[at] = entry.position as u32;
                let (row, column) = taps[tap];
                places[at] = (channel_at[entry.channel] + column) << ROW_BITS | row as u32;
            }
        }
        Self { tiling, vector: lanes, groups, rows, starts, positions, places, turns }
    }

    /// The entries of a block.
    pub fn block(&self, block: usize) -> std::ops::Range<usize> {
        let lists = self.groups * self.rows;
        self.starts[block * lists] as usize..self.starts[(block + 1) * lists] as usize
    }

    /// The entries of a list, and where they read in this turn.
    #[inline(always)]
    pub fn list(&self, turn: usize, block: usize, group: usize, row: usize) -> (std::ops::Range<usize>, Places<'_>) {
        let at = (block * self.groups + group) * self.rows + row;
        let range = self.starts[at] as usize..self.starts[at + 1] as usize;
        (range.clone(), Places { places: &self.places[range], turn: &self.turns[turn] })
    }
}

impl Kept for Structure {
    fn bytes(&self) -> usize {
        4 * (self.starts.len() + 2 * self.positions.len())
    }
}

/// Asks how many floats a vector has.
struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}
