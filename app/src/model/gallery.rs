//! The test images by what each learner makes of them: sorted by hardness, filtered by who is right. No browser is needed for it.
//!
//! The worker sends columns of bytes; pictures become data URLs, so that an image of the page can show them as they are.

use sparring_core::argsort::{argsort, ascending, descending};
use sparring_figures::number;

/// Every learner's answers to the test images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// True classes.
    pub labels: Vec<u8>,
    /// Hardness, where there is a score.
    pub scores: Vec<f32>,
    /// Answers, by learner.
    pub answers: Vec<Vec<u8>>,
    /// How sure of them, 255 is certain, by learner.
    pub sure: Vec<Vec<u8>>,
}

impl Samples {
    /// Reads the columns of `count` images for `learners`; `None` where there are fewer bytes than that.
    pub fn read(bytes: &[u8], count: usize, learners: usize) -> Option<Self> {
        let (labels, rest) = bytes.split_at_checked(count)?;
        let (scores, mut rest) = rest.split_at_checked(4 * count)?;
        let number = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        let mut samples = Self { labels: labels.to_vec(), scores: scores.chunks_exact(4).map(number).collect(), ..Self::default() };
        for _ in 0..learners {
            let (answers, after) = rest.split_at_checked(count)?;
            let (sure, after) = after.split_at_checked(count)?;
            samples.answers.push(answers.to_vec());
            samples.sure.push(sure.to_vec());
            rest = after;
        }
        Some(samples)
    }
    /// Whether a learner is right about an image.
    pub fn right(&self, learner: usize, image: usize) -> bool {
        self.answers.get(learner).is_some_and(|a| a.get(image) == self.labels.get(image))
    }
    /// The images that a filter leaves, in its order.
    pub fn select(&self, filter: &Filter) -> Vec<u32> {
        let n = self.labels.len();
        let ranks = argsort(self.scores.iter().map(|s| ascending(f64::from(*s))));
        let bin_of = |rank: usize| rank * BINS / n.max(1);
        let mut bins = vec![0; n];
        ranks.iter().enumerate().for_each(|(rank, image)| bins[*image as usize] = bin_of(rank));
        let passes = |&i: &usize| {
            let (a, b) = (self.right(filter.sparse, i), self.right(filter.dense, i));
            let who = match filter.who {
                Who::All => true,
                Who::SparseOnly => a && !b,
                Who::DenseOnly => b && !a,
                Who::Nobody => (0..self.answers.len()).all(|l| !self.right(l, i)),
                Who::Everybody => (0..self.answers.len()).all(|l| self.right(l, i)),
            };
            who && filter.class.is_none_or(|c| self.labels[i] == c) && filter.bin.is_none_or(|b| bins[i] == b)
        };
        let left: Vec<usize> = (0..n).filter(passes).collect();
        let key = |i: &usize| match filter.order {
            Order::Hardest => descending(f64::from(self.scores[*i])),
            Order::Easiest => ascending(f64::from(self.scores[*i])),
            Order::Index => *i as u64,
        };
        argsort(left.iter().map(key)).into_iter().map(|k| left[k as usize] as u32).collect()
    }
}

/// Bins of equal size by hardness that can be chosen.
pub const BINS: usize = 5;

sparring_core::names::named_enum! {
    /// Who is right.
    pub enum Who ("answer") {
        /// Anybody or nobody.
        All = "all",
        /// The sparse learner, and not the dense one.
        SparseOnly = "sparse",
        /// The dense learner, and not the sparse one.
        DenseOnly = "dense",
        /// Nobody.
        Nobody = "nobody",
        /// All of them.
        Everybody = "everybody",
    }
}
sparring_core::names::named_enum! {
    /// What comes first.
    pub enum Order ("order") {
        /// The highest score.
        Hardest = "hardest",
        /// The lowest.
        Easiest = "easiest",
        /// The dataset's order.
        Index = "index",
    }
}

/// Which images are shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// By who is right: of these two, ...
    pub who: Who,
    /// ... the sparse learner, by its index in the race, ...
    pub sparse: usize,
    /// ... and the dense one.
    pub dense: usize,
    /// Of one class.
    pub class: Option<u8>,
    /// Of one bin by hardness, 0 the easiest.
    pub bin: Option<usize>,
    /// In this order.
    pub order: Order,
}

