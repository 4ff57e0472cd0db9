//! Ten hard images, a person against the two networks that meet in the ring.
//!
//! Images come from those that the race watches. What one of the two alone is right about comes first, for nobody can know it from the score.

use sparring_core::argsort::in_order;
use sparring_figures::svg::{Anchor, Svg};

use super::bout::{self, Pictures, Right, Shot};
use super::race::Race;
use crate::words::quiz as words;

/// So many questions.
pub const QUESTIONS: usize = 10;

/// An image, and what the networks take it for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The image.
    pub shot: Shot,
    /// What the dense one said.
    pub dense: u16,
    /// What the sparse one said.
    pub sparse: u16,
}

/// A round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quiz {
    questions: Vec<Question>,
    said: Vec<u16>,
}

/// Who was right about how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Result {
    /// The person.
    pub person: usize,
    /// The dense network.
    pub dense: usize,
    /// The sparse one.
    pub sparse: usize,
    /// Of so many.
    pub of: usize,
}

impl Quiz {
    /// A round over what the race has been asked; empty where it has no answers yet. Images of earlier rounds come again only where there
    /// are too few others.
    pub fn of(race: &Race, asked: &[u32]) -> Self {
        let (dense, sparse) = bout::two(race);
        let shots = bout::shots(race);
        let Some(epoch) = bout::both_done(race) else { return Self::default() };
        let answer = |learner: usize, place: usize| bout::answers(race, learner, epoch)?.get(place).copied();
        let question =
            |(place, shot): (usize, &Shot)| Some(Question { shot: *shot, dense: answer(dense, place)?, sparse: answer(sparse, place)? });
        let disputed = |question: &Question| matches!(question.shot.right, Some(Right::Sparse | Right::Dense));
        let again = |question: &Question| u64::from(asked.contains(&question.shot.sample));
        let (mut apart, mut others): (Vec<Question>, Vec<Question>) = shots.iter().enumerate().filter_map(question).partition(disputed);
        apart = in_order(&apart, again);
        // Half of them at most are told apart by the two, so that it is also seen what is easy and what is hopeless.
        others.extend(apart.split_off(apart.len().min(QUESTIONS / 2)));
        others = in_order(&others, again);
        let questions: Vec<Question> = apart.into_iter().chain(others).take(QUESTIONS).collect();
        // Mixed by their places in the test file, which say nothing.
        Self { questions: in_order(&questions, |question| u64::from(question.shot.sample)), said: Vec::new() }
    }
    /// What is asked now; `None` at the end.
    pub fn asked(&self) -> Option<&Question> {
        self.questions.get(self.said.len())
    }
    /// Takes what a person says to what is asked now.
    pub fn say(&mut self, class: u16) {
        if self.asked().is_some() {
            self.said.push(class);
        }
    }
    /// The images that it asks about.
    pub fn samples(&self) -> impl Iterator<Item = u32> {
        self.questions.iter().map(|question| question.shot.sample)
    }
    /// Of how many questions.
    pub fn len(&self) -> usize {
        self.questions.len()
    }
    /// Whether there is nothing to ask.
    pub fn is_empty(&self) -> bool {
        self.questions.is_empty()
    }
    /// Questions so far, with what the person said.
    pub fn answered(&self) -> impl Iterator<Item = (&Question, u16)> {
        self.questions.iter().zip(self.said.iter().copied())
    }
    /// Who was right about how many of those so far.
    pub fn result(&self) -> Result {
        let count = |right: &dyn Fn(&Question, u16) -> bool| self.answered().filter(|(question, said)| right(question, *said)).count();
        Result {
            person: count(&|question, said| said == question.shot.label),
            dense: count(&|question, _| question.dense == question.shot.label),
            sparse: count(&|question, _| question.sparse == question.shot.label),
            of: self.said.len(),
        }
    }
}

/// Of the card, in pixels.
const CARD: (f64, f64) = (640.0, 300.0);

