//! The test bench.

use sparring_core::attack::Norm;
use sparring_figures::number;

/// Heading.
pub const TITLE: &str = "The test bench";
/// Where nobody trained yet.
pub const NOBODY: &str = "Here you change one picture and see at once what every learner makes of it. There has to be a learner first: train for an epoch, or just a few steps, and come back.";
/// While the race is being prepared.
pub const SOON: &str = "The learners are on their way to the ring.";
/// The button that trains.
pub const TRAIN: &str = "Train now";
/// Group of buttons.
pub const PICTURE: &str = "Which picture";
/// Label of the number.
pub const TEST_IMAGE: &str = "Test image";
/// Button.
pub const PREVIOUS: &str = "Previous";
/// Button.
pub const NEXT: &str = "Next";
/// Button.
pub const RANDOM: &str = "Any other";
/// Button.
pub const KNOWN: &str = "One that all get right";
/// There is none near.
pub fn none_known(looked: usize) -> String {
    format!("Of the next {looked} test images there is none that all learners get right.")
}
/// Label of the file.
pub const OWN: &str = "Your own picture";
/// Under it.
pub const OWN_ABOUT: &str = "Cut to its centred square and made as small as the learners' pictures. It never leaves this browser.";
/// A file that cannot be shown.
pub const NOT_A_PICTURE: &str = "This browser cannot read that file as a picture. PNG, JPEG and WebP always work.";
/// Legend.
pub const CORRUPT: &str = "Corrupt it";
/// Label.
pub const KIND: &str = "Kind";
/// Label.
pub const SEVERITY: &str = "Severity";
/// Legend.
pub const ATTACK: &str = "Attack it";
/// Label.
pub const NORM: &str = "Norm";
/// Label.
pub const EPSILON: &str = "Epsilon";
/// Label.
pub const STEPS: &str = "Steps";
/// Caption and label.
pub const BEFORE: &str = "The picture";
/// Caption and label.
pub const AFTER: &str = "After corruption";
/// Column and table.
pub const CLASS: &str = "Class";
/// Summary.
pub const NUMBERS: &str = "The numbers behind the bars";
/// Caption.
pub const TABLE: &str = "Probability of every class: of the untouched picture, then of what the learner saw";
/// What the thin line on a bar is.
pub const TICK: &str = "A thin line on a bar: how likely the class was for the untouched picture.";

/// E.g. "3 of 5".
pub fn severity(number: u32) -> String {
    if number == 0 { "none".into() } else { format!("{number} of 5") }
}
/// Choices of the norm.
pub fn norm(norm: Option<Norm>) -> &'static str {
    match norm {
        None => "No attack",
        Some(Norm::Linf) => "Linf: each value",
        Some(Norm::L2) => "L2: all together",
    }
}
/// The radius.
pub fn epsilon(norm: Option<Norm>, eps_linf: u32, eps_l2: u32) -> String {
    match norm {
        Some(Norm::L2) => format!("{}.{:02}", eps_l2 / 20, eps_l2 % 20 * 5),
        _ => format!("{eps_linf}/255"),
    }
}
/// Gradient steps.
pub fn steps(steps: u32) -> String {
    if steps == 1 { "1, which is FGSM".into() } else { steps.to_string() }
}
/// What the attack may do, in a sentence.
pub fn allowed(norm: Option<Norm>, eps_linf: u32, eps_l2: u32) -> String {
    match norm {
        None => "Each learner's own gradient looks for the small change that hurts it most. Choose a norm to begin.".into(),
        Some(Norm::Linf) => format!("Every channel of every pixel may change by at most {eps_linf} of 255."),
        Some(Norm::L2) => format!(
            "All changes together may be {} long: the root of the sum of their squares, a pixel being from 0 to 1.",
            epsilon(norm, eps_linf, eps_l2)
        ),
    }
}
/// What the attack did, in a sentence.
pub fn changed(most: u8, share: f64, length: f64) -> String {
    if most == 0 {
        return "Nothing was changed.".into();
    }
    format!("Changed by at most {most} of 255, in {} of the values; {length:.2} long.", number::percent(share, 0))
}
/// Caption of the magnified change.
pub fn magnified(factor: u8) -> String {
    if factor == 1 { "The change; grey is none".into() } else { format!("The change, {factor} times; grey is none") }
}
/// Caption of what a learner saw.
pub fn saw(learner: &str) -> String {
    format!("What {learner} saw")
}
/// Label of the magnified change.
pub fn change_for(learner: &str, factor: u8) -> String {
    format!("{}, made against {learner}", magnified(factor))
}
/// Where the test set ends.
pub fn of(count: usize) -> String {
    format!("of {}", number::count(count as u64))
}
/// How long it took.
pub fn took(ms: f64, learners: usize) -> String {
    format!("{learners} learners answered in {ms:.0} ms on this device.")
}
/// The picture's own line.
pub fn truth(class: Option<&str>) -> String {
    class.map_or_else(|| "Your own picture: nobody knows its class.".into(), |class| format!("The true class is {class}."))
}
/// A class in the bars that is the true one.
pub fn true_class(class: &str) -> String {
    format!("{class} (true)")
}
/// Column of the table.
pub fn untouched(learner: &str) -> String {
    format!("{learner}, untouched")
}
/// The true class, of an untouched picture.
pub const RIGHT: &str = "rightly says";
/// Another, of an untouched picture.
pub const WRONG: &str = "wrongly says";
/// Where nobody knows the truth.
pub const SAYS: &str = "says";
/// The same as before.
pub const STILL: &str = "still says";
/// Another than before, by an attack.
pub const FOOLED: &str = "was fooled into";
/// Another than before.
pub const NOW: &str = "now says";
/// Wrong before and now.
pub const STILL_WRONG: &str = "was wrong before and says";
/// Wrong before, right now.
pub const MENDED: &str = "was wrong before and now rightly says";

/// What a learner says, without its stop; `how` is one of the above.
pub fn says(learner: &str, how: &str, class: &str, probability: f32) -> String {
    format!("{learner} {how} {class} ({:.0}%)", probability * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_read_as_meant() {
        assert_eq!(says("SET 0.2", STILL, "frog", 0.714), "SET 0.2 still says frog (71%)");
        assert_eq!(epsilon(Some(Norm::L2), 8, 21), "1.05");
        assert_eq!(allowed(Some(Norm::Linf), 8, 10), "Every channel of every pixel may change by at most 8 of 255.");
        assert_eq!(changed(8, 0.976, 1.239), "Changed by at most 8 of 255, in 98% of the values; 1.24 long.");
    }
}
