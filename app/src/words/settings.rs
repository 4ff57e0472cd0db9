//! The settings: one line a field of the configuration, under its own name.

use Kind::{Check, Choice, Corruptions, Eps, Real, Share, Whole};
use sparring_core::hardness::Subset;
use sparring_core::net::zoo::Model;
use sparring_core::platform::parse_f64;
use sparring_figures::number;

/// How a field is asked for.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A whole number: lowest, highest.
    Whole(&'static str, &'static str),
    /// A number: lowest, highest.
    Real(&'static str, &'static str),
    /// Part of something, from 5 to 100 %.
    Share,
    /// A radius: a change of pixel values in 255ths, or a Euclidean length in twentieths, up to so many of each.
    Eps(&'static str, &'static str),
    /// Yes or no.
    Check,
    /// One of these: value and label.
    Choice(&'static [(&'static str, &'static str)]),
    /// One of these, or of the kinds of corruption.
    Corruptions(&'static [(&'static str, &'static str)]),
}

/// A field of the configuration.
pub struct Setting {
    /// As the configuration calls it.
    pub name: &'static str,
    /// As the page calls it.
    pub label: &'static str,
    /// Why one would change it.
    pub why: &'static str,
    /// How it is asked for.
    pub kind: Kind,
}

const fn of(name: &'static str, label: &'static str, kind: Kind, why: &'static str) -> Setting {
    Setting { name, label, why, kind }
}

/// Where the images come from.
pub const DATASET: Setting = of(
    "dataset",
    "Images",
    Choice(&[("cifar10", "CIFAR-10"), ("builtin", "Built-in set"), ("builtin-grey", "Built-in set in grey")]),
    "CIFAR-10 has 60,000 photographs of ten kinds of things. The built-in sets are drawn by code and need no download.",
);
/// How much of the images there is at all.
pub const DATA: Setting = of(
    "p_data",
    "How much data there is",
    Share,
    "A random part of the training images; the hard ones are chosen among these. Little data is one of the paper's questions.",
);
/// What corrupts.
pub const CORRUPTION: Setting = of(
    "corruption",
    "Corrupted by",
    Corruptions(&[("standard", "any of the 15 standard kinds"), ("all", "any of all 19 kinds")]),
    "Every training image gets one of these kinds, and the test set is looked at clean and corrupted.",
);
/// How strongly.
pub const SEVERITY: Setting = of(
    "severity",
    "How strongly",
    Choice(&[("mixed", "all five severities"), ("1", "1, barely"), ("2", "2"), ("3", "3"), ("4", "4"), ("5", "5, badly")]),
    "The benchmark CIFAR-10-C has five severities of each kind.",
);
/// What an attack may change.
pub const ATTACK: &[Setting] = &[
    of(
        "norm",
        "Attacks may change",
        Choice(&[("linf", "every pixel a little (Linf)"), ("l2", "all pixels together a little (L2)")]),
        "The attack (PGD) seeks the change within this limit that the network gets wrong.",
    ),
    of(
        "train_eps",
        "In training by",
        Eps("32", "40"),
        "The radius of the ball: 8/255 is what most papers use in Linf, and 0.5 in L2, where it is the length of the whole change.",
    ),
    of("train_step", "Steps of the attack in training", Whole("1", "100"), "Each step costs about two thirds of a training step."),
    of("test_eps", "In the test by", Eps("32", "40"), "Robust accuracy is measured at this radius. At 0 it is accuracy on clean images."),
    of("test_step", "Steps of the attack in the test", Whole("1", "200"), "More steps make the attack stronger and the evaluation slower."),
];
/// Balanced classes.
pub const BALANCED: Setting = of("balanced", "As many of each class", Check, "Hard images are not spread evenly over the classes.");
/// The random control.
pub const CONTROL: Setting = of(
    "control",
    "A random control for everybody",
    Check,
    "The same learner on a random part of the same size: only so can the effect of hardness be told from that of having fewer images.",
);
/// Passes.
pub const EPOCHS: Setting = of("epochs", "Epochs", Whole("1", "1000"), "How often each learner sees its images.");
/// Width.
pub const WIDTH: Setting = of(
    "width",
    "Width, times",
    Real("0.01", "8"),
    "A factor on the channels of every layer. Half as wide has about a quarter of the weights.",
);

/// What is folded away.
pub const ADVANCED: &[Setting] = &[
    of(
        "stem",
        "A ResNet begins with",
        Choice(&[("auto", "what suits the images"), ("small", "3x3"), ("large", "7x7, stride 2")]),
        "Small images lose too much in a large first filter.",
    ),
    of("batch_size", "Batch size", Whole("1", "4096"), "Images a step. Smaller batches need less memory."),
    of(
        "micro_batch",
        "Images at once (0: the whole batch)",
        Whole("0", "4096"),
        "The batch in parts: less memory, the same step but for BatchNorm's statistics.",
    ),
    of("recompute", "Compute activations twice", Check, "Less memory, more time, the same numbers."),
    of(
        "precision",
        "Activations in",
        Choice(&[("f32", "32 bits"), ("bf16", "16 bits (bf16)")]),
        "How layers' outputs are kept inside a step: 16 bits take half the memory. Arithmetic stays in 32 bits, and so do an MLP's outputs.",
    ),
    of("optimizer", "Optimiser", Choice(&[("sgd", "SGD"), ("adam", "Adam")]), "The paper trains with SGD."),
    of("lr", "Learning rate", Real("0", "1000"), "How far each step goes."),
    of(
        "lr_schedule",
        "Schedule",
        Choice(&[("step", "Steps"), ("cosine", "Cosine"), ("constant", "Constant")]),
        "Steps: a tenth at half of the epochs and again at three quarters.",
    ),
    of("momentum", "Momentum", Real("0", "1"), "How much of the last step is made again."),
    of("nesterov", "Nesterov momentum", Check, "The gradient is taken as if the momentum's step had been made."),
    of("weight_decay", "Weight decay", Real("0", "1"), "Pulls every weight towards zero."),
    of("label_smoothing", "Label smoothing", Real("0", "1"), "A share of each target is spread over all classes: less sure answers."),
    of("augment", "Random crop and flip", Check, "Every epoch sees each image a little differently."),
    of("update_frequency", "Epochs between mask updates", Whole("1", "1000"), "How often SET and RigL move their weights."),
    of("death_rate", "Share replaced at the first update", Real("0", "1"), "It falls to nothing by the end."),
    of("death_schedule", "It falls along", Choice(&[("cosine", "half a cosine"), ("linear", "a line")]), "The paper uses the cosine."),
    of("gmp_end", "GMP is done after this share", Real("0", "1"), "Gradual pruning needs epochs without pruning to recover."),
    of("bins", "Difficulty bins of the test set", Whole("0", "100"), "Accuracy is reported in each."),
    of("limit_train", "Training images at most (0: all)", Whole("0", "1000000000"), "For quick looks."),
    of("limit_test", "Test images at most (0: all)", Whole("0", "1000000000"), "For quick looks."),
    of("difficulty", "Difficulty of the built-in set", Real("0", "1"), "0 is trivial, 1 is hopeless."),
    of("seed", "Seed", Whole("0", "9000000000000000"), "The same seed gives the same numbers."),
];

/// What the form calls a field of the configuration; its own name where the form has none.
pub fn label(name: &str) -> &str {
    match name {
        "learners" => "Learners",
        "model" => NETWORK,
        "subset" => PART,
        name => setting(name).map_or(name, |setting| setting.label),
    }
}
/// A field of the form by its name.
fn setting(name: &str) -> Option<&'static Setting> {
    let alone = [&DATASET, &DATA, &CORRUPTION, &SEVERITY, &BALANCED, &CONTROL, &EPOCHS, &WIDTH];
    alone.into_iter().chain(ATTACK).chain(ADVANCED).find(|setting| setting.name == name)
}
/// What the form calls a value of such a field; the value itself where it is a number, or the form has no name for it.
pub fn value(name: &str, value: &str) -> String {
    let listed = |all: &[(&str, &str)]| all.iter().find(|(known, _)| *known == value).map(|(_, label)| (*label).to_owned());
    let known = match (name, setting(name).map(|setting| setting.kind)) {
        ("model", _) => value.parse().ok().map(model),
        ("subset", _) => value.parse().ok().map(subset),
        (_, Some(Choice(all) | Corruptions(all))) => listed(all),
        (_, Some(Check)) => Some(if value == "true" { YES } else { NO }.to_owned()),
        (_, Some(Share)) => parse_f64(value).map(number::share),
        _ => None,
    };
    known.unwrap_or_else(|| value.to_owned())
}
/// Of a box that is ticked.
const YES: &str = "yes";
/// Of one that is not.
const NO: &str = "no";

