//! Statistics of pixels: of some of a data set's samples, and of real pairs that a user brings.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use manifests::{Size, dataset::DATASET_FILE};
use rayon::prelude::*;

use super::gradients::Histogram;
use crate::{
    dataset::{self, Paths},
    decode,
    error::Error,
    pixels::Rgb8,
    progress::Progress,
    reduce::{oriented, resize},
};

/// Layers, in the order of everything here.
pub(super) const LAYERS: [&str; 3] = ["mixture", "background", "reflection"];

/// What the folders of I, B and R are called: as `synth export errnet` writes them, or by their letters.
const FOLDERS: [[&str; 3]; 3] =
    [["blended", "I", "mixture"], ["transmission_layer", "B", "background"], ["reflection_layer", "R", "reflection"]];

/// The files of a pair; R may be missing.
pub(super) type Pair = [Option<PathBuf>; 3];

/// What was measured of pairs.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    pub(super) histograms: [Histogram; 3],
    /// Alpha and beta for which alpha B + beta R is nearest to I, of pairs that have all three.
    pub(super) weights: Vec<[f64; 2]>,
}

impl Measured {
    fn plus(mut self, other: Self) -> Self {
        let [i, b, r] = self.histograms;
        self.histograms = [i.plus(&other.histograms[0]), b.plus(&other.histograms[1]), r.plus(&other.histograms[2])];
        self.weights.extend(other.weights);
        self
    }
}

/// The pairs below a folder: samples of a data set of `synth`, or pictures with one name in folders of I, B and R.
pub(super) fn real(dir: &Path) -> Result<Vec<Pair>, Error> {
    if dir.join(DATASET_FILE).exists() {
        let dataset = dataset::header(dir)?;
        return dataset::lines(dir, &dataset)?.map(|sample| Ok(pair(Paths::of(&sample?, dir)))).collect();
    }
    let files = FOLDERS.map(|names| names.iter().map(|name| dir.join(name)).find(|folder| folder.is_dir()));
    let [Some(mixtures), Some(backgrounds), reflections] = files else {
        let message = "holds no real pairs: neither a data set nor folders blended/ and transmission_layer/ (or I/ and B/; \
                       with them reflection_layer/ or R/ where reflections are known)";
        return Err(Error::BadInput(format!("{}: {message}", dir.display())));
    };
    let behind = pictures(&backgrounds)?;
    let before = reflections.as_deref().map(pictures).transpose()?.unwrap_or_default();
    let pairs: Vec<Pair> = pictures(&mixtures)?
        .into_iter()
        .filter_map(|(name, mixture)| {
            Some([Some(mixture), Some(behind.get(&name)?.clone()), before.get(&name).cloned()])
        })
        .collect();
    if pairs.is_empty() {
        let message = format!("no picture here has one of its name in {}", backgrounds.display());
        return Err(Error::BadInput(format!("{}: {message}", mixtures.display())));
    }
    Ok(pairs)
}

/// A sample's pictures.
pub(super) fn pair(paths: Paths) -> Pair {
    [paths.mixture, paths.background, paths.reflection].map(Some)
}

/// The pictures of a folder by name without suffix.
fn pictures(folder: &Path) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder, "list"))? {
        let path = entry.map_err(Error::io(folder, "list"))?.path();
        let known = path.extension().is_some_and(|e| decode::SUFFIXES.iter().any(|k| e.eq_ignore_ascii_case(k)));
        if let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| known) {
            found.insert(stem.to_owned(), path);
        }
    }
    Ok(found)
}

/// Measures pairs in parallel, reduced to `size` as photographs are, where one is given: gradients depend on scale.
pub(super) fn measure(
    what: &'static str,
    pairs: &[Pair],
    size: Option<Size>,
    progress: &Progress,
) -> Result<Measured, Error> {
    progress.begin(what, pairs.len() as u64);
    let one = |files: &Pair| -> Result<Measured, Error> {
        let mut layers = [None, None, None];
        for (layer, file) in layers.iter_mut().zip(files) {
            *layer = file.as_deref().map(|file| picture(file, size)).transpose()?;
        }
        progress.step(1);
        let of = |layer: &Option<Rgb8>| layer.as_ref().map(Histogram::of).unwrap_or_default();
        let histograms = [of(&layers[0]), of(&layers[1]), of(&layers[2])];
        let weights = match &layers {
            [Some(i), Some(b), Some(r)] => weights(i, b, r).into_iter().collect(),
            _ => Vec::new(),
        };
        Ok(Measured { histograms, weights })
    };
    let all = pairs.par_iter().map(one).try_reduce(Measured::default, |a, b| Ok(a.plus(b)));
    progress.end();
    all
}

fn picture(file: &Path, size: Option<Size>) -> Result<Rgb8, Error> {
    let bytes = std::fs::read(file).map_err(Error::io(file, "read"))?;
    let told = |clause: String| Error::BadInput(format!("{}: {clause}", file.display()));
    let picture = decode::decode(&bytes).map_err(told)?;
    let Some(size) = size else { return Ok(picture) };
    let (height, width) = oriented(size, picture.height > picture.width);
    resize(&picture, height, width).map_err(told)
}

/// Least squares of I = alpha B + beta R over all subpixels below white; none where layers differ in size or are
/// proportional to each other.
fn weights(i: &Rgb8, b: &Rgb8, r: &Rgb8) -> Option<[f64; 2]> {
    if i.size() != b.size() || i.size() != r.size() {
        return None;
    }
    let (mut bb, mut br, mut rr, mut ib, mut ir) = (0u64, 0u64, 0u64, 0u64, 0u64);
    for ((i, b), r) in i.data.iter().zip(&b.data).zip(&r.data).filter(|((i, _), _)| **i < 255) {
        let [i, b, r] = [i, b, r].map(|v| u64::from(*v));
        (bb, br, rr, ib, ir) = (bb + b * b, br + b * r, rr + r * r, ib + i * b, ir + i * r);
    }
    let [bb, br, rr, ib, ir] = [bb, br, rr, ib, ir].map(|sum| sum as f64);
    let determinant = bb * rr - br * br;
    (determinant > 1e-6 * bb * rr).then(|| [(ib * rr - ir * br) / determinant, (ir * bb - ib * br) / determinant])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn weights_are_found_and_proportional_layers_have_none() {
        let layer = |k: usize| Rgb8 { height: 20, width: 30, data: (0..1800).map(|n| (n * k % 251) as u8).collect() };
        let (b, r) = (layer(7), layer(13));
        let sum = |(b, r): (&u8, &u8)| (f64::from(*b) * 0.6 + f64::from(*r) * 0.3).round() as u8;
        let i = Rgb8 { height: 20, width: 30, data: b.data.iter().zip(&r.data).map(sum).collect() };
        let [alpha, beta] = weights(&i, &b, &r).unwrap();
        assert!((alpha - 0.6).abs() < 0.002 && (beta - 0.3).abs() < 0.002, "{alpha} {beta}");
        assert!(weights(&i, &b, &b).is_none());
        assert!(weights(&i, &b, &Rgb8::black(30, 20)).is_none());
    }
}
