//! Which tensors of a file are which of a network, and where they do not fit, what the difference is that matters.
//!
//! A file says nothing of the network it belongs to but names and shapes. All of both have to fit; a network that is nearly the same
//! gives wrong numbers without a word.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use sparring_core::formats::{StateDict, Tensor};
use sparring_core::net::Graph;
use sparring_core::net::zoo::{Architecture, Model, Stem};

use super::names::{Words, is_average, is_beside, own, prefixes, shown};
use super::{differences, shaped};

/// What the file is asked to be.
pub struct Wanted<'a> {
    pub model: Model,
    pub width: f32,
    pub stem: Stem,
    /// Channels, height, width of the images.
    pub extent: (usize, usize, usize),
    /// The prefix to take, where one was named.
    pub prefix: Option<&'a str>,
}

/// A file that fits.
pub struct Fit {
    pub architecture: Architecture,
    pub classes: usize,
    pub state: StateDict,
    /// What the names had before them.
    pub prefix: String,
    /// All that stand before such a network's names in the file, this one included.
    pub prefixes: Vec<String>,
    /// Whether the names are torchvision's.
    pub torchvision: bool,
    /// Tensors that belong to no layer, by their names in the file.
    pub left_out: BTreeMap<String, Tensor>,
    /// Names in the file by the zoo's.
    pub named: BTreeMap<String, String>,
}

/// One way to read the file.
struct Attempt {
    architecture: Architecture,
    words: Words,
    prefix: String,
    classes: usize,
    graph: Graph,
    /// Names in the file by the zoo's.
    named: BTreeMap<String, String>,
    /// Tensors under the prefix that are neither the network's nor beside it.
    unexpected: Vec<String>,
    missing: usize,
    misshapen: usize,
}

impl Attempt {
    fn faults(&self) -> usize {
        self.missing + self.misshapen + self.unexpected.len()
    }
}

type Tensors = BTreeMap<String, Tensor>;

/// Finds the way to read the file that fits.
///
/// # Errors
/// One that names the difference that matters: another model, another width, another first convolution, then tensors.
pub fn fit(wanted: &Wanted<'_>, mut tensors: Tensors, unread: &BTreeMap<String, String>) -> Result<Fit> {
    tensors.retain(|name, _| !name.ends_with("num_batches_tracked"));
    let mut attempts = attempts(wanted, &tensors)?;
    attempts.sort_by_key(Attempt::faults);
    let perfect = attempts.iter().take_while(|a| a.faults() == 0).count();
    if perfect == 0 {
        // The one with the most names that are known, then with the fewest faults; where none is known, of the whole file.
        let rank = |a: &&Attempt| (a.named.len(), a.prefix.is_empty());
        let Some(nearest) = attempts.iter().rev().max_by_key(rank) else { bail!("no tensors") };
        bail!("{}", explained(wanted, nearest, &tensors, unread));
    }
    attempts.truncate(perfect);
    let prefixes: BTreeSet<String> = attempts.iter().map(|a| a.prefix.clone()).collect();
    let chosen = chosen(attempts)?;
    let first = chosen.graph.weights().first().map_or(0, |w| w.shape.kh);
    if chosen.words == Words::Torchvision && first == 7 && wanted.stem == Stem::Auto {
        bail!(
            "'conv1.weight' is 7x7, as torchvision's, which pools after it by maximum; {} here does not. \
             Say --stem large only if that pooling was taken out of the network",
            wanted.model
        );
    }
    let mut state = StateDict::default();
    for (name, theirs) in &chosen.named {
        if let Some(tensor) = tensors.remove(theirs) {
            state.tensors.insert(name.clone(), tensor);
        }
    }
    Ok(Fit {
        architecture: chosen.architecture,
        classes: chosen.classes,
        state,
        prefix: chosen.prefix,
        prefixes: prefixes.into_iter().collect(),
        torchvision: chosen.words == Words::Torchvision,
        left_out: tensors,
        named: chosen.named,
    })
}

/// The one of those that fit. Of a network and an average of it, the network.
fn chosen(fitting: Vec<Attempt>) -> Result<Attempt> {
    let all: BTreeSet<&str> = fitting.iter().map(|a| a.prefix.as_str()).collect();
    let plain: BTreeSet<&str> = all.iter().copied().filter(|prefix| !is_average(prefix)).collect();
    let among = if plain.is_empty() { &all } else { &plain };
    let Some(prefix) = among.first().filter(|_| among.len() == 1).map(|prefix| (*prefix).to_owned()) else {
        let names: Vec<&str> = all.iter().map(|prefix| shown(prefix)).collect();
        bail!("several such networks in one set of weights: {}; --key NAME chooses", names.join(", "));
    };
    // The simplest of one prefix came first.
    match fitting.into_iter().find(|a| a.prefix == prefix) {
        Some(attempt) => Ok(attempt),
        None => bail!("no tensors"),
    }
}

