//! Which dictionaries of a file are sets of weights, and which of several is meant.
//!
//! Checkpoints keep theirs beside optimisers, configurations and a second, averaged set. The wrong one gives wrong numbers in silence,
//! so where the usual names do not settle it, nothing is chosen.

use super::super::budget::Budget;
use super::super::pickle::Pickle;
use super::super::value::{Call, Callable, Ref, Value};
use crate::error::{Error, Result};

/// Keys under which checkpoints keep the weights, likeliest first; an average comes after what it averages.
const WRAPPERS: [&str; 20] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net_state_dict",
    "net",
    "network",
    "module",
    "params",
    "weights",
    "state_dict_ema",
    "ema_state_dict",
    "model_ema",
    "model_ema_state_dict",
    "ema_model",
    "ema",
    "params_ema",
    "swa_state_dict",
    "swa_model",
    "swa",
];
/// Where the programs of sparse-training papers keep masks, beside the weights and under the same names.
pub(super) const MASKS: [&str; 2] = ["mask", "masks"];
const DEEPEST: usize = 5;
/// What a set takes in the list of them, its path aside.
const SET_BYTES: usize = 160;

/// A dictionary with tensors.
pub(super) struct Set {
    /// The keys that lead to it, with points between; empty for the whole file.
    pub(super) path: String,
    pub(super) at: Ref,
    depth: usize,
    tensors: usize,
}

impl Set {
    /// How likely its first key makes it the one that is meant; `None` for a key of no meaning.
    fn rank(&self) -> Option<usize> {
        let first = self.path.split('.').next().unwrap_or_default();
        WRAPPERS.iter().position(|wrapper| first.eq_ignore_ascii_case(wrapper))
    }
    /// As it is called in messages.
    pub(super) fn name(&self) -> &str {
        if self.path.is_empty() { "(the whole file)" } else { &self.path }
    }
}

/// Whether what lies under a key is about training, not about a network.
fn is_about_training(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["optim", "sched", "scaler", "momentum", "rng"].iter().any(|part| key.contains(part)) || key == "opt" || key == "amp"
}

/// Every dictionary with tensors by name, in the order of the file.
pub(super) fn find(pickle: &Pickle<'_>, file: &str, budget: &mut Budget) -> Result<Vec<Set>> {
    budget.take(pickle.values.len(), file)?;
    let mut seen = vec![false; pickle.values.len()];
    let (mut sets, mut ahead) = (Vec::new(), vec![(pickle.root, String::new(), 0)]);
    while let Some((at, path, depth)) = ahead.pop() {
        if seen.get_mut(at as usize).is_none_or(|seen| std::mem::replace(seen, true)) {
            continue;
        }
        let first_child = ahead.len();
        let mut tensors = 0;
        let mut visit = |key: &str, value: Ref| -> Result<()> {
            match pickle.get(value) {
                held if held.is_tensor() => tensors += 1,
                Value::Dict(_) | Value::Tuple(_) | Value::List(_) if depth < DEEPEST && !is_about_training(key) => {
                    let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                    budget.take(path.len() + SET_BYTES, file)?;
                    ahead.push((value, path, depth + 1));
                }
                _ => {}
            }
            Ok(())
        };
        match pickle.get(at) {
            Value::Dict(items) => {
                for (key, value) in items {
                    if let &Value::Str(key) = pickle.get(*key) {
                        visit(key, *value)?;
                    }
                }
                if tensors > 0 {
                    sets.push(Set { path, at, depth, tensors });
                }
            }
            Value::Tuple(items) | Value::List(items) if depth < 2 => {
                for (i, item) in items.iter().enumerate() {
                    if matches!(pickle.get(*item), Value::Dict(_)) {
                        visit(&i.to_string(), *item)?;
                    }
                }
            }
            _ => {}
        }
        ahead[first_child..].reverse();
    }
    Ok(sets)
}

