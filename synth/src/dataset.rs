//! Reads a built data set; also decides whether a build may go on in a folder.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use manifests::{
    Digest, Manifest,
    dataset::{DATASET_FILE, Dataset, SAMPLES_FILE, Sample, SourceImage, Split},
    recipe::Recipe,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A built data set: header and lines, no pixels.
#[derive(Debug, Clone)]
pub struct DatasetReader {
    /// Its folder.
    pub dir: PathBuf,
    /// Recipe and sources.
    pub dataset: Dataset,
    /// Every sample, `samples[i].index == i`.
    pub samples: Vec<Sample>,
}

/// A sample's three pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The mixture I.
    pub mixture: PathBuf,
    /// The background in it, alpha B.
    pub background: PathBuf,
    /// The reflection in it, beta R.
    pub reflection: PathBuf,
}

/// Opens a data set's folder, lines and all.
///
/// # Errors
/// A folder without a data set, one that is not finished, or a line that cannot be read.
pub fn open(dir: &Path) -> Result<DatasetReader, Error> {
    let dataset = header(dir)?;
    let samples = lines(dir, &dataset)?.collect::<Result<_, _>>()?;
    Ok(DatasetReader { dir: dir.to_path_buf(), dataset, samples })
}

/// The lines of a finished data set, one after another: their number takes no memory. What is not finished ends with an
/// error.
pub(crate) fn lines(
    dir: &Path,
    dataset: &Dataset,
) -> Result<impl Iterator<Item = Result<Sample, Error>> + use<>, Error> {
    let (dir, asked) = (dir.to_path_buf(), dataset.recipe.count);
    let mut lines = Lines::open(&dir.join(SAMPLES_FILE), 0)?;
    let mut over = false;
    Ok(std::iter::from_fn(move || {
        if over {
            return None;
        }
        let next = lines.as_mut().and_then(Lines::next);
        over = !matches!(next, Some(Ok(_)));
        let found = lines.as_ref().map_or(0, |lines| lines.next);
        if next.is_none() && found != asked {
            let message = format!(
                "{}: holds {found} of {asked} samples; run the `synth build` that began it again, or, built in shards, \
                 join their logs: cat samples.*-of-*.jsonl > {SAMPLES_FILE}",
                dir.display()
            );
            return Some(Err(Error::BadInput(message)));
        }
        next
    }))
}

/// The line of sample `index` of a finished data set; the ones before it are passed over unread.
pub(crate) fn line(dir: &Path, index: u64) -> Result<Sample, Error> {
    let path = dir.join(SAMPLES_FILE);
    let file = File::open(&path).map_err(Error::io(&path, "read"))?;
    let (mut reader, mut count, mut line) = (BufReader::new(file), 0, Vec::new());
    loop {
        line.clear();
        reader.read_until(b'\n', &mut line).map_err(Error::io(&path, "read"))?;
        let Some(text) = line.strip_suffix(b"\n") else {
            let message = format!("{}: has no sample {index}; it holds {count}, counted from 0", dir.display());
            return Err(Error::BadInput(message));
        };
        if count == index {
            return numbered(text, &path, index, count as usize + 1);
        }
        count += 1;
    }
}

/// The header alone.
pub(crate) fn header(dir: &Path) -> Result<Dataset, Error> {
    let file = dir.join(DATASET_FILE);
    if !file.exists() {
        return Err(Error::BadInput(format!("{}: no data set here: there is no {DATASET_FILE}", dir.display())));
    }
    Ok(manifests::read_yaml(&file)?)
}

impl Paths {
    /// Those of a sample of the data set in `dir`.
    pub(crate) fn of(sample: &Sample, dir: &Path) -> Self {
        Self {
            mixture: sample.mixture.path.under(dir),
            background: sample.background.path.under(dir),
            reflection: sample.reflection.path.under(dir),
        }
    }
}

impl DatasetReader {
    /// The pictures of sample `i`.
    pub fn paths(&self, i: usize) -> Paths {
        Paths::of(&self.samples[i], &self.dir)
    }

    /// The indices of a split's samples, ascending.
    pub fn split(&self, split: Split) -> Vec<usize> {
        (0..self.samples.len()).filter(|i| self.samples[*i].split == split).collect()
    }
}

/// The whole lines of a log, which must be those of samples `first`, `first + 1`, ... A last line without its newline was
/// torn by a crash and is no line.
pub(crate) struct Lines {
    reader: BufReader<File>,
    path: PathBuf,
    line: Vec<u8>,
    first: u64,
    /// The index after the last line that was read.
    pub(crate) next: u64,
}

impl Lines {
    /// None where there is no log.
    pub(crate) fn open(path: &Path, first: u64) -> Result<Option<Self>, Error> {
        match File::open(path) {
            Ok(file) => {
                let (reader, path) = (BufReader::new(file), path.to_path_buf());
                Ok(Some(Self { reader, path, line: Vec::new(), first, next: first }))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io(path, "read")(e)),
        }
    }
}

impl Iterator for Lines {
    type Item = Result<Sample, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line.clear();
        if let Err(e) = self.reader.read_until(b'\n', &mut self.line) {
            return Some(Err(Error::io(&self.path, "read")(e)));
        }
        let text = self.line.strip_suffix(b"\n")?;
        let sample = numbered(text, &self.path, self.next, (self.next - self.first) as usize + 1);
        self.next += 1;
        Some(sample)
    }
}

