//! Recipe in, samples and manifest out.
//!
//! ```text
//! DIR/dataset.yaml                       the recipe in effect and every source by hash
//! DIR/samples.jsonl                      a line a sample, in order of index; shards keep a log each
//! DIR/train/000123.mixture.png           I
//! DIR/train/000123.background.png        alpha B
//! DIR/train/000123.reflection.png        beta R
//! DIR/origin.yaml                        where the sources lay on this machine; not part of the data set
//! ```
//!
//! A sample's files are complete, under their names and on the disk before its line is written, so
//! whenever a build ends, the manifest holds whole samples only; the same command goes on after them.

mod folder;
mod objects;

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Instant,
};

use manifests::{
    Digest, RelPath,
    dataset::{Sample, SampleFile},
};
use serde::Serialize;

pub use objects::fetch;

use crate::{
    dataset::{Origin, same_or_write},
    encode,
    error::Error,
    lock::Lock,
    mixer::{MixedSample, Mixer},
    pixels::Rgb8,
    progress::Progress,
    recipe::{self, Overrides},
    shard::Shard,
};

/// What to build, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The recipe file.
    pub recipe: PathBuf,
    /// What the command line replaces in it.
    pub overrides: Overrides,
    /// The data set's folder: new, empty, or one that the same recipe began. Or the place of an object store: `s3://bucket/prefix`,
    /// `file:///folder`.
    pub out: PathBuf,
    /// The part of the data set to make.
    pub shard: Shard,
    /// A folder that keeps reduced photographs between builds, if any: a photograph that is in it is not decoded.
    pub cache: Option<PathBuf>,
    /// Threads; by default one a core. Their number changes no byte.
    pub threads: Option<usize>,
}

/// What a build came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The data set's folder.
    pub out: PathBuf,
    /// Samples in this shard's log: all of the data set's, unless it was built in shards.
    pub samples: u64,
    /// Samples that were there before.
    pub resumed: u64,
    /// Background photographs used.
    pub backgrounds: usize,
    /// Reflection photographs used.
    pub reflections: usize,
    /// Draws of all these samples that were repeated because of the recipe's limits.
    pub redrawn: u64,
    /// Pairs of photographs that were rejected because of them.
    pub rejected: u64,
    /// What the user should know: photographs left out and why, and the like.
    pub notes: Vec<String>,
    /// Seconds, reading included.
    pub seconds: f64,
}

/// Builds a data set, or goes on with one.
///
/// # Errors
/// Anything that keeps it from being whole; [`Error::Stopped`] once `stop` is set. What was finished stays valid.
pub fn build(options: &Options, progress: &Progress, stop: &AtomicBool) -> Result<Summary, Error> {
    let begun = Instant::now();
    let opened = recipe::open(&options.recipe, &options.overrides)?;
    let threads = options.threads.unwrap_or(0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| Error::BadInput(format!("--threads: cannot start {threads} threads ({e})")))?;

    let read =
        |scratch: &Path| pool.install(|| Mixer::read(&opened, scratch, options.cache.as_deref(), progress, stop));
    let (mixer, made) = match objects::Place::of(&options.out)? {
        Some(place) => {
            let mixer = read(&std::env::temp_dir())?;
            let made = objects::build(&mixer, &place, options.shard, &pool, progress, stop)?;
            (mixer, made)
        }
        None => {
            folder::prepare(&options.out, &opened)?;
            let _lock = Lock::of(&options.out, options.shard)?;
            let mixer = read(&options.out)?;
            let made = into_folder(&mixer, options, &opened, pool.current_num_threads(), progress, stop)?;
            (mixer, made)
        }
    };
    let Made { range, resumed, done, repeats } = made;
    if done < range.end {
        return Err(Error::Stopped { done: done - range.start, total: range.end - range.start });
    }
    Ok(Summary {
        out: options.out.clone(),
        samples: range.end - range.start,
        resumed,
        backgrounds: mixer.dataset().backgrounds.len(),
        reflections: mixer.dataset().reflections.len(),
        redrawn: repeats.redrawn,
        rejected: repeats.rejected,
        notes: mixer.notes().to_vec(),
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// What came of a build.
struct Made {
    /// The samples of its shard.
    range: Range<u64>,
    /// How many of them were there before.
    resumed: u64,
    /// The index after the last one that is in the manifest.
    done: u64,
    repeats: Repeats,
}

fn into_folder(
    mixer: &Mixer,
    options: &Options,
    opened: &recipe::Opened,
    threads: usize,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Made, Error> {
    let out = &options.out;
    same_or_write(out, mixer.dataset())?;
    Origin::write(out, &opened.root)?;
    let folders = folder::Folders::create(out, mixer)?;
    let (range, log) = (options.shard.range(mixer.len()), out.join(options.shard.log_name()));
    let (first, mut repeats) = folder::recheck(mixer, &folders, &log, range.clone(), stop)?;
    progress.begin("mixing", range.end.saturating_sub(first));
    let job = folder::Job { mixer, folders: &folders, log: &log, range: first..range.end, threads };
    let outcome = job.run(progress, stop);
    progress.end();
    let (done, more) = outcome?;
    repeats.add(more);
    Ok(Made { resumed: first - range.start, range, done, repeats })
}

/// What limits cost.
#[derive(Debug, Clone, Copy, Default)]
struct Repeats {
    redrawn: u64,
    rejected: u64,
}

impl Repeats {
    fn add(&mut self, more: Self) {
        self.redrawn += more.redrawn;
        self.rejected += more.rejected;
    }

    fn of(sample: &Sample) -> Self {
        Self { redrawn: sample.redrawn.into(), rejected: sample.rejected.into() }
    }
}

/// The line of a sample. Its pictures are put one after another, each as a PNG (that `png` holds until the next one) under
/// the path that the line names.
fn encoded(
    sample: &MixedSample,
    png: &mut Vec<u8>,
    mut put: impl FnMut(&RelPath, &[u8]) -> Result<(), Error>,
) -> Result<Sample, Error> {
    let mut add = |layer: &str, picture: &Rgb8| -> Result<SampleFile, Error> {
        let text = format!("{}/{:06}.{layer}.png", sample.split, sample.index);
        encode::png_into(picture, png).map_err(|e| Error::Damaged(format!("{text}: cannot be encoded ({e})")))?;
        let path: RelPath = text.parse().map_err(Error::BadInput)?;
        let blake3 = Digest::of(png);
        put(&path, png)?;
        Ok(SampleFile { path, blake3 })
    };
    let mixture = add("mixture", &sample.mixture)?;
    let background = add("background", &sample.background)?;
    let reflection = add("reflection", &sample.reflection)?;
    let [behind, before] = match &sample.unscaled {
        None => [None, None],
        Some([b, r]) => [Some(add("background-unscaled", b)?), Some(add("reflection-unscaled", r)?)],
    };
    Ok(Sample {
        index: sample.index,
        split: sample.split,
        drawn: sample.drawn.clone(),
        size: sample.mixture.size(),
        mixture,
        background,
        reflection,
        background_unscaled: behind,
        reflection_unscaled: before,
        clipped: sample.clipped,
        quality: Some(sample.quality),
        redrawn: sample.redrawn,
        rejected: sample.rejected,
    })
}
