//! Names of other people's networks, brought to those of the zoo: prefixes of wrapping modules, other words for the same layer.
//!
//! Weights fit a network only by their names. What is renamed here means the same layer in every network that uses the name; anything
//! else is left to be refused.

/// What classifiers are called, where a network has one linear layer.
const CLASSIFIERS: [&str; 9] = ["linear", "fc", "classifier", "head.fc", "head", "output", "out", "logits", "last_linear"];
/// What an average of the weights is called.
const AVERAGES: [&str; 5] = ["ema", "swa", "avg", "average", "shadow"];

/// Every block of a residual network has a first convolution too; more than this no network has.
const MOST_PREFIXES: usize = 200;

/// As deep as modules are wrapped.
const MOST_MODULES: usize = 4;

/// Whose words a file uses for the parts of a residual network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// The zoo's own: `layer1.0.shortcut.0`.
    Own,
    /// torchvision's and timm's: `layer1.0.downsample.0`.
    Torchvision,
    /// Those of blocks as sequences: `conv2_x.0.residual_function.0`.
    Sequences,
}

impl Words {
    pub const ALL: [Self; 3] = [Self::Own, Self::Torchvision, Self::Sequences];

    /// The first convolution's weights in these words.
    fn first(self, own: &str) -> String {
        match (self, own) {
            (Self::Sequences, "conv1.weight") => "conv1.0.weight".to_owned(),
            _ => own.to_owned(),
        }
    }

    /// The zoo's name for one in these words.
    fn translated(self, name: &str) -> String {
        match self {
            Self::Own => name.to_owned(),
            Self::Torchvision => name.replace(".downsample.", ".shortcut."),
            Self::Sequences => sequences(name).unwrap_or_else(|| name.to_owned()),
        }
    }
}

/// `conv1.0` is the first convolution, `conv{N+1}_x.B.residual_function.I` the Ith layer of a block, ReLUs counted.
fn sequences(name: &str) -> Option<String> {
    if let Some(rest) = name.strip_prefix("conv1.") {
        let (index, rest) = rest.split_once('.')?;
        let module = match index {
            "0" => "conv1",
            "1" => "bn1",
            _ => return None,
        };
        return Some(format!("{module}.{rest}"));
    }
    let (stage, rest) = name.strip_prefix("conv")?.split_once("_x.")?;
    let stage: usize = stage.parse().ok().filter(|stage| *stage >= 2)?;
    let (block, rest) = rest.split_once('.')?;
    let Some((index, parameter)) = rest.strip_prefix("residual_function.").and_then(|rest| rest.split_once('.')) else {
        return Some(format!("layer{}.{block}.{rest}", stage - 1));
    };
    let index: usize = index.parse().ok()?;
    let module = match index % 3 {
        0 => format!("conv{}", index / 3 + 1),
        1 => format!("bn{}", index / 3 + 1),
        _ => return None,
    };
    Some(format!("layer{}.{block}.{module}.{parameter}", stage - 1))
}

/// The zoo's name for a name without its prefix. `classifier`: the module that is the network's one linear layer, if it has only one.
pub fn own(name: &str, words: Words, classifier: Option<&str>) -> String {
    if let Some((classifier, (module, parameter))) = classifier.zip(name.rsplit_once('.'))
        && CLASSIFIERS.contains(&module)
        && matches!(parameter, "weight" | "bias")
    {
        return format!("{classifier}.{parameter}");
    }
    words.translated(name)
}

/// The prefixes (with their point) under which a file has a first convolution in these words; where none has one, those of its first
/// and its last name.
pub fn prefixes<'a>(names: impl Iterator<Item = &'a str>, words: Words, first: &str) -> Vec<&'a str> {
    let first = words.first(first);
    let names: Vec<&str> = names.collect();
    let before = names.iter().filter_map(|name| name.strip_suffix(first.as_str()));
    let found: Vec<&str> = before.filter(|prefix| prefix.is_empty() || prefix.ends_with('.')).take(MOST_PREFIXES).collect();
    if !found.is_empty() {
        return found;
    }
    let ends = [names.first(), names.last()].into_iter().flatten();
    let above = ends.flat_map(|name| name.match_indices('.').take(MOST_MODULES).map(|(at, _)| &name[..=at]));
    std::iter::once("").chain(above).collect()
}

/// A prefix as it is said and as `--key` takes it: without its point, and of names that have none a point alone.
pub fn shown(prefix: &str) -> &str {
    match prefix.trim_end_matches('.') {
        "" => ".",
        name => name,
    }
}

