//! Forgetting events (Toneva et al. 2019): how often a sample that was right becomes wrong, from epoch to epoch.

/// Counts of samples while a network trains.
#[derive(Clone, Debug, Default)]
pub struct Forgetting {
    samples: Vec<Sample>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    events: u32,
    right: bool,
    learned: bool,
}

impl Forgetting {
    /// Takes in whether each sample was right at the end of an epoch, in a fixed order.
    pub fn epoch(&mut self, right: impl ExactSizeIterator<Item = bool>) {
        self.samples.resize(right.len(), Sample::default());
        for (sample, right) in self.samples.iter_mut().zip(right) {
            sample.events += u32::from(sample.right && !right);
            sample.right = right;
            sample.learned |= right;
        }
    }
    /// Correct-to-wrong transitions; infinity for a sample that was never right.
    pub fn scores(&self) -> Vec<f32> {
        self.samples.iter().map(|s| if s.learned { s.events as f32 } else { f32::INFINITY }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_right_to_wrong_counts_and_never_right_is_infinite() {
        let epochs = [[false, true, true, false], [false, false, true, true], [false, true, true, false], [false, false, true, false]];
        let mut forgetting = Forgetting::default();
        epochs.iter().for_each(|epoch| forgetting.epoch(epoch.iter().copied()));
        assert_eq!(forgetting.scores(), [f32::INFINITY, 2.0, 0.0, 1.0]);
        assert!(Forgetting::default().scores().is_empty());
    }
}
