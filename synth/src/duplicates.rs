//! Near-duplicates among sources: copies in another size, compression or brightness escape a hash of the file, and on
//! both sides of a split they make scores look better than they are.

mod pictures;

use std::{collections::BTreeMap, ops::Range, path::Path};

use manifests::{Digest, dataset::DATASET_FILE};
use rayon::prelude::*;
use serde::Serialize;

use crate::{
    dataset::Moved, decode, error::Error, mix::Model, pixels::Rgb8, progress::Progress, read::reduce, reduce::resize,
};

/// What is compared of a picture: a 64-bit difference hash (Krawetz, 2013: is each of 9 x 8 grey values darker than the
/// next?) finds candidates, 16 x 16 grey values decide.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fingerprint {
    hash: u64,
    grey: Vec<u8>,
}

/// Rows and columns of a fingerprint's grey values.
const GREY: usize = 16;

/// Bits in which the hashes of candidates differ at most.
const MAX_BITS: u32 = 8;
/// Mean difference in levels up to which two pictures are the same one. SIR2's hidden duplicates differ by less than 1.
const MAX_LEVELS: f64 = 3.0;
/// Correlation of the grey values from which two pictures are the same one. A few levels' difference says nothing of mostly black
/// ones, as reflections before black paper are: two lamps at different places are 2 levels apart, and do not correlate.
const LEAST_CORRELATION: f64 = 0.95;
/// Pictures with a smaller standard deviation, in levels, are too plain to be told apart: they resemble nothing.
const LEAST_CONTRAST: f64 = 6.0;

impl Fingerprint {
    /// The fingerprint of a picture of any size; none where it is too plain.
    pub(crate) fn of(picture: &Rgb8) -> Result<Option<Self>, String> {
        let grey_at = |height, width| -> Result<Vec<u8>, String> {
            let small = resize(picture, height, width)?;
            let luma =
                |p: &[u8]| ((299 * u32::from(p[0]) + 587 * u32::from(p[1]) + 114 * u32::from(p[2])) / 1000) as u8;
            Ok(small.data.chunks_exact(3).map(luma).collect())
        };
        let grey = grey_at(GREY, GREY)?;
        let count = (GREY * GREY) as f64;
        let mean = grey.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
        let variance = grey.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
        if variance.sqrt() < LEAST_CONTRAST {
            return Ok(None);
        }
        let rows = grey_at(8, 9)?;
        let bits = rows.chunks_exact(9).flat_map(|row| row.windows(2).map(|w| u64::from(w[0] < w[1])));
        Ok(Some(Self { hash: bits.fold(0, |hash, bit| hash << 1 | bit), grey }))
    }

    /// A fingerprint, or that there is none, as bytes: how many there are (one byte), the hash, the grey values.
    pub(crate) fn bytes(print: Option<&Self>) -> Vec<u8> {
        print.map_or(vec![0], |Self { hash, grey }| [&[1][..], &hash.to_le_bytes(), grey].concat())
    }

    /// What [`Self::bytes`] wrote, from the beginning of `bytes`, and the rest; nothing where something else stands there.
    pub(crate) fn take(bytes: &[u8]) -> Option<(Option<Self>, &[u8])> {
        match bytes.split_first()? {
            (0, rest) => Some((None, rest)),
            (1, rest) => {
                let (hash, rest) = rest.split_first_chunk()?;
                let (grey, rest) = rest.split_at_checked(GREY * GREY)?;
                Some((Some(Self { hash: u64::from_le_bytes(*hash), grey: grey.to_vec() }), rest))
            }
            _ => None,
        }
    }

    /// Mean difference in levels if both show the same picture.
    fn distance(&self, other: &Self) -> Option<f64> {
        if (self.hash ^ other.hash).count_ones() > MAX_BITS {
            return None;
        }
        let sum: u32 = self.grey.iter().zip(&other.grey).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        let mean = f64::from(sum) / self.grey.len() as f64;
        (mean <= MAX_LEVELS && self.correlation(other) >= LEAST_CORRELATION).then_some(mean)
    }

