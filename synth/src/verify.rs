//! Whether a data set holds what its manifest says, byte for byte and pixel for pixel.

use std::path::Path;

use manifests::dataset::{Sample, SampleFile};
use rayon::prelude::*;
use serde::Serialize;

use crate::{
    dataset, decode,
    error::Error,
    mix::{Model, compressed},
    pixels::Rgb8,
    progress::Progress,
};

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Samples in the manifest.
    pub samples: u64,
    /// Samples with a fault.
    pub faulty: u64,
    /// A sentence for each of the first thousand of them; empty when all is well.
    pub faults: Vec<String>,
}

/// Checks every file's hash and size, that I = B + R wherever nothing clips (or what compression makes of that, where the
/// sample has some), and the recorded clipping.
///
/// # Errors
/// A manifest that cannot be read. Faults of samples are reported, not raised.
pub fn verify(dir: &Path, progress: &Progress) -> Result<Report, Error> {
    let dataset = dataset::header(dir)?;
    let mut lines = dataset::lines(dir, &dataset)?;
    let additive = Model::of(&dataset.recipe).is_additive();
    progress.begin("verifying", dataset.recipe.count);
    let check = |sample: &Sample| {
        let fault = check(dir, sample, additive).err();
        progress.step(1);
        fault.map(|f| format!("sample {}: {f}", sample.index))
    };
    let mut report = Report { samples: 0, faulty: 0, faults: Vec::new() };
    // In groups: in parallel, in order, and never more than one in memory.
    loop {
        let group = lines.by_ref().take(GROUP).collect::<Result<Vec<_>, _>>()?;
        if group.is_empty() {
            break;
        }
        let faults: Vec<String> = group.par_iter().filter_map(check).collect();
        report.samples += group.len() as u64;
        report.faulty += faults.len() as u64;
        report.faults.extend(faults.into_iter().take(LISTED - report.faults.len()));
    }
    progress.end();
    Ok(report)
}

/// Samples that are checked at a time.
const GROUP: usize = 1024;
/// Faults that are told in words.
const LISTED: usize = 1000;

fn check(dir: &Path, sample: &Sample, additive: bool) -> Result<(), String> {
    let read = |file: &SampleFile| -> Result<Rgb8, String> {
        let bytes = std::fs::read(file.path.under(dir)).map_err(|e| format!("{} cannot be read ({e})", file.path))?;
        if manifests::Digest::of(&bytes) != file.blake3 {
            return Err(format!("{} is not the file that was written: its hash differs", file.path));
        }
        let picture = decode::decode(&bytes).map_err(|e| format!("{} {e}", file.path))?;
        if picture.size() != sample.size {
            return Err(format!("{} is {} instead of {}", file.path, picture.size(), sample.size));
        }
        Ok(picture)
    };
    for file in sample.background_unscaled.iter().chain(&sample.reflection_unscaled) {
        read(file)?;
    }
    let (i, b, r) = (read(&sample.mixture)?, read(&sample.background)?, read(&sample.reflection)?);
    let over = b.data.iter().zip(&r.data).filter(|(b, r)| b.checked_add(**r).is_none()).count();
    let mut sum = b.clone();
    sum.data.iter_mut().zip(&r.data).for_each(|(sum, r)| *sum = sum.saturating_add(*r));
    if let Some(quality) = sample.drawn.jpeg_quality {
        if !(1..=100).contains(&quality) {
            return Err(format!("`jpeg_quality` is {quality}, which no recipe draws"));
        }
        sum = compressed(&sum, quality)?;
    }
    let differs = i.data.iter().zip(&sum.data).position(|(i, sum)| i != sum);
    if let Some(at) = differs {
        let (i, b, r) = (i.data[at], b.data[at], r.data[at]);
        return Err(format!("the mixture is {i} where background {b} and reflection {r} lie below it"));
    }
    let clipped = over as f64 / i.data.len() as f64;
    // A layer that reaches white may have been cut itself, and in light what is above white is cut off R: then more may have
    // clipped than shows.
    let shows = additive && ![&b, &r].iter().any(|layer| layer.data.contains(&255));
    let told = sample.clipped;
    if !(clipped..=1.0).contains(&told) || shows && told != clipped {
        return Err(format!("{clipped} of it is clipped, the manifest says {told}"));
    }
    Ok(())
}
