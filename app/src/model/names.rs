//! How the page calls learners, images and runs.
//!
//! The engine calls them as files and links do (`set@0.2`, `el2n-hard:0.5`), so that whoever reads a log can type what it says; what it says is
//! put into the page's words here.

use sparring_core::config::settings::{differing, plain};
use sparring_core::config::{ExperimentConfig, LearnerConfig, Method};
use sparring_core::hardness::Subset;

use crate::words::settings;

/// "Dense", "SET 0.2", "RigL 0.1 (masked)", "SET 0.2 (uniform, keep first 2)".
pub fn label(learner: &LearnerConfig) -> String {
    let method = learner.method.title();
    if learner.method == Method::Dense {
        return method.to_owned();
    }
    let mut out = format!("{method} {}", learner.density);
    // The options as the text form has them: what stands behind the method and its density.
    let text = learner.to_string();
    let extras: Vec<&str> = text.split('+').skip(1).collect();
    if !extras.is_empty() {
        out.push_str(&format!(" ({})", extras.join(", ").replace(['=', '-'], " ")));
    }
    out
}

/// A learner in words by its text form; what is none stays as it is.
pub fn called(learner: &str) -> String {
    learner.parse().map_or_else(|_| learner.to_owned(), |learner| label(&learner))
}

/// What a run is called until a person names it: "Dense against SET 0.2 on CIFAR-10".
pub fn name(config: &ExperimentConfig) -> String {
    format!("{} on {}", against(config), settings::value("dataset", config.dataset.name()))
}

/// A value of a field of the configuration, in words.
pub fn value(field: &str, text: &str) -> String {
    match field {
        "learners" => text.split(',').map(|name| called(name.trim())).collect::<Vec<_>>().join(", "),
        field => settings::value(field, text),
    }
}

/// In what an experiment differs from another one, in words; the device is no part of it.
pub fn differences(this: &ExperimentConfig, other: &ExperimentConfig) -> Vec<String> {
    let fields = [this, other].map(|config| config.fields().unwrap_or_default());
    let differing = differing(&[&fields[0], &fields[1]]).into_iter().filter(|(name, _)| *name != "device");
    differing
        .filter_map(|(name, values)| Some(format!("{}: {}", settings::label(name), value(name, &plain(values.into_iter().next()??)))))
        .collect()
}

/// "Dense against SET 0.2".
pub fn against(config: &ExperimentConfig) -> String {
    config.learners.iter().map(label).collect::<Vec<_>>().join(" against ")
}

/// A sentence of the engine with its names in words; what is no name stays as it is.
pub fn in_words(text: &str) -> String {
    text.split_inclusive(char::is_whitespace).map(word).collect()
}

/// A word, with the marks and the space around it.
fn word(text: &str) -> String {
    let mark = |c: char| c.is_whitespace() || "'\"(),.;:".contains(c);
    let name = text.trim_matches(mark);
    let known = || match name {
        _ if name.contains('@') => Some(label(&name.parse::<LearnerConfig>().ok()?)),
        _ if name.contains(':') => Some(settings::subset(name.parse::<Subset>().ok()?)),
        _ => None,
    };
    known().map_or_else(|| text.to_owned(), |known| text.replace(name, &known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_said_of_the_first_one() {
        let (a, mut b) = (ExperimentConfig::default(), ExperimentConfig::default());
        (b.epochs, b.device) = (a.epochs + 1, sparring_core::device::info::DeviceChoice::Cpu);
        assert_eq!(differences(&a, &b), [format!("Epochs: {}", a.epochs)]);
        assert!(differences(&a, &a).is_empty());
    }

    #[test]
    fn settings_are_called_as_the_form_calls_them() {
        let said = |field: &str, text: &str| format!("{}: {}", settings::label(field), value(field, text));
        assert_eq!(said("p_data", "0.1"), "How much data there is: 10%");
        assert_eq!(said("subset", "el2n-hard:0.5"), "Train on: the hardest 50%");
        assert_eq!(said("subset", "first:5000"), "Train on: the first 5,000");
        assert_eq!(said("model", "resnet20"), "Network: ResNet-20");
        assert_eq!(said("learners", "dense,set@0.2+masked"), "Learners: Dense, SET 0.2 (masked)");
        assert_eq!(said("learners", "set@0.2+uniform+keep-first=2"), "Learners: SET 0.2 (uniform, keep first 2)");
        assert_eq!(said("optimizer", "sgd"), "Optimiser: SGD");
        assert_eq!(said("augment", "true"), "Random crop and flip: yes");
        assert_eq!(said("epochs", "3"), "Epochs: 3");
        assert_eq!(said("normalization", "none"), "normalization: none", "the form has no such field");
    }

    #[test]
    fn names_of_the_engine_become_words_and_nothing_else_does() {
        for (said, expected) in [
            ("set@0.2 won against dense: +4.0 points.", "SET 0.2 won against dense: +4.0 points."),
            ("test 18.8%; static@0.2+uniform cannot be told", "test 18.8%; Static 0.2 (uniform) cannot be told"),
            ("as by the subset el2n-hard:0.5 or a file.", "as by the subset the hardest 50% or a file."),
            ("the training samples of first:20 have no image", "the training samples of the first 20 have no image"),
            ("set@0.2: no update of the topology comes", "SET 0.2: no update of the topology comes"),
            ("nobody ('gmp@0.1', rigl@0.2).", "nobody ('GMP 0.1', RigL 0.2)."),
            ("see a@b or http://localhost:80, at 10:30", "see a@b or http://localhost:80, at 10:30"),
            ("", ""),
        ] {
            assert_eq!(in_words(said), expected);
        }
    }
}
