//! Which images of a dataset something reads: so many have to be here, the others need not.

use super::{ABSENT, Dataset, Images};
use crate::error::{Error, Result};

/// Images by index, increasing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reads {
    /// Of the training file.
    pub train: Vec<u32>,
    /// Of the test file.
    pub test: Vec<u32>,
}

impl Reads {
    /// All of a dataset.
    pub fn all(data: &Dataset) -> Self {
        let of = |images: &Images| (0..images.len() as u32).collect();
        Self { train: of(&data.train), test: of(&data.test) }
    }

    /// Checks that they are here.
    ///
    /// # Errors
    /// `Config` naming one that is not.
    pub fn check(&self, data: &Dataset) -> Result<()> {
        for (file, images, samples) in [("training", &data.train, &self.train), ("test", &data.test, &self.test)] {
            let lacks = |sample: &&u32| images.labels.get(**sample as usize).is_none_or(|label| *label == ABSENT);
            if let Some(sample) = samples.iter().find(lacks) {
                let name = &data.name;
                return Err(Error::config(format!("image {sample} of the {file} file of '{name}' is needed, and has not been loaded")));
            }
        }
        Ok(())
    }
}
