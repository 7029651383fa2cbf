//! `SPLIT/blended/`, `transmission_layer/`, `reflection_layer/` with equal names: what ERRNet, DSRNet and XReflection read.
//! The transmission layer is the background as the mixture holds it; there is no place for unscaled layers.

use std::path::{Path, PathBuf};

use manifests::dataset::Sample;

use super::{Pictures, Writer, write};
use crate::error::Error;

/// Copies into three folders a split.
pub(super) struct Errnet {
    out: PathBuf,
}

impl Errnet {
    pub(super) fn new(out: &Path) -> Self {
        Self { out: out.to_path_buf() }
    }
}

impl Writer for Errnet {
    fn add(&mut self, sample: &Sample, pictures: &Pictures) -> Result<(), Error> {
        let (folder, name) = (self.out.join(sample.split.to_string()), format!("{:06}.png", sample.index));
        let folders =
            [("mixture", "blended"), ("background", "transmission_layer"), ("reflection", "reflection_layer")];
        folders.iter().try_for_each(|(layer, theirs)| write(&pictures[layer], &folder.join(theirs).join(&name)))
    }

    fn finish(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}