/// What a person takes away: everybody's number, the images with who was right, and where it was. The names are those of the dense and of
/// the sparse network.
pub fn card(quiz: &Quiz, pictures: &Pictures, [dense, sparse]: [&str; 2], address: &str) -> String {
    let result = quiz.result();
    let mut svg = Svg::document(CARD.0, CARD.1, words::TITLE);
    let rows = [(words::YOU, "third", result.person), (dense, "dense", result.dense), (sparse, "sparse", result.sparse)];
    for (i, (name, class, right)) in rows.into_iter().enumerate() {
        let top = 18.0 + 46.0 * i as f64;
        svg.text("tick", (16.0, top + 21.0), Anchor::Start, name);
        let long = 380.0 * right as f64 / result.of.max(1) as f64;
        svg.group(class, |svg| svg.rect("bar", (150.0, top), long, 30.0));
        svg.text("tick", (158.0 + long, top + 21.0), Anchor::Start, &words::right(right, result.of));
    }
    let step = (CARD.0 - 32.0) / quiz.len().max(1) as f64;
    for (i, (Question { shot, dense, sparse }, said)) in quiz.answered().enumerate() {
        let (x, side) = (16.0 + step * i as f64, step - 8.0);
        svg.image((x, 170.0), side, side, pictures.url(&pictures.of, shot.sample).map_or("", String::as_str));
        let told = [("third", said), ("dense", *dense), ("sparse", *sparse)];
        for (place, (class, answer)) in told.into_iter().enumerate() {
            let at = (x + side * (0.2 + 0.3 * place as f64), 170.0 + side + 12.0);
            let state = if answer == shot.label { "knew" } else { "missed" };
            svg.group(class, |svg| svg.circle(state, at, 5.0, ""));
        }
    }
    svg.text("tick", (16.0, CARD.1 - 14.0), Anchor::Start, &words::card(address));
    svg.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::model::bout::tests::watching;

    #[test]
    fn a_round_asks_ten_of_which_at_most_half_are_disputed() {
        // 24 images of class 1. The sparse network alone knows 8 of them, both know 8, nobody knows 8.
        let dense: Vec<u16> = (0..24).map(|i| u16::from(i % 3 == 1)).collect();
        let sparse: Vec<u16> = (0..24).map(|i| u16::from(i % 3 != 2)).collect();
        let race = watching(&[1; 24], &dense, &sparse);
        let mut quiz = Quiz::of(&race, &[]);
        assert_eq!(quiz.len(), 10);
        assert!(quiz.questions.windows(2).all(|pair| pair[0].shot.sample < pair[1].shot.sample));
        let disputed = quiz.questions.iter().filter(|question| question.shot.right == Some(Right::Sparse)).count();
        assert_eq!(disputed, 5);
        // A person who says 1 every time is right every time.
        while quiz.asked().is_some() {
            quiz.say(1);
        }
        quiz.say(1);
        let result = quiz.result();
        assert_eq!((result.person, result.of), (10, 10));
        assert_eq!(result.sparse, result.dense + 5);
        // The next rounds ask about others, as long as there are others: of the 8 that are disputed 5, then 3 and 2 again.
        let first: Vec<u32> = quiz.samples().collect();
        let second: Vec<u32> = Quiz::of(&race, &first).samples().collect();
        assert_eq!(second.iter().filter(|sample| first.contains(sample)).count(), 2);
        let both = [first, second].concat();
        assert_eq!(Quiz::of(&race, &both).samples().filter(|sample| !both.contains(sample)).count(), 5, "half of them are disputed");
    }

    #[test]
    fn a_card_has_everybodys_number_and_each_image() {
        let mut quiz = Quiz::of(&watching(&[0, 1], &[0, 0], &[0, 1]), &[]);
        quiz.say(0);
        quiz.say(7);
        let pictures = Pictures::read("x".into(), &[0, 10], [1, 1, 1], Vec::new(), &[1, 2]);
        let card = card(&quiz, &pictures, ["Dense", "SET <0.2>"], "sparring.example");
        assert!(card.starts_with("<svg xmlns") && card.contains("SET &lt;0.2&gt;"), "{card}");
        // It leaves the page: every tone of it has its colour in the drawing.
        for told in ["1 of 2", "2 of 2", "sparring.example", ".third .bar", ".dense .knew", ".sparse .missed{"] {
            assert!(card.contains(told), "{told}: {card}");
        }
        assert_eq!((card.matches("<image").count(), card.matches("\"knew\"").count(), card.matches("\"missed\"").count()), (2, 4, 2));
    }

    #[test]
    fn where_nobody_has_answered_nothing_is_asked_and_few_images_make_a_short_round() {
        assert!(Quiz::of(&Race::default(), &[]).is_empty());
        let quiz = Quiz::of(&watching(&[0, 1, 2], &[0, 0, 0], &[0, 1, 0]), &[]);
        assert_eq!((quiz.len(), quiz.asked().map(|question| (question.dense, question.sparse))), (3, Some((0, 0))));
        assert_eq!(quiz.result(), Result::default());
    }
}
