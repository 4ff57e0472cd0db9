//! Makes the layers of a model sparse: how a density is shared among them, and which of their weights stay.
//!
//! Masks are those of Sparring's engine for the same seed, densities and order of layers, so that two programs start from one network.

use std::collections::{HashMap, HashSet};

use burn::module::Module;
use sparring_core::rng::{Purpose, Stream};
use sparring_core::sparse::density::erk;
use sparring_core::sparse::mask;

use crate::error::{Error, Result};
use crate::layer::{check_density, count};
use crate::topology::Topology;
use crate::walk::{self, Found, New};

/// How a density is shared among layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allocation {
    /// Small layers are denser (Erdos-Renyi kernel, Evci et al. 2020).
    #[default]
    Erk,
    /// Every layer has the same density.
    Uniform,
}

/// How sparse a model is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sparsity {
    density: f64,
    allocation: Allocation,
    seed: u64,
}

/// A model whose sparse layers ([`crate::SparseConv2d`], [`crate::SparseLinear`]) have this share of their dense weights all together, above 0 and
/// at most 1, shared by ERK, with masks of seed 0.
///
/// # Errors
/// As [`Sparsity::convert`].
pub fn convert<M: Module>(model: M, density: f64) -> Result<M> {
    Sparsity::new(density).convert(model)
}

impl Sparsity {
    /// This density of all layers together, shared by ERK.
    pub fn new(density: f64) -> Self {
        Self { density, allocation: Allocation::default(), seed: 0 }
    }
    /// Shared in this way.
    pub fn with_allocation(self, allocation: Allocation) -> Self {
        Self { allocation, ..self }
    }
    /// With the masks of this seed.
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }
    /// The model with fewer weights: of each layer's weights, a random part that its density says stays as it is. A layer has at least one.
    ///
    /// # Errors
    /// Where the density is not above 0 and at most 1, the model has no layer of ours, or a layer is sparser already.
    pub fn convert<M: Module>(&self, model: M) -> Result<M> {
        let layers = walk::layers(&model)?;
        let densities = self.densities(&layers)?;
        let values = walk::read(&model, &layers.iter().map(|layer| layer.values).collect::<HashSet<_>>())?;
        let mut new = HashMap::new();
        for (place, (layer, density)) in layers.iter().zip(densities).enumerate() {
            let kept = self.chosen(place, layer, density)?;
            let had = layer.at.positions();
            let old = values.get(&layer.values).map_or(&[][..], Vec::as_slice);
            let floats = kept.iter().filter_map(|&i| old.get(i as usize).copied()).collect();
            let positions = kept.iter().map(|&i| had[i as usize]).collect();
            new.insert(layer.values, New::Floats(floats));
            new.insert(layer.topology, New::Words(Topology::new(layer.at.shape(), positions)?.words()?));
        }
        Ok(walk::replaced(model, new))
    }
    /// A density for each layer.
    fn densities(&self, layers: &[Found]) -> Result<Vec<f64>> {
        check_density(self.density)?;
        if layers.is_empty() {
            let what = "the model has no SparseConv2d and no SparseLinear: use them in place of burn's Conv2d and Linear";
            return Err(Error::Model(what.into()));
        }
        match self.allocation {
            Allocation::Uniform => Ok(vec![self.density; layers.len()]),
            Allocation::Erk => {
                // A linear layer has two extents, and its density follows from their sum.
                Ok(erk(&layers.iter().map(Found::dims).collect::<Vec<_>>(), self.density)?)
            }
        }
    }
    /// Which of a layer's weights stay, as places among those that it has.
    fn chosen(&self, place: usize, layer: &Found, density: f64) -> Result<Vec<u32>> {
        let (n, has) = (layer.at.shape().len(), layer.at.positions().len());
        let wanted = count(density, n);
        if wanted > has {
            let path = &layer.path;
            return Err(Error::Model(format!(
                "{path} has {has} weights and cannot be made as dense as {wanted}: begin with a density of 1"
            )));
        }
        Ok(match has == n {
            true => mask::initial(self.seed, place, n, wanted as f64 / n as f64),
            false => Stream::new(self.seed, Purpose::Masks, 0, place as u64).choose(has, wanted),
        })
    }
}
