//! Data sets and photographs, and the only place where pixels become tensors.

mod loader;
mod order;
mod pixels;
mod samples;
mod walk;

use std::path::{Path, PathBuf};

use manifests::{
    dataset::{DATASET_FILE, Dataset, SAMPLES_FILE, Sample, Split},
    run::Data,
};

pub use loader::{Batch, Loader};
pub use order::Order;
pub use pixels::{Photograph, pad_to_multiple, read_rgb, save_png, save_png_with, to_picture, to_tensor, window};
pub use samples::{Layers, Samples, Sources};
pub(crate) use walk::{is_hidden, walk};

use crate::Error;

/// What a person means by a path to data: a file is a recipe, anything else a built data set's folder.
pub(crate) fn named(path: &Path) -> Data {
    let text = Some(path.display().to_string());
    if path.is_file() { Data { recipe: text, ..Data::default() } } else { Data { dataset: text, ..Data::default() } }
}

/// A built data set.
#[derive(Debug)]
pub struct DataSet {
    /// Its folder.
    pub root: PathBuf,
    /// Its header.
    pub header: Dataset,
    /// Its samples, in order.
    pub samples: Vec<Sample>,
}

impl DataSet {
    /// Whether a folder is a built data set.
    pub fn is_at(root: &Path) -> bool {
        root.join(DATASET_FILE).is_file()
    }

    /// Reads the header and the list of samples; the pictures stay on the disk.
    ///
    /// # Errors
    /// A folder without `dataset.yaml`, manifests that are not valid, a build that is not finished.
    pub fn open(root: &Path) -> Result<Self, Error> {
        if !root.is_dir() {
            return Err(Error::input_at(root, "there is no such folder: give a data set that `synth build` made"));
        }
        if !Self::is_at(root) {
            let message = format!("no {DATASET_FILE} here: give a data set that `synth build` made");
            return Err(Error::input_at(root, message));
        }
        let header: Dataset = manifests::read_yaml(&root.join(DATASET_FILE))?;
        let samples: Vec<Sample> = manifests::read_log(&root.join(SAMPLES_FILE))?.rows;
        let (found, asked) = (samples.len() as u64, header.recipe.count);
        if found != asked {
            let message = format!(
                "{SAMPLES_FILE} has {found} of {asked} samples: run the `synth build` that began it again, or, built in \
                 shards, join their logs"
            );
            return Err(Error::input_at(root, message));
        }
        Ok(Self { root: root.to_path_buf(), header, samples })
    }

    /// The samples of one split.
    ///
    /// # Errors
    /// When there is none.
    pub fn split(&self, split: Split) -> Result<Vec<Sample>, Error> {
        let samples: Vec<Sample> = self.samples.iter().filter(|s| s.split == split).cloned().collect();
        if samples.is_empty() {
            return Err(Error::input_at(&self.root, format!("the split `{split}` has no sample")));
        }
        Ok(samples)
    }
}
