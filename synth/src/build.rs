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

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender};
use manifests::{
    Digest, LogWriter, RelPath,
    dataset::{DATASET_FILE, Sample, SampleFile},
};
use serde::Serialize;

use crate::{
    dataset::{Lines, Origin, same_or_write},
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
    /// The data set's folder: new, empty, or one that the same recipe began.
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
    let out = &options.out;
    prepare(out, &opened)?;
    let _lock = Lock::of(out, options.shard)?;
    let threads = options.threads.unwrap_or(0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|e| Error::BadInput(format!("--threads: cannot start {threads} threads ({e})")))?;

    let mixer = pool.install(|| Mixer::read(&opened, out, options.cache.as_deref(), progress, stop))?;
    same_or_write(out, mixer.dataset())?;
    Origin::write(out, &opened.root)?;
    for split in mixer.splits() {
        let folder = out.join(split.to_string());
        std::fs::create_dir_all(&folder).map_err(Error::io(&folder, "create"))?;
    }
    let (range, log) = (options.shard.range(mixer.len()), out.join(options.shard.log_name()));
    let (first, mut repeats) = recheck(&mixer, out, &log, range.start)?;
    progress.begin("mixing", range.end.saturating_sub(first));
    let job = Job { mixer: &mixer, out, log: &log, range: first..range.end, threads: pool.current_num_threads() };
    let outcome = job.run(progress, stop);
    progress.end();
    let done = outcome.map(|(written, more)| {
        repeats.add(more);
        written
    })?;
    if done < range.end {
        return Err(Error::Stopped { done: done - range.start, total: range.end - range.start });
    }
    Ok(Summary {
        out: out.clone(),
        samples: range.end - range.start,
        resumed: first - range.start,
        backgrounds: mixer.dataset().backgrounds.len(),
        reflections: mixer.dataset().reflections.len(),
        redrawn: repeats.redrawn,
        rejected: repeats.rejected,
        notes: mixer.notes().to_vec(),
        seconds: begun.elapsed().as_secs_f64(),
    })
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

/// Goes through what an earlier run finished; gives the index after it. Pictures that are gone or empty, as after a
/// loss of power, are made again: they must come out as their line says.
fn recheck(mixer: &Mixer, out: &Path, log: &Path, first: u64) -> Result<(u64, Repeats), Error> {
    let (mut next, mut repeats) = (first, Repeats::default());
    for sample in Lines::open(log, first)?.into_iter().flatten() {
        let sample = sample?;
        let whole = |file: &SampleFile| file.path.under(out).metadata().is_ok_and(|m| m.len() > 0);
        let more = [&sample.background_unscaled, &sample.reflection_unscaled];
        let files = [&sample.mixture, &sample.background, &sample.reflection];
        let all = files.into_iter().chain(more.into_iter().flatten()).all(whole);
        if !all && write_sample(out, &mixer.sample(sample.index)?)? != sample {
            let message = format!("{}: sample {} made again is not the one listed", log.display(), sample.index);
            return Err(Error::Damaged(message));
        }
        repeats.add(Repeats::of(&sample));
        next = sample.index + 1;
    }
    Ok((next, repeats))
}

/// Samples to mix, and where to.
struct Job<'a> {
    mixer: &'a Mixer,
    out: &'a Path,
    log: &'a Path,
    range: Range<u64>,
    threads: usize,
}

impl Job<'_> {
    /// Mixes every sample of the range, or until `stop`; gives the index after the last line. Workers take indices in
    /// order; lines are written in order.
    fn run(&self, progress: &Progress, stop: &AtomicBool) -> Result<(u64, Repeats), Error> {
        let log = Log::open(self.out, self.log, self.range.start)?;
        let (next, failed) = (AtomicU64::new(self.range.start), AtomicBool::new(false));
        // A line is small beside its pictures: waiting for the disk holds nobody up until it is thousands behind.
        let (send, receive) = crossbeam_channel::bounded(4096);
        let work = |send: Sender<Sample>| -> Result<(), Error> {
            while !stop.load(Ordering::Relaxed) && !failed.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= self.range.end {
                    break;
                }
                let sample = write_sample(self.out, &self.mixer.sample(index)?)?;
                progress.step(1);
                if send.send(sample).is_err() {
                    break;
                }
            }
            Ok(())
        };
        let ended = |outcome: Result<(), Error>| outcome.inspect_err(|_| failed.store(true, Ordering::Relaxed));
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| log.run(receive).inspect_err(|_| failed.store(true, Ordering::Relaxed)));
            let worker = |send| scope.spawn(|| ended(work(send)));
            let workers: Vec<_> = (0..self.threads).map(|_| worker(send.clone())).collect();
            drop(send);
            // The others finish what they are at; the first cause is what the user is told.
            let outcome = workers.into_iter().try_for_each(|worker| joined(worker.join()));
            let written = joined(writer.join());
            outcome.and(written)
        })
    }
}

