//! Hugging Face ImageFolder: a folder a split, and in each a `metadata.jsonl` whose keys that end in `_file_name` become
//! image columns, the others columns of numbers (datasets 5).

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use manifests::dataset::{Sample, Split};
use serde::Serialize;

use super::{Pictures, Writer, write};
use crate::error::Error;

/// A line of `metadata.jsonl`.
#[derive(Serialize)]
struct Row {
    mixture_file_name: String,
    background_file_name: String,
    reflection_file_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    background_unscaled_file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reflection_unscaled_file_name: Option<String>,
    index: u64,
    alpha: f64,
    beta: f64,
    blur_sigma: f64,
    clipped: f64,
}

/// The file of a split's rows.
pub(super) const METADATA: &str = "metadata.jsonl";

/// Copies pictures and writes a row for each sample.
pub(super) struct ImageFolder {
    out: PathBuf,
    rows: BTreeMap<Split, (PathBuf, BufWriter<File>)>,
}

impl ImageFolder {
    pub(super) fn new(out: &Path) -> Self {
        Self { out: out.to_path_buf(), rows: BTreeMap::new() }
    }
}

impl Writer for ImageFolder {
    fn add(&mut self, sample: &Sample, pictures: &Pictures) -> Result<(), Error> {
        let folder = self.out.join(sample.split.to_string());
        let name = |layer: &str| format!("{layer}/{:06}.png", sample.index);
        let unscaled = |layer| pictures.contains_key(layer).then(|| name(layer));
        let row = Row {
            mixture_file_name: name("mixture"),
            background_file_name: name("background"),
            reflection_file_name: name("reflection"),
            background_unscaled_file_name: unscaled("background-unscaled"),
            reflection_unscaled_file_name: unscaled("reflection-unscaled"),
            index: sample.index,
            alpha: sample.drawn.alpha,
            beta: sample.drawn.beta,
            blur_sigma: sample.drawn.blur_sigma,
            clipped: sample.clipped,
        };
        pictures.iter().try_for_each(|(layer, bytes)| write(bytes, &folder.join(name(layer))))?;
        let (path, file) = match self.rows.entry(sample.split) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(new) => {
                let path = folder.join(METADATA);
                let file = File::create(&path).map_err(Error::io(&path, "create"))?;
                new.insert((path, BufWriter::new(file)))
            }
        };
        serde_json::to_writer(&mut *file, &row)
            .map_err(std::io::Error::from)
            .and_then(|()| file.write_all(b"\n"))
            .map_err(Error::io(path, "write"))
    }

    fn finish(self: Box<Self>) -> Result<(), Error> {
        self.rows.into_values().try_for_each(|(path, mut file)| file.flush().map_err(Error::io(&path, "write")))
    }
}
