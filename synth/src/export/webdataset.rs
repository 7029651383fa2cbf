//! WebDataset: `SPLIT-000000.tar`, ... of up to 1000 samples, each as `000123.mixture.png`, `.background.png`,
//! `.reflection.png` (and `.background-unscaled.png`, `.reflection-unscaled.png`, where the data set has them) and `.json`
//! (its line of the manifest), one after another.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use manifests::dataset::{Sample, Split};

use super::{LAYERS, Pictures, Writer};
use crate::{
    error::Error,
    ustar::{END, append},
};

/// Samples in a tar file.
const SAMPLES: u64 = 1000;

/// Writes a series of tar files a split.
pub(super) struct WebDataset {
    out: PathBuf,
    /// Each split's samples so far and the file of the next one.
    open: BTreeMap<Split, (u64, PathBuf, BufWriter<File>)>,
}

impl WebDataset {
    pub(super) fn new(out: &Path) -> Self {
        Self { out: out.to_path_buf(), open: BTreeMap::new() }
    }
}

impl Writer for WebDataset {
    fn add(&mut self, sample: &Sample, pictures: &Pictures) -> Result<(), Error> {
        let before = self.open.get(&sample.split).map_or(0, |(count, _, _)| *count);
        if before.is_multiple_of(SAMPLES) {
            let path = self.out.join(format!("{}-{:06}.tar", sample.split, before / SAMPLES));
            let file = BufWriter::new(File::create(&path).map_err(Error::io(&path, "create"))?);
            if let Some((_, full, tar)) = self.open.insert(sample.split, (before, path, file)) {
                end(tar).map_err(Error::io(&full, "write"))?;
            }
        }
        let Some((count, path, tar)) = self.open.get_mut(&sample.split) else { return Ok(()) };
        *count += 1;
        let told = |e| Error::io(path, "write")(e);
        for (layer, bytes) in LAYERS.iter().filter_map(|layer| pictures.get_key_value(layer)) {
            append(tar, &format!("{:06}.{layer}.png", sample.index), bytes).map_err(told)?;
        }
        let line = serde_json::to_vec(sample).map_err(|e| told(e.into()))?;
        append(tar, &format!("{:06}.json", sample.index), &line).map_err(told)
    }

    fn finish(self: Box<Self>) -> Result<(), Error> {
        self.open.into_values().try_for_each(|(_, path, tar)| end(tar).map_err(Error::io(&path, "write")))
    }
}

fn end(mut tar: BufWriter<File>) -> std::io::Result<()> {
    tar.write_all(&END)?;
    tar.flush()
}