/// Bytes `[c][h][w]` as a data URL (BMP: no compression is needed for what stays in the page).
pub fn picture(planes: &[u8], [channels, height, width]: [usize; 3]) -> String {
    let n = height * width;
    if planes.len() < channels * n || channels == 0 {
        return String::new();
    }
    let row = (3 * width).next_multiple_of(4);
    let size = 54 + row * height;
    let mut bmp = Vec::with_capacity(size);
    let word = |out: &mut Vec<u8>, v: u32| out.extend(v.to_le_bytes());
    bmp.extend(*b"BM");
    // Size, reserved, where the pixels begin; header size, width, height (negative: from the top), one plane of 24 bits; the rest is 0.
    for v in [size as u32, 0, 54, 40, width as u32, (height as u32).wrapping_neg(), 1 | 24 << 16, 0, 0, 0, 0, 0, 0] {
        word(&mut bmp, v);
    }
    for y in 0..height {
        for x in 0..width {
            let at = |c: usize| planes[c.min(channels - 1) * n + y * width + x];
            bmp.extend([at(2), at(1), at(0)]);
        }
        bmp.resize(54 + row * (y + 1), 0);
    }
    format!("data:image/bmp;base64,{}", base64(&bmp))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// How an image stands in the gallery.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tile {
    /// Its true class.
    pub class: String,
    /// Its class and number, and what each learner takes it for, in words.
    pub label: String,
    /// Each learner's tone, and whether that learner is right.
    pub marks: Vec<(&'static str, bool)>,
}

impl Tile {
    /// That of an image, for learners of these tones and names.
    pub fn of(samples: &Samples, index: u32, classes: &[String], learners: &[(&'static str, String)]) -> Self {
        let image = index as usize;
        let name = |class: Option<&u8>| classes.get(usize::from(class.copied().unwrap_or(0))).map_or("?", String::as_str);
        let class = name(samples.labels.get(image)).to_owned();
        let answer = |learner: usize| name(samples.answers.get(learner).and_then(|answers| answers.get(image)));
        let said = learners.iter().enumerate().map(|(learner, (_, who))| format!(", {who}: {}", answer(learner)));
        let label = format!("{class} {index}{}", said.collect::<String>());
        let marks = learners.iter().enumerate().map(|(learner, (tone, _))| (*tone, samples.right(learner, image))).collect();
        Self { class, label, marks }
    }
}

/// A class that a learner takes an image for.
#[derive(Clone, Debug, PartialEq)]
pub struct Guess {
    /// Its name and its probability.
    pub text: String,
    /// Whether it is the true one.
    pub right: bool,
}

/// An image's answers through the epochs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The image.
    pub index: u32,
    /// Epochs done, and each learner's probabilities.
    pub seen: Vec<(u32, Vec<Vec<f32>>)>,
}

impl History {
    /// Takes in what was seen after an epoch, in place of what was seen of it before.
    pub fn push(&mut self, epoch: u32, probabilities: Vec<Vec<f32>>) {
        self.seen.retain(|(e, _)| *e < epoch);
        self.seen.push((epoch, probabilities));
    }
    /// A learner's probability of a class over the epochs.
    pub fn of(&self, learner: usize, class: usize) -> Vec<(f64, f64)> {
        let at = |p: &Vec<Vec<f32>>| p.get(learner).and_then(|p| p.get(class)).map(|p| f64::from(*p));
        self.seen.iter().filter_map(|(epoch, p)| Some((f64::from(*epoch), at(p)?))).collect()
    }
    /// Each learner's three likeliest classes now: what it takes the image for.
    pub fn confusions(&self, classes: &[String], truth: usize) -> Vec<Vec<Guess>> {
        let Some((_, now)) = self.seen.last() else { return Vec::new() };
        let of = |p: &Vec<f32>| {
            let best = argsort(p.iter().map(|p| descending(f64::from(*p)))).into_iter().take(3);
            let guess = |class: u32| {
                let name = classes.get(class as usize).map_or("?", String::as_str);
                let text = format!("{name} {}", number::percent(f64::from(p[class as usize]), 1));
                Guess { text, right: class as usize == truth }
            };
            best.map(guess).collect()
        };
        now.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn samples() -> Samples {
        let mut bytes = vec![0, 1, 2, 0];
        for score in [0.1f32, 0.9, 0.5, 0.7] {
            bytes.extend(score.to_le_bytes());
        }
        // Dense is right about 0 and 2; sparse about 0, 1 and nothing else.
        bytes.extend([0, 0, 2, 1, 200, 200, 200, 200]);
        bytes.extend([0, 1, 0, 1, 100, 100, 100, 100]);
        Samples::read(&bytes, 4, 2).unwrap()
    }

    fn filter(who: Who) -> Filter {
        Filter { who, dense: 0, sparse: 1, class: None, bin: None, order: Order::Hardest }
    }

    #[test]
    fn images_are_found_by_who_is_right() {
        let s = samples();
        assert_eq!(s.select(&filter(Who::All)), [1, 3, 2, 0]);
        assert_eq!(s.select(&filter(Who::SparseOnly)), [1]);
        assert_eq!(s.select(&filter(Who::DenseOnly)), [2]);
        assert_eq!(s.select(&filter(Who::Nobody)), [3]);
        assert_eq!(s.select(&filter(Who::Everybody)), [0]);
        assert_eq!(s.select(&Filter { class: Some(0), order: Order::Easiest, ..filter(Who::All) }), [0, 3]);
        assert_eq!(s.select(&Filter { bin: Some(3), ..filter(Who::All) }), [1]);
        assert_eq!(s.select(&Filter { order: Order::Index, ..filter(Who::All) }), [0, 1, 2, 3]);
    }

    #[test]
    fn too_few_bytes_are_no_samples() {
        assert_eq!(Samples::read(&[0; 19], 4, 0), None);
        assert_eq!(Samples::read(&[0; 27], 4, 1), None);
        assert!(Samples::read(&[], 0, 3).unwrap().select(&filter(Who::All)).is_empty());
    }

    #[test]
    fn a_picture_is_a_bitmap_of_its_pixels() {
        assert_eq!(base64(b"Man"), "TWFu");
        assert_eq!((base64(b"Ma").as_str(), base64(b"M").as_str(), base64(b"").as_str()), ("TWE=", "TQ==", ""));
        // Two pixels, red and blue: rows are padded to 8 bytes.
        let url = picture(&[255, 0, 0, 0, 0, 255], [3, 1, 2]);
        assert!(url.starts_with("data:image/bmp;base64,Qk0+AAAAAAAAADYAAAAoAAAAAgAAAP////8BABgA"), "{url}");
        assert!(url.ends_with(&base64(&[0, 0, 255, 255, 0, 0, 0, 0])[4..]), "{url}");
        assert_eq!(picture(&[1], [3, 1, 2]), "");
    }

    #[test]
    fn a_tile_says_what_each_learner_answers() {
        let classes = ["<cat>".to_owned(), "dog".into(), "ship".into()];
        let learners = [("dense", "Dense".to_owned()), ("sparse", "SET".into())];
        let tile = Tile::of(&samples(), 1, &classes, &learners);
        assert_eq!((tile.class.as_str(), tile.label.as_str()), ("dog", "dog 1, Dense: <cat>, SET: dog"));
        assert_eq!(tile.marks, [("dense", false), ("sparse", true)]);
        // Of an image that is not there, and of a class without a name.
        let none = Tile::of(&samples(), 9, &[], &learners);
        assert_eq!((none.class.as_str(), none.label.as_str()), ("?", "? 9, Dense: ?, SET: ?"));
    }

    #[test]
    fn history_keeps_one_entry_an_epoch() {
        let mut h = History { index: 3, ..History::default() };
        h.push(1, vec![vec![0.6, 0.4]]);
        h.push(2, vec![vec![0.3, 0.7]]);
        h.push(2, vec![vec![0.2, 0.8]]);
        assert_eq!(h.of(0, 1).iter().map(|p| p.0).collect::<Vec<_>>(), [1.0, 2.0]);
        assert!((h.of(0, 1)[1].1 - 0.8).abs() < 1e-6);
        let guess = |text: &str, right| Guess { text: text.into(), right };
        assert_eq!(h.confusions(&["a".into(), "b".into()], 1), [[guess("b 80.0%", true), guess("a 20.0%", false)]]);
        assert!(History::default().confusions(&[], 0).is_empty());
    }
}
