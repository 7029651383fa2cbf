//! Croissant.

use std::path::{Path, PathBuf};

use manifests::dataset::{Dataset, Sample};

use super::{Writer, imagefolder::ImageFolder};
use crate::{dataset::Paths, error::Error};

pub(super) struct Croissant {
    out: PathBuf,
    dataset: Dataset,
    folder: Box<ImageFolder>,
}

impl Croissant {
    pub(super) fn new(out: &Path, dataset: &Dataset) -> Self {
        Self { out: out.to_path_buf(), dataset: dataset.clone(), folder: Box::new(ImageFolder::new(out)) }
    }
}

impl Writer for Croissant {
    fn add(&mut self, sample: &Sample, paths: &Paths) -> Result<(), Error> {
        self.folder.add(sample, paths)
    }

    fn finish(self: Box<Self>) -> Result<(), Error> {
        self.folder.finish()
    }
}