/// Parses a line that must be that of sample `index`.
pub(crate) fn numbered(text: &[u8], path: &Path, index: u64, number: usize) -> Result<Sample, Error> {
    let sample: Sample = manifests::log::parse_line(text, path, number)?;
    if sample.index != index {
        let message = format!("{}:{number}: has index {} instead of {index}", path.display(), sample.index);
        return Err(Error::Damaged(format!("{message}; the file was edited or merged out of order")));
    }
    Ok(sample)
}

/// Writes the header into a new folder; in one that has a header, refuses to go on with anything else.
pub(crate) fn same_or_write(dir: &Path, dataset: &Dataset) -> Result<(), Error> {
    let file = dir.join(DATASET_FILE);
    if !file.exists() {
        return Ok(manifests::write_yaml(&file, dataset)?);
    }
    match difference(&header(dir)?, dataset) {
        Some(difference) => Err(Error::OtherDataset { dir: dir.to_path_buf(), difference }),
        None => Ok(()),
    }
}

/// The first thing in which two headers differ, in words. Where the sources lie is no difference: their bytes count.
pub(crate) fn difference(there: &Dataset, now: &Dataset) -> Option<String> {
    if there.arithmetic != now.arithmetic {
        return Some(format!(
            "the data set here was mixed with arithmetic {}, this program has {}",
            there.arithmetic, now.arithmetic
        ));
    }
    let placeless = |recipe: &Recipe| {
        let mut recipe = recipe.clone();
        for source in recipe.sources.backgrounds.iter_mut().chain(&mut recipe.sources.reflections) {
            for place in [&mut source.folder, &mut source.glob, &mut source.tar, &mut source.list, &mut source.session]
            {
                *place = place.as_ref().map(|_| "-".into());
            }
        }
        serde_json::to_value(recipe).unwrap_or_default()
    };
    if let Some(key) = first_key(&placeless(&there.recipe), &placeless(&now.recipe), String::new()) {
        return Some(format!("the data set here has another `{key}` in its recipe"));
    }
    let layers =
        [("background", &there.backgrounds, &now.backgrounds), ("reflection", &there.reflections, &now.reflections)];
    // A source that came or went changes the splits of others: it is told first.
    layers.iter().find_map(|(layer, a, b)| other_files(a, b).map(|which| format!("the {layer} {which}"))).or_else(
        || {
            (layers[0].1 != layers[0].2 || layers[1].1 != layers[1].2)
                .then(|| "its sources are described differently".into())
        },
    )
}

/// The path of the first key whose values differ.
fn first_key(a: &serde_json::Value, b: &serde_json::Value, at: String) -> Option<String> {
    use serde_json::Value::{Array, Object};
    match (a, b) {
        _ if a == b => None,
        (Object(x), Object(y)) => {
            x.keys().chain(y.keys().filter(|k| !x.contains_key(*k))).find(|k| x.get(*k) != y.get(*k)).and_then(|k| {
                let path = if at.is_empty() { k.clone() } else { format!("{at}.{k}") };
                let null = serde_json::Value::Null;
                first_key(x.get(k).unwrap_or(&null), y.get(k).unwrap_or(&null), path)
            })
        }
        (Array(x), Array(y)) if x.len() == y.len() => {
            (0..x.len()).find_map(|i| first_key(&x[i], &y[i], format!("{at}[{i}]")))
        }
        _ => Some(at),
    }
}

/// The first source that is in one list only or has other bytes, as the end of a sentence.
fn other_files(there: &[SourceImage], now: &[SourceImage]) -> Option<String> {
    let by_name = |list: &[SourceImage]| -> BTreeMap<(u32, String), Digest> {
        list.iter().map(|s| ((s.source, s.path.clone()), s.blake3)).collect()
    };
    let (old, new) = (by_name(there), by_name(now));
    let other = |(name, digest): (&(u32, String), &Digest)| match new.get(name) {
        None => Some(format!("{} is in the data set here and no longer among the sources", name.1)),
        Some(now) if now != digest => Some(format!("{} has changed since the data set here was begun", name.1)),
        Some(_) => None,
    };
    old.iter().find_map(other).or_else(|| {
        let come = new.keys().find(|name| !old.contains_key(*name))?;
        Some(format!("{} is among the sources and not in the data set here", come.1))
    })
}

/// `origin.yaml`: where a data set's sources lay on the machine that built it. Not part of the data set: no sample
/// depends on it, it may be deleted, and `--sources` takes its place.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Origin {
    version: u32,
    /// The recipe's folder, where relative paths of sources start.
    root: String,
}

impl Manifest for Origin {
    const KIND: &'static str = "origin";
    const VERSION: u32 = 1;
}

const ORIGIN_FILE: &str = "origin.yaml";

impl Origin {
    pub(crate) fn write(dir: &Path, root: &Path) -> Result<(), Error> {
        let full = root.canonicalize().map_err(Error::io(root, "resolve"))?;
        let origin = Self { version: 1, root: full.to_string_lossy().into_owned() };
        Ok(manifests::write_yaml(&dir.join(ORIGIN_FILE), &origin)?)
    }

    /// Where relative paths of sources start: `given`, or what the build noted.
    pub(crate) fn root(dir: &Path, given: Option<&Path>) -> Result<PathBuf, Error> {
        match given {
            Some(root) => Ok(root.to_path_buf()),
            None => Ok(manifests::read_yaml::<Self>(&dir.join(ORIGIN_FILE))?.root.into()),
        }
    }
}