/// Heading.
pub const HARD: &str = "What makes them hard";
/// Heading.
pub const CORNERS: &str = "In the corners";
/// Label.
pub const PRESET: &str = "Preset";
/// Option where no preset fits.
pub const OWN: &str = "My own";
/// Its sentence.
pub const OWN_ABOUT: &str = "Your own mix. A preset puts everything back.";
/// Label.
pub const HARD_BY: &str = "Hard by";
/// Why.
pub const HARD_BY_WHY: &str =
    "By nature: images that networks find hard. By corruption: noise, blur, weather. By attack: images changed so that the network errs.";
/// Its options.
pub const SCENARIOS: [(&str, &str); 3] = [("nature", "nature"), ("corruption", "corruption"), ("attack", "attack")];
/// Label.
pub const PART: &str = "Train on";
/// Its options, before the score.
pub const PARTS: [(&str, &str); 6] = [
    ("hard", "the hardest"),
    ("middle", "the middle"),
    ("easy", "the easiest"),
    ("random", "a random part"),
    ("first", "the first ones"),
    ("all", "all of them"),
];
/// The same with how much of it: "the hardest 50%", "the first 5,000".
pub fn subset(subset: Subset) -> String {
    let label = |name: &str| PARTS.iter().find(|(value, _)| *value == name).map_or("", |(_, label)| label);
    match subset {
        Subset::All => label("all").into(),
        Subset::First(count) => format!("the first {}", number::count(count as u64)),
        Subset::Random(fraction) => format!("a random {}", number::share(fraction)),
        Subset::Ranked { part, fraction, .. } => format!("{} {}", label(part.name()), number::share(fraction)),
    }
}
/// Why.
pub const PART_WHY: &str = "The question of the paper is who learns the hardest best. The others are there to compare. The first ones of CIFAR-10 need not \
                            wait for the rest of it.";
