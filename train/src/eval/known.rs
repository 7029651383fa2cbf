//! Pictures whose background is known, wherever they come from.

use std::path::Path;

use manifests::dataset::Split;

use super::{
    aperture,
    find::{Pictures, Triplet, find},
};
use crate::{
    Error,
    data::{Layers, Samples},
    metrics::{Profile, Region},
};

/// Pictures whose background is known.
#[derive(Debug)]
pub(crate) enum Known {
    /// Files of a data set or a folder.
    Files(Vec<Triplet>),
    /// Samples of a run's data, which may be mixed when they are asked for.
    Samples(Samples, Split),
}

impl Known {
    /// The pairs of a folder, or of a split where it is a built data set.
    ///
    /// # Errors
    /// A folder without pairs.
    pub(crate) fn at(root: &Path, split: Split) -> Result<Self, Error> {
        Ok(Self::Files(find(root, split)?))
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Files(triplets) => triplets.len(),
            Self::Samples(samples, _) => samples.len(),
        }
    }

    /// Name, subset and, where it is known, aperture of picture `i`.
    pub(crate) fn place(&self, i: usize) -> (String, String, Option<String>) {
        match self {
            Self::Files(triplets) => {
                let Triplet { name, subset, aperture, .. } = &triplets[i];
                (name.clone(), subset.clone(), aperture.clone())
            }
            Self::Samples(samples, _) => {
                (samples.name(i), samples.set(i).to_owned(), samples.f_number(i).map(aperture::nearest_stop))
            }
        }
    }

    /// Pictures at the size at which a profile scores them; `level` as in [`Triplet::read`].
    ///
    /// # Errors
    /// Pictures that cannot be read or have different sizes.
    pub(crate) fn read(&self, i: usize, profile: Profile, level: Option<f64>) -> Result<Pictures, Error> {
        match self {
            Self::Files(triplets) => triplets[i].read(profile, level),
            Self::Samples(samples, _) => {
                let Layers { mixture, background, reflection, .. } = samples.read(i)?;
                let [mixture, background, reflection] = [mixture, background, reflection].map(|p| profile.resize(&p));
                let region = level.map(|level| Region::of_reflection(&reflection, level));
                Ok(Pictures { mixture, background, reflection: Some(reflection), region })
            }
        }
    }

    /// A word for the pictures, as in `scores on 500 pictures of DATA`.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Files(triplets) => format!("{} pictures", triplets.len()),
            Self::Samples(samples, split) => format!("{} {split} samples", samples.len()),
        }
    }
}
