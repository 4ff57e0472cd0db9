//! The two that meet in the ring, as their layers, and the watched test images by who is right about them.

use std::collections::BTreeMap;

use sparring_core::events::Watched;
use sparring_figures::network::Layer;

use super::gallery::picture;
use super::race::{LearnerView, Race};

/// Who is right about an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Right {
    /// The sparse learner alone.
    Sparse,
    /// The dense learner alone.
    Dense,
    /// Both.
    Both,
    /// Neither.
    Neither,
}

impl Right {
    fn of(dense: bool, sparse: bool) -> Self {
        match (dense, sparse) {
            (false, true) => Self::Sparse,
            (true, false) => Self::Dense,
            (true, true) => Self::Both,
            (false, false) => Self::Neither,
        }
    }
}

/// A watched image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shot {
    /// Its index in the test file.
    pub sample: u32,
    /// Its class.
    pub label: u16,
    /// Who is right about it; `None` before both have answered.
    pub right: Option<Right>,
}

/// Pictures of watched images, as data URLs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pictures {
    /// Whose images ([`crate::protocol::images_of`] an experiment); empty before any came.
    pub of: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    urls: BTreeMap<u32, String>,
}

impl Pictures {
    /// Of bytes, channels x height x width an image.
    pub fn read(of: String, samples: &[u32], extent: [usize; 3], classes: Vec<String>, bytes: &[u8]) -> Self {
        let size = extent.iter().product::<usize>().max(1);
        let urls = samples.iter().zip(bytes.chunks_exact(size)).map(|(sample, planes)| (*sample, picture(planes, extent)));
        Self { of, classes, urls: urls.collect() }
    }
    /// The picture of an image of this set.
    pub fn url(&self, of: &str, sample: u32) -> Option<&String> {
        self.urls.get(&sample).filter(|_| self.of == of)
    }
    /// Whether all of these are here.
    pub fn have(&self, of: &str, shots: &[Shot]) -> bool {
        self.of == of && shots.iter().all(|shot| self.urls.contains_key(&shot.sample))
    }
    /// Whether these were asked for, and are not at hand.
    pub fn lack(&self, of: &str) -> bool {
        self.of == of && self.urls.is_empty()
    }
}

/// The dense learner and the first sparse one: the two that meet. Without one of a kind, the first two.
pub fn two(race: &Race) -> (usize, usize) {
    let of = |dense: bool| race.tracks.iter().position(|track| !track.info.control && (track.info.learner == "dense") == dense);
    let dense = of(true).unwrap_or(0);
    (dense, of(false).filter(|sparse| *sparse != dense).unwrap_or(1))
}

/// Who is right, in the order in which it is shown: what one of the two knows comes first, on its side of the ring.
pub fn order(race: &Race) -> [Right; 4] {
    let (dense, sparse) = two(race);
    let (left, right) = if dense < sparse { (Right::Dense, Right::Sparse) } else { (Right::Sparse, Right::Dense) };
    [left, right, Right::Both, Right::Neither]
}

/// What the two are called.
pub fn names(race: &Race) -> [String; 2] {
    let (dense, sparse) = two(race);
    [dense, sparse].map(|learner| race.learner(learner).map(|learner| learner.name()).unwrap_or_default())
}

/// The last epoch that both of the two have done.
pub fn both_done(race: &Race) -> Option<u32> {
    let done = |learner: usize| Some(race.tracks.get(learner)?.epochs.last()?.epoch);
    let (dense, sparse) = two(race);
    Some(done(dense)?.min(done(sparse)?))
}

/// What a learner answered after an epoch, by watched image; empty in files of before.
pub fn answers(race: &Race, learner: usize, epoch: u32) -> Option<&[u16]> {
    let track = race.tracks.get(learner)?;
    Some(&track.epochs.iter().find(|e| e.epoch == epoch)?.answers)
}

/// The watched images after the last epoch that both of the two have done.
pub fn shots(race: &Race) -> Vec<Shot> {
    let (dense, sparse) = two(race);
    let both = both_done(race).and_then(|epoch| Some((answers(race, dense, epoch)?, answers(race, sparse, epoch)?)));
    let right = |place: usize, label: u16| {
        let (dense, sparse) = both?;
        Some(Right::of(*dense.get(place)? == label, *sparse.get(place)? == label))
    };
    let shot = |(place, watched): (usize, &Watched)| {
        let Watched { sample, label } = *watched;
        Shot { sample, label, right: right(place, label) }
    };
    race.watched.iter().enumerate().map(shot).collect()
}

