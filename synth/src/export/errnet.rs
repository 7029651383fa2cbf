//! `SPLIT/blended/`, `transmission_layer/`, `reflection_layer/` with equal names: what ERRNet, DSRNet and XReflection read.

use std::path::Path;

use super::{copy, splits};
use crate::{dataset::DatasetReader, error::Error, progress::Progress};

pub(super) fn write(reader: &DatasetReader, out: &Path, progress: &Progress) -> Result<(), Error> {
    for (split, samples) in splits(reader) {
        let folder = out.join(split.to_string());
        for i in samples {
            let (paths, name) = (reader.paths(i), format!("{:06}.png", reader.samples[i].index));
            copy(&paths.mixture, &folder.join("blended").join(&name))?;
            copy(&paths.background, &folder.join("transmission_layer").join(&name))?;
            copy(&paths.reflection, &folder.join("reflection_layer").join(&name))?;
            progress.step(1);
        }
    }
    Ok(())
}
