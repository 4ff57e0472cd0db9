//! How an activation is cut into tasks: by its shape alone, never by the number of threads, so that sums keep their order.

use crate::ops::Shape;
use crate::platform::parallel::CHUNK;

/// How the planes of an activation are cut into tasks: every piece lies in one channel and holds whole runs of `n` lanes.
#[derive(Clone, Copy)]
pub struct Pieces {
    plane: usize,
    piece: usize,
    per_plane: usize,
    channels: usize,
}

impl Pieces {
    /// The cut of an activation.
    pub fn new(shape: Shape) -> Self {
        let plane = shape.plane();
        let piece = (CHUNK / shape.n.max(1)).max(1) * shape.n;
        Self { plane, piece, per_plane: plane.div_ceil(piece.max(1)), channels: shape.c }
    }
    /// Number of pieces.
    pub fn count(&self) -> usize {
        self.channels * self.per_plane
    }
    /// Number of pieces of one channel; they are numbered one channel after the other.
    pub fn per_channel(&self) -> usize {
        self.per_plane
    }
    /// Channel, start and length of a piece, in floats of the whole buffer.
    pub fn get(&self, i: usize) -> (usize, usize, usize) {
        let (channel, k) = (i / self.per_plane, i % self.per_plane);
        let offset = k * self.piece;
        (channel, channel * self.plane + offset, self.piece.min(self.plane - offset))
    }
}