/// The set that is meant: the one of that key, the one of the likeliest key, or the only one.
pub(super) fn choose<'s>(sets: &'s [Set], key: Option<&str>, file: &str) -> Result<&'s Set> {
    if let Some(set) = key.and_then(|key| sets.iter().find(|set| set.path == key)) {
        return Ok(set);
    }
    let likeliest = sets.iter().filter_map(|set| Some((set.rank()?, set.depth))).min();
    let meant: Vec<&Set> = match likeliest {
        Some(likeliest) => sets.iter().filter(|set| set.rank().is_some_and(|rank| (rank, set.depth) == likeliest)).collect(),
        // Tensors at the top: they are meant, unless they are few beside those of a dictionary.
        None => match sets.iter().find(|set| set.path.is_empty()) {
            Some(top) if sets.iter().all(|set| set.tensors <= top.tensors) => vec![top],
            _ => sets.iter().filter(|set| !set.path.is_empty()).collect(),
        },
    };
    match meant[..] {
        [one] => Ok(one),
        _ => {
            let names = sets.iter().take(12).map(|set| format!("'{}' ({} tensors)", set.path, set.tensors)).collect::<Vec<_>>();
            Err(Error::format(file, "one set of weights", format_args!("{}; --key NAME chooses", names.join(", "))))
        }
    }
}

/// The sets that could be the same network's: those with at least half as many tensors, the chosen one included.
pub(super) fn like<'s>(sets: &'s [Set], chosen: &Set) -> impl Iterator<Item = &'s Set> {
    let enough = chosen.tensors.div_ceil(2);
    sets.iter().filter(move |set| set.tensors >= enough)
}

/// Why a file has no set of weights.
pub(super) fn none(pickle: &Pickle<'_>, file: &str) -> Error {
    if let Some(class) = module(pickle) {
        let found = format_args!("a whole module ({class}); save its state dict: torch.save(model.state_dict(), FILE)");
        return Error::format(file, "a state dict: tensors by name", found);
    }
    match pickle.get(pickle.root) {
        Value::Dict(items) => {
            let keys: Vec<&str> = items
                .iter()
                .filter_map(|(key, _)| if let Value::Str(key) = pickle.get(*key) { Some(*key) } else { None })
                .take(8)
                .collect();
            let keys = keys.join(", ");
            let found = if has_arrays(pickle) {
                format!(
                    "NumPy arrays (keys: {keys}); make tensors of them: \
                     torch.save({{name: torch.from_numpy(array) for name, array in state.items()}}, FILE)"
                )
            } else {
                format!("a dictionary without tensors (keys: {keys})")
            };
            Error::format(file, "a state dict: tensors by name", found)
        }
        other => Error::format(file, "a dictionary of tensors", other.kind()),
    }
}

/// Whether a dictionary of the file holds NumPy's arrays, and little else.
fn has_arrays(pickle: &Pickle<'_>) -> bool {
    let is_array = |at: Ref| matches!(pickle.get(at), Value::Call(Call { of: Callable::Reconstruct | Callable::FromBuffer, .. }));
    pickle.values.iter().any(|value| match value {
        Value::Dict(items) => 2 * items.iter().filter(|(_, value)| is_array(*value)).count() > items.len(),
        _ => false,
    })
}

/// The class of the first module in the file.
fn module(pickle: &Pickle<'_>) -> Option<String> {
    let is_module = |state: Ref| match pickle.get(state) {
        Value::Dict(items) => items.iter().any(|(key, _)| matches!(pickle.get(*key), Value::Str("_modules" | "_parameters"))),
        _ => false,
    };
    // The outermost is made last of those that hold others, but named first.
    let class = |value: &Value<'_>| match *value {
        Value::Object { class, state } if is_module(state) => Some(class),
        _ => None,
    };
    let outermost = class(pickle.get(pickle.root)).or_else(|| pickle.values.iter().find_map(class))?;
    match pickle.get(outermost) {
        Value::Foreign(foreign) => Some(format!("{}.{}", foreign.module, foreign.name)),
        _ => Some("of a class that is not named".into()),
    }
}
