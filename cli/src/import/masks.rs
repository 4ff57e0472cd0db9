//! Weights that a file keeps in parts: the masks of `torch.nn.utils.prune`, and parts that nothing here puts together.
//!
//! A pruned network's state dict holds the weights before pruning and a mask. Taken as they are they would be another network.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use sparring_core::formats::Tensor;

const ORIGINAL: &str = "_orig";
const MASK: &str = "_mask";

/// The weights that had a mask, by the names they now have.
#[derive(Debug, Default, PartialEq)]
pub struct Masked {
    pub names: BTreeSet<String>,
    /// Weights that the masks keep and that are exactly 0, which a checkpoint cannot tell from those that are not there.
    pub kept_zeros: usize,
}

/// Puts masks of a dictionary of their own beside the weights that they are of; gives how many there are.
pub fn place(tensors: &mut BTreeMap<String, Tensor>, masks: BTreeMap<String, Tensor>) -> usize {
    let mut placed = 0;
    for (name, mask) in masks {
        // One of the two may have been saved from within a wrapper.
        let wrapped = format!("module.{name}");
        let names = [Some(name.as_str()), Some(wrapped.as_str()), name.strip_prefix("module.")];
        if let Some(name) = names.into_iter().flatten().find(|name| tensors.contains_key(*name)).map(str::to_owned) {
            tensors.insert(format!("{name}{MASK}"), mask);
            placed += 1;
        }
    }
    placed
}

/// Multiplies originals with their masks, in place.
///
/// # Errors
/// Where a mask fits no weight or holds other than 0 and 1, and where weights are kept in parts that are no mask.
pub fn resolve(tensors: &mut BTreeMap<String, Tensor>) -> Result<Masked> {
    // A mask beside a weight of the plain name: the weight may be masked already, and is the same then.
    let plain: Vec<String> = tensors.keys().filter_map(|name| Some(name.strip_suffix(MASK)?.to_owned())).collect();
    for name in plain {
        let original = format!("{name}{ORIGINAL}");
        if !tensors.contains_key(&original)
            && let Some(weight) = tensors.remove(&name)
        {
            tensors.insert(original, weight);
        }
    }
    let originals: Vec<String> = tensors.keys().filter_map(|name| Some(name.strip_suffix(ORIGINAL)?.to_owned())).collect();
    let mut masked = Masked::default();
    for name in originals {
        let mask_name = format!("{name}{MASK}");
        let Some(mask) = tensors.get(&mask_name) else {
            let spectral = tensors.contains_key(&format!("{name}_u"));
            let remedy = if spectral {
                "spectral normalisation; torch.nn.utils.remove_spectral_norm(module)"
            } else {
                "a reparametrisation; undo it"
            };
            bail!("'{name}{ORIGINAL}' has no '{mask_name}': {remedy} in PyTorch before saving");
        };
        let original = &tensors[&format!("{name}{ORIGINAL}")];
        if mask.shape != original.shape {
            bail!("'{mask_name}': expected the shape {:?} of its weights, found {:?}", original.shape, mask.shape);
        }
        if let Some(other) = mask.data.iter().find(|m| **m != 0.0 && **m != 1.0) {
            bail!("'{mask_name}': expected 0 and 1, found {other}");
        }
        if tensors.contains_key(&name) {
            bail!("'{name}' stands beside '{name}{ORIGINAL}' and '{mask_name}': which of them is meant?");
        }
        let data: Vec<f32> = original.data.iter().zip(&mask.data).map(|(w, m)| if *m == 0.0 { 0.0 } else { *w }).collect();
        masked.kept_zeros += data.iter().zip(&mask.data).filter(|(w, m)| **w == 0.0 && **m == 1.0).count();
        let tensor = Tensor { shape: original.shape.clone(), data };
        tensors.remove(&mask_name);
        tensors.remove(&format!("{name}{ORIGINAL}"));
        tensors.insert(name.clone(), tensor);
        masked.names.insert(name);
    }
    if let Some(name) = tensors.keys().find(|name| is_part(name, tensors)) {
        bail!("'{name}': weights kept in parts (weight normalisation or a parametrisation); remove it in PyTorch before saving");
    }
    Ok(masked)
}

/// Whether a tensor is a part of a weight: `weight_g` beside `weight_v`, or what `torch.nn.utils.parametrize` keeps.
fn is_part(name: &str, tensors: &BTreeMap<String, Tensor>) -> bool {
    let pair = name.strip_suffix("_g").is_some_and(|stem| tensors.contains_key(&format!("{stem}_v")));
    pair || name.split('.').any(|part| part == "parametrizations")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn tensors(all: &[(&str, &[f32])]) -> BTreeMap<String, Tensor> {
        all.iter().map(|(name, data)| ((*name).to_owned(), Tensor { shape: vec![data.len()], data: data.to_vec() })).collect()
    }

    #[test]
    fn weights_are_multiplied_with_their_masks() {
        let mut state = tensors(&[
            ("m.a.weight_orig", &[1.0, f32::INFINITY, 0.0]),
            ("m.a.weight_mask", &[1.0, 0.0, 1.0]),
            ("m.a.bias", &[4.0]),
            ("b.bias_orig", &[5.0]),
            ("b.bias_mask", &[1.0]),
        ]);
        let masked = resolve(&mut state).unwrap();
        assert_eq!(state, tensors(&[("m.a.weight", &[1.0, 0.0, 0.0]), ("m.a.bias", &[4.0]), ("b.bias", &[5.0])]));
        assert_eq!(masked.names.iter().map(String::as_str).collect::<Vec<_>>(), ["b.bias", "m.a.weight"]);
        assert_eq!(masked.kept_zeros, 1);
    }

    #[test]
    fn masks_of_a_dictionary_of_their_own_are_taken() {
        let mut state = tensors(&[("module.a.weight", &[1.0, 2.0]), ("module.a.bias", &[3.0])]);
        assert_eq!(place(&mut state, tensors(&[("a.weight", &[0.0, 1.0]), ("b.weight", &[1.0])])), 1);
        assert_eq!(resolve(&mut state).unwrap().names.len(), 1);
        assert_eq!(state, tensors(&[("module.a.weight", &[0.0, 2.0]), ("module.a.bias", &[3.0])]));
        // Nor is one beside a plain name passed over.
        let mut state = tensors(&[("a", &[1.0, 2.0]), ("a_mask", &[1.0, 0.0])]);
        resolve(&mut state).unwrap();
        assert_eq!(state, tensors(&[("a", &[1.0, 0.0])]));
    }

    #[test]
    fn what_is_no_mask_is_refused_by_name() {
        for (state, words) in [
            (&[("a_orig", &[1.0][..]), ("a_mask", &[1.0, 0.0][..])][..], "expected the shape [1]"),
            (&[("a_orig", &[1.0][..]), ("a_mask", &[0.5][..])][..], "expected 0 and 1, found 0.5"),
            (&[("a", &[1.0][..]), ("a_orig", &[1.0][..]), ("a_mask", &[1.0][..])][..], "which of them is meant"),
            (&[("a_orig", &[1.0][..]), ("a_u", &[1.0][..])][..], "remove_spectral_norm"),
            (&[("a_g", &[1.0][..]), ("a_v", &[1.0][..])][..], "weight normalisation"),
            (&[("c.parametrizations.weight.original0", &[1.0][..])][..], "weight normalisation or a parametrisation"),
        ] {
            let message = resolve(&mut tensors(state)).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }
}