/// Every way to read a file as a model: its choices, the file's prefixes, whose words.
fn attempts(wanted: &Wanted<'_>, tensors: &Tensors) -> Result<Vec<Attempt>> {
    let base = Architecture { width: wanted.width, stem: wanted.stem, ..wanted.model.into() };
    let mut architectures = vec![base];
    if base.has_bias_choice() {
        architectures.push(Architecture { classifier_bias: true, ..base });
    }
    if base.has_projection_choice() {
        architectures.push(Architecture { projections: true, ..base });
    }
    // A first convolution of 3x3 is what it is, however large the images.
    let small = |a: &Architecture| Architecture { stem: Stem::Small, ..*a };
    if wanted.stem == Stem::Auto
        && shaped(small(&base), 10, wanted.extent).is_ok_and(|g| shaped(base, 10, wanted.extent).is_ok_and(|own| own != g))
    {
        architectures.extend(architectures.clone().iter().map(small));
    }
    let mut out = Vec::new();
    for architecture in architectures {
        let ten = shaped(architecture, 10, wanted.extent)?;
        let first = ten.weights().first().map(|w| w.name.clone()).unwrap_or_default();
        for words in Words::ALL {
            let mut found = prefixes(tensors.keys().map(String::as_str), words, &first);
            found.extend(wanted.prefix.filter(|wanted| !found.contains(wanted)));
            let begin = out.len();
            for prefix in found {
                out.push(attempt(wanted, tensors, architecture, &ten, words, prefix)?);
            }
            part(&mut out[begin..]);
        }
    }
    out.retain(|a| wanted.prefix.is_none_or(|prefix| prefix == a.prefix));
    Ok(out)
}

/// Leaves to the networks within another, as `ema.conv1` beside `conv1`, what is theirs: all of a network, or an average of parts of one.
fn part(attempts: &mut [Attempt]) {
    let all: Vec<(String, bool)> = attempts.iter().map(|a| (a.prefix.clone(), a.faults() == 0)).collect();
    for Attempt { prefix, unexpected, .. } in attempts {
        let within = all.iter().filter_map(|(other, whole)| Some((other, other.strip_prefix(prefix.as_str())?, *whole)));
        let within: Vec<&String> =
            within.filter(|(_, below, whole)| !below.is_empty() && (*whole || is_average(below))).map(|(other, ..)| other).collect();
        unexpected.retain(|name| !within.iter().any(|other| name.starts_with(other.as_str())));
    }
}

fn attempt(wanted: &Wanted<'_>, tensors: &Tensors, architecture: Architecture, ten: &Graph, words: Words, prefix: &str) -> Result<Attempt> {
    let weights = ten.weights();
    let last = weights.last().map(|w| w.name.clone()).unwrap_or_default();
    let linear: Vec<&str> = weights.iter().filter(|w| w.extents.len() == 2).map(|w| w.name.trim_end_matches(".weight")).collect();
    let known: BTreeSet<String> = ten.state_shapes().into_iter().map(|(name, _)| name).collect();
    let under = |name: &'_ str| name.strip_prefix(prefix).map(str::to_owned);
    // A module that has the classifier's own name is the classifier.
    let classifier = linear.first().copied().filter(|own| linear.len() == 1 && !tensors.contains_key(&format!("{prefix}{own}.weight")));
    let mut named = BTreeMap::new();
    let mut unexpected = Vec::new();
    for (name, tensor) in tensors {
        let Some(rest) = under(name) else { continue };
        let own = own(&rest, words, classifier);
        if known.contains(&own) && !named.contains_key(&own) {
            named.insert(own, name.clone());
        } else if !is_beside(&rest, tensor.data.len()) {
            unexpected.push(name.clone());
        }
    }
    let shape_of = |own: &str| named.get(own).and_then(|name| tensors.get(name)).map(|t| t.shape.as_slice());
    let classes = match shape_of(&last) {
        Some(&[classes, _]) if classes > 0 => classes,
        _ => 10,
    };
    let graph = if classes == 10 { ten.clone() } else { shaped(architecture, classes, wanted.extent)? };
    let (mut missing, mut misshapen) = (0, 0);
    for (own, expected) in graph.state_shapes() {
        match shape_of(&own) {
            None => missing += 1,
            Some(found) => misshapen += usize::from(found != expected),
        }
    }
    Ok(Attempt { architecture, words, prefix: prefix.to_owned(), classes, graph, named, unexpected, missing, misshapen })
}