/// Label.
pub const SCORE: &str = "Hardness by";
/// Why.
pub const SCORE_WHY: &str =
    "EL2N of CIFAR-10, and of the built-in set at difficulty 0.7, comes with the page. Other scores are measured by a short run first.";
/// Label.
pub const HOW_MUCH: &str = "How much of them";
/// Label.
pub const HOW_MANY: &str = "How many of them";
/// Label.
pub const NETWORK: &str = "Network";
/// Why.
pub const NETWORK_WHY: &str = "The same architecture for everybody. The tiny one trains without a GPU.";
/// A model as papers write it.
pub fn model(model: Model) -> String {
    let name = match model {
        Model::Tiny => "Tiny (three convolutions)",
        Model::ResNet20 => "ResNet-20",
        Model::ResNet32 => "ResNet-32",
        Model::ResNet44 => "ResNet-44",
        Model::ResNet56 => "ResNet-56",
        Model::ResNet18 => "ResNet18",
        Model::ResNet34 => "ResNet34",
        Model::ResNet50 => "ResNet50",
        Model::Vgg16 => "VGG16",
        Model::Vgg16C => "VGG16-C",
        Model::Vgg16Like => "VGG16-like",
        Model::Vgg19 => "VGG19",
        Model::AlexNetS => "AlexNet-s",
        Model::AlexNetB => "AlexNet-b",
        Model::LeNet300 => "LeNet-300-100 (28x28 grey)",
        Model::LeNet5 => "LeNet-5 (28x28 grey)",
        Model::Mlp => "MLP (1024, 512)",
        Model::Wide { depth, factor } => return format!("WideResNet-{depth}-{factor}"),
    };
    name.to_owned()
}

