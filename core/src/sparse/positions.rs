//! Sets of a layer's positions: which are active, which were active before, which ever.
//!
//! A bit a position: a run keeps three sets of every layer, and checkpoints carry them.

/// A set of positions of a layer, a bit each: which are active, or were ever (in-time over-parametrisation, ITOP, Liu et al. 2021).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionSet {
    bits: Vec<u64>,
    n: usize,
}

impl PositionSet {
    /// The empty set over a layer of `n` positions.
    pub fn new(n: usize) -> Self {
        Self { bits: vec![0; n.div_ceil(64)], n }
    }
    /// The set of these positions.
    pub fn of(n: usize, positions: &[u32]) -> Self {
        let mut set = Self::new(n);
        set.mark(positions);
        set
    }
    /// Adds positions; those outside the layer are ignored.
    pub fn mark(&mut self, positions: &[u32]) {
        for &p in positions.iter().filter(|p| (**p as usize) < self.n) {
            self.bits[p as usize / 64] |= 1 << (p % 64);
        }
    }
    /// Adds every position.
    pub fn fill(&mut self) {
        self.bits.fill(u64::MAX);
        if let (Some(last), rest @ 1..) = (self.bits.last_mut(), self.n % 64) {
            *last = (1 << rest) - 1;
        }
    }
    /// Whether a position belongs to it.
    pub fn contains(&self, position: u32) -> bool {
        self.bits.get(position as usize / 64).is_some_and(|word| word >> (position % 64) & 1 == 1)
    }
    /// Number of positions in it.
    pub fn count(&self) -> usize {
        self.bits.iter().map(|b| b.count_ones() as usize).sum()
    }
    /// Number of positions that belong to one of the two sets and not to the other.
    pub fn differences(&self, other: &Self) -> usize {
        self.bits.iter().zip(&other.bits).map(|(a, b)| (a ^ b).count_ones() as usize).sum()
    }
    /// Number of positions of the layer.
    pub fn len(&self) -> usize {
        self.n
    }
    /// True for a layer without positions.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }
    /// 64 positions a word, lowest bit first.
    pub fn words(&self) -> &[u64] {
        &self.bits
    }
    /// The set over a layer of `n` positions with these words; `None` where they are too few, too many, or reach beyond the layer.
    pub fn from_words(n: usize, words: &[u64]) -> Option<Self> {
        let beyond = match n % 64 {
            0 => 0,
            rest => words.last()? >> rest,
        };
        (words.len() == n.div_ceil(64) && beyond == 0).then(|| Self { bits: words.to_vec(), n })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn words_come_back_and_wrong_ones_do_not() {
        let mut set = PositionSet::new(70);
        set.mark(&[0, 63, 64, 69]);
        assert_eq!(PositionSet::from_words(70, set.words()), Some(set.clone()));
        assert!(PositionSet::from_words(69, set.words()).is_none(), "position 69 is beyond the layer");
        assert!(PositionSet::from_words(70, &set.words()[..1]).is_none() && PositionSet::from_words(200, set.words()).is_none());
        assert!(PositionSet::from_words(0, &[]).is_some() && PositionSet::from_words(128, &[u64::MAX; 2]).is_some());
    }

    #[test]
    fn position_sets_count_once() {
        let mut seen = PositionSet::of(130, &[0, 64, 129, 500]);
        seen.mark(&[64, 65]);
        assert_eq!(seen.count(), 4);
        assert!(seen.contains(65) && !seen.contains(66) && !seen.contains(500));
        assert_eq!(seen.differences(&PositionSet::of(130, &[0, 1])), 4);
        for n in [0, 1, 63, 64, 65, 128] {
            let mut all = PositionSet::new(n);
            all.fill();
            assert_eq!(all.count(), n);
        }
    }
}
