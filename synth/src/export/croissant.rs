//! Croissant 1.0 (mlcommons.org/croissant/1.0): the folders of [`super::imagefolder`] and a `croissant.json` that
//! describes them.
//!
//! A record set a split holds the numbers and file names, from `metadata.jsonl`; one a split and layer the pictures, by
//! file name. The file depends on the data set alone: it has no date and no address.

use std::{
    collections::BTreeSet,
    fmt::Write,
    io::BufRead,
    path::{Path, PathBuf},
};

use manifests::{
    dataset::{Dataset, Sample, Split},
    write_atomic,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    LAYERS, Pictures, Writer,
    imagefolder::{ImageFolder, METADATA},
};
use crate::{error::Error, mix::Model};

/// The context that the standard prescribes, word for word.
const CONTEXT: &str = include_str!("croissant_context.json");

/// What else a row of `metadata.jsonl` holds, with its types.
const NUMBERS: [(&str, &str); 5] = [
    ("index", "sc:Integer"),
    ("alpha", "sc:Float"),
    ("beta", "sc:Float"),
    ("blur_sigma", "sc:Float"),
    ("clipped", "sc:Float"),
];

/// Writes the folders, then what describes them.
pub(super) struct Croissant {
    out: PathBuf,
    dataset: Dataset,
    splits: BTreeSet<Split>,
    /// Those of [`LAYERS`] that the samples have.
    layers: Vec<&'static str>,
    folders: Box<ImageFolder>,
}

impl Croissant {
    pub(super) fn new(out: &Path, dataset: &Dataset) -> Self {
        let (out, folders) = (out.to_path_buf(), Box::new(ImageFolder::new(out)));
        Self { out, dataset: dataset.clone(), splits: BTreeSet::new(), layers: Vec::new(), folders }
    }

    /// The files of a split, and the record sets that are read from them.
    fn split(&self, split: Split) -> Result<(Vec<Value>, Vec<Value>), Error> {
        let path = self.out.join(split.to_string()).join(METADATA);
        let digest = sha256(&path).map_err(Error::io(&path, "read"))?;
        let metadata = format!("{split}-metadata");
        let mut files = vec![json!({
            "@type": "cr:FileObject", "@id": metadata, "name": metadata, "contentUrl": format!("{split}/{METADATA}"),
            "encodingFormat": "application/jsonlines", "sha256": digest,
        })];
        let column = |name: &str, kind: &str| {
            let source = json!({"fileObject": {"@id": metadata}, "extract": {"column": name}});
            field(&split.to_string(), name, kind, source)
        };
        let files_of = |layer: &&str| column(&format!("{}_file_name", layer.replace('-', "_")), "sc:Text");
        let numbers = NUMBERS.iter().map(|(name, kind)| column(name, kind));
        let columns: Vec<Value> = numbers.chain(self.layers.iter().map(files_of)).collect();
        let name = split.to_string();
        let mut sets = vec![json!({"@type": "cr:RecordSet", "@id": name, "name": name, "field": columns})];
        for layer in &self.layers {
            let (set, name) = (format!("{split}-{layer}-files"), format!("{split}-{layer}"));
            files.push(json!({
                "@type": "cr:FileSet", "@id": set, "name": set, "encodingFormat": "image/png",
                "includes": format!("{split}/{layer}/*.png"),
            }));
            let of = |property: &str| json!({"fileSet": {"@id": set}, "extract": {"fileProperty": property}});
            sets.push(json!({
                "@type": "cr:RecordSet", "@id": name, "name": name, "key": {"@id": format!("{name}/file_name")},
                "field": [
                    field(&name, "file_name", "sc:Text", of("filename")),
                    field(&name, "picture", "sc:ImageObject", of("content")),
                ],
            }));
        }
        Ok((files, sets))
    }

    fn description(&self) -> Result<Value, serde_json::Error> {
        let Dataset { recipe, backgrounds, reflections, .. } = &self.dataset;
        let sources = || backgrounds.iter().chain(reflections);
        let licences: BTreeSet<&str> = sources().map(|source| source.licence.as_str()).collect();
        let credits: BTreeSet<&str> = sources().filter_map(|source| source.credit.as_deref()).collect();
        let compressed = if Model::of(recipe).jpeg_quality.is_some() { " compressed as JPEG" } else { "" };
        let context: Value = serde_json::from_str(CONTEXT)?;
        Ok(json!({
            "@context": context,
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.0",
            "name": recipe.name,
            "version": "1.0.0",
            "description": format!(
                "{} mixtures of a background with a reflection, I = B + R{compressed}, and both layers, from {} backgrounds and {} \
                 reflections; seed {}, arithmetic {}.",
                recipe.count, backgrounds.len(), reflections.len(), recipe.seed, self.dataset.arithmetic
            ),
            "license": licences,
            "creator": credits.iter().map(|name| json!({"@type": "sc:Person", "name": name})).collect::<Vec<_>>(),
            "citeAs": "Wan et al., CoRRN: Cooperative Reflection Removal Network, IEEE TPAMI 2019",
        }))
    }
}

impl Writer for Croissant {
    fn add(&mut self, sample: &Sample, pictures: &Pictures) -> Result<(), Error> {
        self.splits.insert(sample.split);
        if self.layers.is_empty() {
            self.layers = LAYERS.into_iter().filter(|layer| pictures.contains_key(layer)).collect();
        }
        self.folders.add(sample, pictures)
    }

    fn finish(mut self: Box<Self>) -> Result<(), Error> {
        // The rows must be on the disk before they are hashed.
        let folders = std::mem::replace(&mut self.folders, Box::new(ImageFolder::new(&self.out)));
        folders.finish()?;
        let (mut files, mut sets) = (Vec::new(), Vec::new());
        for split in &self.splits {
            let (more_files, more_sets) = self.split(*split)?;
            files.extend(more_files);
            sets.extend(more_sets);
        }
        let path = self.out.join("croissant.json");
        let text = self.description().and_then(|mut description| {
            description["distribution"] = files.into();
            description["recordSet"] = sets.into();
            serde_json::to_string_pretty(&description)
        });
        let text = text.map_err(|e| Error::io(&path, "write")(e.into()))?;
        Ok(write_atomic(&path, text.as_bytes())?)
    }
}

fn field(set: &str, name: &str, kind: &str, source: Value) -> Value {
    json!({"@type": "cr:Field", "@id": format!("{set}/{name}"), "name": name, "dataType": kind, "source": source})
}

/// Of a file, a piece at a time: a row for each of a million samples is not to be in memory.
fn sha256(path: &Path) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    let mut file = std::io::BufReader::new(std::fs::File::open(path)?);
    loop {
        let piece = file.fill_buf()?;
        if piece.is_empty() {
            return Ok(hexadecimal(&hasher.finalize()));
        }
        hasher.update(piece);
        let length = piece.len();
        file.consume(length);
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