/// A network that does not take the images, and why.
pub fn misfit(why: &str, name: Model) -> String {
    let why = why.trim_start_matches("configuration: ").replace(&format!("model {name}"), &model(name));
    format!("This cannot be trained: {why}.")
}
/// Whose fields these are.
pub fn learner(number: usize) -> String {
    format!("Learner {number}")
}
/// The experiment in a sentence.
pub const TRAIN: &str = "Train";
/// Between learners.
pub const AND: &str = " and ";
/// Before a density.
pub const AT: &str = " at ";
/// Behind sparse learners.
pub const AGAINST_DENSE: &str = " against dense";
/// Where there are none.
pub const DENSE_ALONE: &str = "the dense network alone";
/// Before the images.
pub const ON: &str = " on ";
/// Before the dataset.
pub const OF: &str = " of ";
/// Before the epochs.
pub const FOR: &str = " for ";
/// So many epochs.
pub fn epochs(count: &str) -> String {
    if count == "1" { "1 epoch".into() } else { format!("{count} epochs") }
}
/// Button.
pub const MORE: &str = "All settings";
/// Button.
pub const ADD: &str = "Add a learner";
/// Button.
pub const REMOVE: &str = "Remove";
/// Label.
pub const METHOD: &str = "Method";
/// Label.
pub const DENSITY: &str = "Density";
/// Why.
pub const DENSITY_WHY: &str = "The share of the weights that exist. The others take no memory and no time.";
/// Button.
pub const DENSITY_NOW: &str = "Use it in the race that runs";
/// Label.
pub const ALLOCATION: &str = "Shared among layers";
/// The option that changes nothing.
pub const ALLOCATION_OWN: &str = "as the method has it";
/// Why.
pub const ALLOCATION_WHY: &str = "Layers differ in how many weights they can spare.";
/// Box.
pub const MASKED: &str = "Dense network times a mask";
/// Why.
pub const MASKED_WHY: &str = "How most papers simulate sparsity: no weight is really gone, so neither time nor memory is saved.";
/// Folded.
pub const ADVANCED_SUMMARY: &str = "Advanced";
/// Folded.
pub const VARY: &str = "Vary the method";
/// Button.
pub const PAPER: &str = "The paper's recipe";
/// The form is not the race.
pub const DIFFERS: &str = "These settings differ from the race that runs. Stop or reset it, then Train takes them.";
/// The run that is shown is another experiment than the sentence.
pub fn shows_another(differences: &[String]) -> String {
    const MOST: usize = 3;
    let more = if differences.len() > MOST { format!(", and {} more settings", differences.len() - MOST) } else { String::new() };
    format!("The race on screen is another one. {}{more}.", differences[..differences.len().min(MOST)].join("; "))
}
/// Button.
pub const TAKE_SHOWN: &str = "Take its settings";
/// Folded.
pub const ARCHIVE: &str = "Bring your own archive";
/// About it.
pub const ARCHIVE_ABOUT: &str = "If this server has no CIFAR-10, choose (or drop here) the official cifar-10-binary.tar.gz or cifar-10-python.tar.gz, or either as .tar. It is checked, kept in this browser, and goes nowhere.";
/// Its field.
pub const ARCHIVE_FILE: &str = "The official archive cifar-10-binary.tar.gz or cifar-10-python.tar.gz";
/// Label.
pub const RATE: &str = "Learning rate from here on";
/// Button.
pub const RATE_USE: &str = "Use it";
/// Button.
pub const RATE_BACK: &str = "Back to the schedule";

/// A number that was not taken.
pub fn wrong(label: &str, text: &str, low: &str, high: &str) -> String {
    format!("{label}: {low} to {high}, not '{text}'.")
}
/// What a learner weighs in the race that is shown.
pub fn weights(active: u64, all: u64) -> String {
    let (a, b) = (number::count(active), number::count(all));
    if active == all { format!("{b} parameters, all of them") } else { format!("{a} of {b} parameters") }
}