    /// Pearson's, of the grey values; neither picture is plain.
    fn correlation(&self, other: &Self) -> f64 {
        let mean = |grey: &[u8]| grey.iter().map(|v| f64::from(*v)).sum::<f64>() / grey.len() as f64;
        let (mean_a, mean_b) = (mean(&self.grey), mean(&other.grey));
        let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
        for (a, b) in self.grey.iter().zip(&other.grey) {
            let (a, b) = (f64::from(*a) - mean_a, f64::from(*b) - mean_b);
            (both, of_a, of_b) = (both + a * b, of_a + a * a, of_b + b * b);
        }
        both / (of_a * of_b).sqrt()
    }
}

/// Every pair of the same picture, one in `rows` and a later one, of those that are `asked` for: places in the list, the lower
/// first, and their mean difference in levels.
pub(crate) fn pairs_of(
    rows: Range<usize>,
    prints: &[Option<Fingerprint>],
    asked: impl Fn(usize, usize) -> bool + Sync,
) -> Vec<(usize, usize, f64)> {
    let asked = &asked;
    rows.into_par_iter()
        .flat_map_iter(|i| {
            let rest = prints[i].iter().flat_map(move |a| {
                let later = prints.iter().enumerate().skip(i + 1);
                let later = later.filter(move |(j, _)| asked(i, *j));
                later.filter_map(move |(j, b)| Some((i, j, a.distance(b.as_ref()?)?)))
            });
            rest.collect::<Vec<_>>()
        })
        .collect()
}

/// Pictures that are compared with all later ones at a time: of many copies of one there are as many pairs as their number
/// squared, and what was found of some need not be kept until all are compared.
pub(crate) const ROWS: usize = 256;
/// Leaks that are told in words.
const LISTED: usize = 1000;

/// What a check found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Pictures compared: the sources of a data set of `synth`, every picture of another one.
    pub sources: usize,
    /// How many pairs of one picture, or of one scene, lie on both sides of a split.
    pub leaking: u64,
    /// A sentence for each of the first thousand of them.
    pub leaks: Vec<String>,
}

