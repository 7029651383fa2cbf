//! Reads a built data set: its header, and its lines one after another.

mod origin;
mod same;

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use manifests::dataset::{DATASET_FILE, Dataset, SAMPLES_FILE, Sample, SampleFile, Split};

use crate::error::Error;
pub use origin::Moved;
pub(crate) use origin::Origin;
pub(crate) use same::{difference, same_or_write};

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

/// The files of a sample by the names of their layers.
pub(crate) fn files(sample: &Sample) -> impl Iterator<Item = (&'static str, &SampleFile)> {
    let Sample { mixture, background, reflection, background_unscaled, reflection_unscaled, .. } = sample;
    let scaled = [("mixture", mixture), ("background", background), ("reflection", reflection)];
    let unscaled = [("background-unscaled", background_unscaled), ("reflection-unscaled", reflection_unscaled)];
    scaled.into_iter().chain(unscaled.into_iter().filter_map(|(layer, file)| Some((layer, file.as_ref()?))))
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
    /// Background and reflection before weights and optics, where the data set has them.
    pub unscaled: Option<[PathBuf; 2]>,
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
        let unscaled = sample.background_unscaled.as_ref().zip(sample.reflection_unscaled.as_ref());
        Self {
            unscaled: unscaled.map(|(b, r)| [b.path.under(dir), r.path.under(dir)]),
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