/// A learner's layers.
pub fn layers(learner: &LearnerView) -> Vec<Layer> {
    let grown = |name: &str| learner.changes.iter().find(|change| change.name == name).map_or(0, |change| change.grown);
    learner.now.layers.iter().map(|layer| Layer { total: layer.total, active: layer.active, grown: grown(&layer.name) }).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::model::race::tests::{epoch_end, info};
    use sparring_core::Event;
    use sparring_core::device::info::DeviceInfo;

    /// A race of these learners that watches images of these classes.
    fn race(learners: &[&str], labels: &[u16]) -> Race {
        let mut race = Race::default();
        let control = |learner: &&str| learner.ends_with("random");
        race.apply(&Event::Started {
            learners: learners.iter().map(|learner| info(learner, control(learner))).collect(),
            device: DeviceInfo::default(),
            epochs: 2,
            config_hash: "0".into(),
            device_bytes: 0,
            judged_by: None,
            watched: labels.iter().zip(0..).map(|(label, i)| Watched { sample: 10 * i, label: *label }).collect(),
        });
        race
    }

    fn end(learner: usize, epoch: u32, said: &[u16]) -> Event {
        let mut end = epoch_end(learner, epoch, 0.5, 100);
        if let Event::EpochEnd { answers, .. } = &mut end {
            *answers = said.to_vec();
        }
        end
    }

    /// A race of a dense and a sparse learner that have said this of images of these classes.
    pub(crate) fn watching(labels: &[u16], dense: &[u16], sparse: &[u16]) -> Race {
        let mut race = race(&["dense", "set@0.2"], labels);
        race.apply(&end(0, 1, dense));
        race.apply(&end(1, 1, sparse));
        race
    }

    #[test]
    fn images_lie_with_who_is_right_after_the_last_epoch_that_both_have_done() {
        let mut race = race(&["rigl@0.1", "dense", "set@0.2", "dense on random"], &[0, 1, 2, 3]);
        assert_eq!(two(&race), (1, 0), "the dense one, and the first sparse one");
        let right = |race: &Race| shots(race).iter().map(|shot| shot.right).collect::<Vec<_>>();
        assert_eq!(shots(&race)[3], Shot { sample: 30, label: 3, right: None });
        race.apply(&end(1, 1, &[0, 1, 9, 9]));
        assert_eq!(right(&race), [None; 4], "one of two has answered");
        race.apply(&end(0, 1, &[0, 9, 2, 9]));
        let first = [Right::Both, Right::Dense, Right::Sparse, Right::Neither].map(Some);
        assert_eq!(right(&race), first);
        // One is ahead: what it answers now is compared with nothing.
        race.apply(&end(1, 2, &[9, 9, 9, 9]));
        assert_eq!(right(&race), first);
        race.apply(&end(0, 2, &[0, 1, 2, 3]));
        assert_eq!(right(&race), [Some(Right::Sparse); 4]);
    }

    #[test]
    fn a_file_of_before_has_no_answers_and_shows_none() {
        let mut race = race(&["dense", "set@0.2"], &[0, 1]);
        for learner in 0..2 {
            race.apply(&epoch_end(learner, 1, 0.5, 100));
        }
        assert!(shots(&race).iter().all(|shot| shot.right.is_none()));
        assert!(shots(&Race::default()).is_empty());
    }

    #[test]
    fn pictures_are_known_by_their_images() {
        let pictures = Pictures::read("builtin 0.3".into(), &[4, 9], [1, 2, 2], vec!["a".into()], &[0; 8]);
        let shot = |sample| Shot { sample, label: 0, right: None };
        let url = |of: &str, sample| pictures.url(of, sample);
        assert!(url(&pictures.of, 4).is_some_and(|url| url.starts_with("data:image/bmp")) && url(&pictures.of, 5).is_none());
        assert!(url("another set", 4).is_none(), "the same number in another set is another image");
        assert!(pictures.have("builtin 0.3", &[shot(9), shot(4)]) && !pictures.have("builtin 0.3", &[shot(5)]));
        assert!(!pictures.have("cifar10 0.3", &[shot(9)]) && !pictures.lack("builtin 0.3"));
        assert!(Pictures::read("cifar10 0.3".into(), &[], [0; 3], Vec::new(), &[]).lack("cifar10 0.3"));
    }
}
