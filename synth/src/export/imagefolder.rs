//! Hugging Face ImageFolder: a folder a split, and in each a `metadata.jsonl` whose keys that end in `_file_name` become
//! image columns, the others columns of numbers (datasets 5).

use std::path::Path;

use serde::Serialize;

use super::{copy, splits};
use crate::{dataset::DatasetReader, error::Error, progress::Progress};

#[derive(Serialize)]
struct Row {
    mixture_file_name: String,
    background_file_name: String,
    reflection_file_name: String,
    index: u64,
    alpha: f64,
    beta: f64,
    blur_sigma: f64,
    clipped: f64,
}

pub(super) fn write(reader: &DatasetReader, out: &Path, progress: &Progress) -> Result<(), Error> {
    for (split, samples) in splits(reader) {
        let folder = out.join(split.to_string());
        let mut lines = Vec::new();
        for i in samples {
            let (paths, sample) = (reader.paths(i), &reader.samples[i]);
            let name = |layer: &str| format!("{layer}/{:06}.png", sample.index);
            let row = Row {
                mixture_file_name: name("mixture"),
                background_file_name: name("background"),
                reflection_file_name: name("reflection"),
                index: sample.index,
                alpha: sample.drawn.alpha,
                beta: sample.drawn.beta,
                blur_sigma: sample.drawn.blur_sigma,
                clipped: sample.clipped,
            };
            copy(&paths.mixture, &folder.join(&row.mixture_file_name))?;
            copy(&paths.background, &folder.join(&row.background_file_name))?;
            copy(&paths.reflection, &folder.join(&row.reflection_file_name))?;
            let line = serde_json::to_string(&row).map_err(|e| Error::io(&folder, "describe")(e.into()))?;
            lines.push(line + "\n");
            progress.step(1);
        }
        let file = folder.join("metadata.jsonl");
        std::fs::write(&file, lines.concat()).map_err(Error::io(&file, "write"))?;
    }
    Ok(())
}
