//! Ten hard images, a person against the networks.

/// Heading, and the card's title.
pub const TITLE: &str = "Would you have known it?";
/// Button in the ring.
pub const BEGIN: &str = "Would you have known it? Ten pictures";
/// The person.
pub const YOU: &str = "You";
/// Which question it is.
pub fn question(number: usize, of: usize) -> String {
    format!("{number} of {of}: what is it?")
}
/// The picture, for those who do not see it.
pub const PICTURE: &str = "A hard test image, enlarged";
/// What the last picture was, and what everybody took it for.
pub fn was(number: usize, truth: &str, said: &str, dense: [&str; 2], sparse: [&str; 2]) -> String {
    let judged = if said == truth { "right" } else { "wrong" };
    format!("Picture {number} was: {truth}. You said {said}, {judged}; {} said {}, {} said {}.", dense[0], dense[1], sparse[0], sparse[1])
}
/// So many of so many.
pub fn right(right: usize, of: usize) -> String {
    format!("{right} of {of}")
}
/// The result in a sentence.
pub fn result(person: usize, dense: [&str; 2], sparse: [&str; 2], of: usize) -> String {
    format!("You knew {person} of {of}, {} {}, {} {}.", dense[0], dense[1], sparse[0], sparse[1])
}
/// At the foot of the card.
pub fn card(address: &str) -> String {
    format!("Hard test images, you against a dense and a sparse network. Sparring, in your browser: {address}")
}
/// Button.
pub const SAVE: &str = "Save as a picture";
/// Button.
pub const AGAIN: &str = "Again";
/// Button.
pub const CLOSE: &str = "Close";