/// What a thread came to; a panic goes on here.
fn joined<T>(result: std::thread::Result<T>) -> T {
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Writes the pictures of a sample under their names, each whole or not at all.
fn write_sample(out: &Path, sample: &MixedSample) -> Result<Sample, Error> {
    let write = |layer: &str, picture: &Rgb8| -> Result<SampleFile, Error> {
        let name = format!("{:06}.{layer}.png", sample.index);
        let text = format!("{}/{name}", sample.split);
        let file = out.join(&text);
        let bytes = encode::png(picture).map_err(|e| Error::io(&file, "encode")(std::io::Error::other(e)))?;
        // Always the same temporary name: what a killed build leaves, the next one replaces.
        let unfinished = out.join(sample.split.to_string()).join(format!(".writing-{name}"));
        std::fs::write(&unfinished, &bytes).and_then(|()| std::fs::rename(&unfinished, &file)).map_err(|e| {
            // Best effort: on a full disk the torn file is all that can be given back.
            let _ = std::fs::remove_file(&unfinished);
            Error::io(&file, "write")(e)
        })?;
        let path: RelPath = text.parse().map_err(Error::BadInput)?;
        Ok(SampleFile { path, blake3: Digest::of(&bytes) })
    };
    let unscaled = |i: usize, layer: &str| sample.unscaled.as_ref().map(|u| write(layer, &u[i])).transpose();
    Ok(Sample {
        index: sample.index,
        split: sample.split,
        drawn: sample.drawn.clone(),
        size: sample.mixture.size(),
        mixture: write("mixture", &sample.mixture)?,
        background: write("background", &sample.background)?,
        reflection: write("reflection", &sample.reflection)?,
        background_unscaled: unscaled(0, "background-unscaled")?,
        reflection_unscaled: unscaled(1, "reflection-unscaled")?,
        clipped: sample.clipped,
        quality: Some(sample.quality),
        redrawn: sample.redrawn,
        rejected: sample.rejected,
    })
}

/// Puts lines in the order of their index and on the disk, a group at a time, on a thread of its own: mixing goes on while
/// the disk writes.
struct Log {
    writer: LogWriter<Sample>,
    folder: std::fs::File,
    out: PathBuf,
    /// Made, but an earlier one is not.
    early: BTreeMap<u64, Sample>,
    ready: Vec<Sample>,
    written: u64,
    repeats: Repeats,
}

impl Log {
    fn open(out: &Path, log: &Path, written: u64) -> Result<Self, Error> {
        let writer = LogWriter::open(log)?;
        let folder = std::fs::File::open(out).map_err(Error::io(out, "open"))?;
        let (early, ready) = (BTreeMap::new(), Vec::new());
        Ok(Self { writer, folder, out: out.to_path_buf(), early, ready, written, repeats: Repeats::default() })
    }

    /// Lines that wait for each other share a sync of the disk.
    const LINES: usize = 256;
    const WAIT: Duration = Duration::from_secs(5);

    /// Writes what comes until nothing more does; gives the index after the last line.
    fn run(mut self, made: Receiver<Sample>) -> Result<(u64, Repeats), Error> {
        let mut flushed = Instant::now();
        for sample in made {
            self.early.insert(sample.index, sample);
            while let Some(next) = self.early.remove(&(self.written + self.ready.len() as u64)) {
                self.ready.push(next);
            }
            if self.ready.len() >= Self::LINES || flushed.elapsed() >= Self::WAIT {
                self.flush()?;
                flushed = Instant::now();
            }
        }
        self.flush()?;
        Ok((self.written, self.repeats))
    }

    /// Syncs the pictures, then appends their lines.
    fn flush(&mut self) -> Result<(), Error> {
        if !self.ready.is_empty() {
            rustix::fs::syncfs(&self.folder).map_err(|e| Error::io(&self.out, "sync")(e.into()))?;
            self.writer.append_all(&self.ready)?;
            self.ready.iter().for_each(|sample| self.repeats.add(Repeats::of(sample)));
            self.written += self.ready.len() as u64;
            self.ready.clear();
        }
        Ok(())
    }
}

/// Makes the folder, or sees to it that it is a data set's, and that no source would read what is written.
fn prepare(out: &Path, opened: &recipe::Opened) -> Result<(), Error> {
    std::fs::create_dir_all(out).map_err(Error::io(out, "create"))?;
    let real = out.canonicalize().map_err(Error::io(out, "open"))?;
    for layer in [recipe::Layer::Background, recipe::Layer::Reflection] {
        for (i, source) in opened.sources(layer).iter().enumerate() {
            if source.session.is_none()
                && source.tar.is_none()
                && source.list.is_none()
                && let Ok(folder) = recipe::place(source, &opened.root).canonicalize()
                && real.starts_with(&folder)
            {
                let message =
                    format!("--out {} lies inside this folder, so samples would be read as photographs", out.display());
                return Err(opened.refuse(layer, i, message));
            }
        }
    }
    if out.join(DATASET_FILE).exists() {
        return Ok(());
    }
    let entries = std::fs::read_dir(out).map_err(Error::io(out, "list"))?;
    for entry in entries {
        let name = entry.map_err(Error::io(out, "list"))?.file_name();
        if !name.as_encoded_bytes().starts_with(b".writing-") {
            let name = name.display();
            let message = format!(
                "{}: holds other files ({name}) and no {DATASET_FILE}; name a new or an empty folder",
                out.display()
            );
            return Err(Error::BadInput(message));
        }
    }
    Ok(())
}
