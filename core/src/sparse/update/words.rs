//! A set of positions as words of bits, for checkpoints.

use super::PositionSet;

impl PositionSet {
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
}