/// The difference that matters, then the tensors.
fn explained(wanted: &Wanted<'_>, nearest: &Attempt, tensors: &Tensors, unread: &BTreeMap<String, String>) -> String {
    let mut state = StateDict::default();
    for (own, theirs) in &nearest.named {
        if let Some(tensor) = tensors.get(theirs) {
            state.tensors.insert(own.clone(), tensor.clone());
        }
    }
    for name in &nearest.unexpected {
        if let Some(tensor) = tensors.get(name) {
            // By its name in the file, so that whoever looks there finds it.
            state.tensors.insert(name.clone(), tensor.clone());
        }
    }
    let tensors_text = differences(&nearest.graph, &state).unwrap_or_default();
    let unreadable = nearest.graph.state_shapes().into_iter().find_map(|(own, _)| {
        let name = format!("{}{own}", nearest.prefix);
        unread.get(&name).map(|why| format!("'{name}' is {why}, which is not read; save it dense, as float32"))
    });
    let shape = |own: &str| nearest.named.get(own).and_then(|name| tensors.get(name)).map(|t| t.shape.as_slice());
    let stem = || match shape("conv1.weight") {
        Some(&[_, _, 7, 7]) if nearest.graph.weights().first().is_some_and(|w| w.shape.kh == 3) => {
            let pooled = if nearest.words == Words::Torchvision { " (torchvision's has one)" } else { "" };
            let large = "--stem large is 7x7 with a stride of 2 and without the pooling that may follow it";
            Some(format!("its first convolution is 7x7, here it is 3x3; {large}{pooled}"))
        }
        Some(&[_, _, 3, 3]) if nearest.graph.weights().first().is_some_and(|w| w.shape.kh == 7) => {
            Some("its first convolution is 3x3, here it is 7x7; --stem small has 3x3".to_owned())
        }
        _ => None,
    };
    let pre_activation = || {
        let names = |end: &str| nearest.named.keys().chain(&nearest.unexpected).any(|name| name.ends_with(end));
        (names("shortcut.0.weight") && !names("shortcut.1.weight") && nearest.missing > 0)
            .then(|| "its shortcuts have no BatchNorm, as those of a pre-activation ResNet, which is none of the networks here".to_owned())
    };
    let difference = unreadable.or_else(|| other_width(wanted, nearest, tensors)).or_else(|| other_model(wanted, tensors));
    let difference = difference.or_else(stem).or_else(pre_activation);
    match difference {
        Some(difference) => format!("{difference} ({tensors_text})"),
        None => tensors_text,
    }
}

/// The model that the file is, where it is another.
fn other_model(wanted: &Wanted<'_>, tensors: &Tensors) -> Option<String> {
    let others = Model::ALL.iter().filter(|model| **model != wanted.model);
    others.flat_map(|model| [(*model, wanted.extent), (*model, model.usual_extent())]).find_map(|(model, extent)| {
        let own = Wanted { model, width: 1.0, stem: Stem::Auto, extent, prefix: wanted.prefix };
        let all = attempts(&own, tensors).ok()?;
        if all.iter().any(|a| a.faults() == 0) {
            return Some(format!("it is a {model}: say --model {model}"));
        }
        let (width, _) = all.iter().find_map(|a| scaled(&own, a, tensors))?;
        Some(format!("it is a {model} of width {width}: say --model {model} --width {width}"))
    })
}

/// The width that makes it fit, where only that is another.
fn other_width(wanted: &Wanted<'_>, nearest: &Attempt, tensors: &Tensors) -> Option<String> {
    let (width, [found, here]) = scaled(wanted, nearest, tensors)?;
    Some(format!("it has {found} channels where this network has {here}: say --width {width}"))
}

/// The width at which a file fits whose names do, and the channels of its first layer and of the network's.
fn scaled(wanted: &Wanted<'_>, attempt: &Attempt, tensors: &Tensors) -> Option<(f32, [usize; 2])> {
    if attempt.missing > 0 || attempt.misshapen == 0 || !attempt.unexpected.is_empty() {
        return None;
    }
    let first = attempt.graph.weights().into_iter().next()?;
    let (found, here) = (tensors.get(attempt.named.get(&first.name)?)?.shape.first().copied()?, first.shape.c_out);
    let width = wanted.width * found as f32 / here as f32;
    if !Architecture::WIDTHS.contains(&width) || width == wanted.width {
        return None;
    }
    let other = Wanted { width, ..*wanted };
    let fits = attempts(&other, tensors).ok()?.iter().any(|a| a.faults() == 0);
    fits.then_some((width, [found, here]))
}