/// Compares all sources of a built data set with each other; of a folder that someone else made, all pictures, each of its
/// folders being a split.
///
/// # Errors
/// A manifest or a picture that cannot be read, a folder without splits.
pub fn check(dir: &Path, moved: &Moved, progress: &Progress) -> Result<Report, Error> {
    let (all, recipe) = if dir.join(DATASET_FILE).exists() {
        let (all, recipe) = pictures::built(dir, moved)?;
        (all, Some((Model::of(&recipe), recipe)))
    } else {
        (pictures::found(dir)?, None)
    };
    progress.begin("comparing pictures", all.len() as u64);
    let print = |picture: &pictures::Picture| {
        let at = &picture.at;
        let bytes = at.read().map_err(Error::io(Path::new(&at.to_string()), "read"))?;
        let digest = Digest::of(&bytes);
        if picture.blake3.is_some_and(|built| built != digest) {
            return Err(Error::BadInput(format!("{at}: has changed since the data set was built")));
        }
        let print = match &recipe {
            // From the picture that the build compared, so that what passes one passes the other.
            Some((model, recipe)) => reduce(&bytes, recipe, model).map(|levels| levels.print),
            None => decode::decode_for(&bytes, |short, _| short >= 64).and_then(|d| Fingerprint::of(&d.picture)),
        };
        progress.step(1);
        let print = print.map_err(|clause| Error::BadInput(format!("{at}: {clause}")))?;
        Ok((digest, print))
    };
    let found: Vec<(Digest, Option<Fingerprint>)> = all.par_iter().map(print).collect::<Result<_, Error>>()?;
    progress.end();
    let (digests, prints): (Vec<Digest>, Vec<Option<Fingerprint>>) = found.into_iter().unzip();
    let name = |i: usize| format!("{} ({})", all[i].at, all[i].split);
    let across = |i: usize, j: usize| all[i].split != all[j].split;
    let mut report = Report { sources: all.len(), leaking: 0, leaks: Vec::new() };
    let mut leak = |i: usize, j: usize, what: &str| {
        report.leaking += 1;
        if report.leaks.len() < LISTED {
            report.leaks.push(format!("{} and {} {what}", name(i), name(j)));
        }
    };
    // Equal files first: of those that are too plain to be compared nothing else tells.
    let (mut of_digest, mut of_scene) = (BTreeMap::new(), BTreeMap::new());
    for (i, digest) in digests.iter().enumerate() {
        let first = *of_digest.entry(digest).or_insert(i);
        if across(first, i) {
            leak(first, i, "are the same file");
        }
    }
    for (i, scene) in all.iter().enumerate().filter_map(|(i, picture)| Some((i, picture.scene.as_ref()?))) {
        let first = *of_scene.entry(scene).or_insert(i);
        if across(first, i) {
            leak(first, i, "are of one scene");
        }
    }
    for start in (0..all.len()).step_by(ROWS) {
        let rows = start..all.len().min(start + ROWS);
        for (i, j, levels) in pairs_of(rows, &prints, |i, j| across(i, j) && digests[i] != digests[j]) {
            leak(i, j, &format!("show the same picture: {levels:.2} levels apart"));
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// A picture with large shapes, other ones for each `n`.
    fn picture(n: u32, height: usize, width: usize) -> Rgb8 {
        let value = |y: usize, x: usize| {
            let (v, u) = (y as f64 / height as f64, x as f64 / width as f64);
            let wave = |k: f64| (k * (u * f64::from(n % 7 + 2) + v * f64::from(n % 5 + 1)) + f64::from(n)).sin();
            (128.0 + 60.0 * wave(3.0) + 50.0 * wave(1.3)) as u8
        };
        let data = (0..height * width).flat_map(|i| [value(i / width, i % width); 3]).collect();
        Rgb8 { height, width, data }
    }

    #[test]
    fn copies_are_found_and_others_are_not() {
        let mut pictures: Vec<Rgb8> = (0..30).map(|n| picture(n, 96, 160)).collect();
        pictures.push(picture(4, 224, 288));
        let mut brighter = picture(9, 96, 160);
        brighter.data.iter_mut().for_each(|v| *v = v.saturating_add(2));
        pictures.push(brighter);
        pictures.push(Rgb8::black(96, 160));
        pictures.push(Rgb8::black(96, 160));
        let prints: Vec<_> = pictures.iter().map(|p| Fingerprint::of(p).unwrap()).collect();
        let found: Vec<_> =
            pairs_of(0..prints.len(), &prints, |_, _| true).into_iter().map(|(i, j, _)| (i, j)).collect();
        assert_eq!(found, [(4, 30), (9, 31)]);
        assert_eq!(pairs_of(0..prints.len(), &prints, |_, j| j == 31).len(), 1);
    }

    /// Reflections before black paper: dark but for a lamp, wherever it is.
    #[test]
    fn dark_pictures_are_told_apart_by_what_shines() {
        let lamp = |row: usize, column: usize, brightness: u8| {
            let mut picture = Rgb8::black(96, 160);
            for y in row..row + 12 {
                picture.data[(y * 160 + column) * 3..][..20 * 3].fill(brightness);
            }
            picture
        };
        let pictures = [lamp(10, 10, 250), lamp(10, 80, 250), lamp(60, 40, 250), lamp(10, 10, 240)];
        let prints: Vec<_> = pictures.iter().map(|p| Fingerprint::of(p).unwrap()).collect();
        assert!(prints.iter().all(Option::is_some), "too plain to show anything");
        let found: Vec<_> =
            pairs_of(0..prints.len(), &prints, |_, _| true).into_iter().map(|(i, j, _)| (i, j)).collect();
        assert_eq!(found, [(0, 3)]);
    }
}