/// Whether a prefix is that of an average beside the weights themselves.
pub fn is_average(prefix: &str) -> bool {
    let prefix = prefix.to_ascii_lowercase();
    prefix.split(['.', '_']).any(|word| AVERAGES.contains(&word))
}

/// Whether a tensor belongs to no layer: counters, costs, losses with a state, metrics, the mean and deviation of the input.
pub fn is_beside(name: &str, values: usize) -> bool {
    let lower = name.to_ascii_lowercase();
    let last = lower.rsplit('.').next().unwrap_or_default();
    let part = |part: &str| {
        let whole = ["criterion", "criteria", "loss", "losses", "accuracy", "acc", "metric", "metrics"];
        let end = ["_loss", "_acc", "_accuracy", "_metric", "_metrics", "_criterion"];
        whole.contains(&part) || part.starts_with("loss_") || part.starts_with("criterion_") || end.iter().any(|end| part.ends_with(end))
    };
    let counter = ["n_averaged", "total_ops", "total_params", "num_updates", "decay", "step", "epoch", "global_step"];
    let statistic = ["mean", "std", "mu", "sigma", "_mean", "_std"];
    lower.split('.').any(part) || (values <= 1 && counter.contains(&last)) || (values <= 4 && statistic.contains(&last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_words_for_the_same_layer_are_understood() {
        for (words, theirs, ours) in [
            (Words::Own, "layer2.0.shortcut.0.weight", "layer2.0.shortcut.0.weight"),
            (Words::Torchvision, "layer2.0.downsample.1.running_var", "layer2.0.shortcut.1.running_var"),
            (Words::Torchvision, "fc.bias", "linear.bias"),
            (Words::Own, "head.fc.weight", "linear.weight"),
            (Words::Own, "classifier.weight", "linear.weight"),
            (Words::Own, "classifier.0.weight", "classifier.0.weight"),
            (Words::Sequences, "conv1.0.weight", "conv1.weight"),
            (Words::Sequences, "conv1.1.running_mean", "bn1.running_mean"),
            (Words::Sequences, "conv2_x.0.residual_function.0.weight", "layer1.0.conv1.weight"),
            (Words::Sequences, "conv5_x.1.residual_function.4.bias", "layer4.1.bn2.bias"),
            (Words::Sequences, "conv3_x.0.residual_function.7.bias", "layer2.0.bn3.bias"),
            (Words::Sequences, "conv3_x.0.shortcut.1.bias", "layer2.0.shortcut.1.bias"),
            (Words::Sequences, "conv1_x.0.weight", "conv1_x.0.weight"),
            (Words::Sequences, "conv2_x.0.residual_function.2.weight", "conv2_x.0.residual_function.2.weight"),
        ] {
            assert_eq!(own(theirs, words, Some("linear")), ours);
        }
        assert_eq!(own("fc.weight", Words::Torchvision, None), "fc.weight");
    }

    #[test]
    fn a_prefix_is_what_stands_before_the_first_convolution() {
        let names = ["n_averaged", "net.conv1.weight", "ema.net.conv1.weight", "preconv1.weight"];
        assert_eq!(prefixes(names.into_iter(), Words::Own, "conv1.weight"), ["net.", "ema.net."]);
        assert_eq!(prefixes(names.into_iter(), Words::Own, "features.0.weight"), ["", "preconv1."]);
        assert_eq!(
            prefixes(["net.bn1.bias", "net.fc.bias"].into_iter(), Words::Own, "conv1.weight"),
            ["", "net.", "net.bn1.", "net.", "net.fc."]
        );
        assert!(is_average("model_ema.") && is_average("ema.") && !is_average("module.") && !is_average("schema."));
    }

    #[test]
    fn what_is_beside_a_network_is_known() {
        for (name, values) in [
            ("n_averaged", 1),
            ("criterion.weight", 10),
            ("train_acc.tp", 1),
            ("loss_fn.pos_weight", 10),
            ("mean", 3),
            ("normalize.std", 3),
            ("conv1.total_ops", 1),
        ] {
            assert!(is_beside(name, values), "{name}");
        }
        for (name, values) in
            [("extra.weight", 2), ("bn1.running_mean", 16), ("mean", 64), ("glossy.weight", 3), ("layer1.0.acceptance", 3)]
        {
            assert!(!is_beside(name, values), "{name}");
        }
    }
}
