//! Into a folder: samples by many threads, lines in the order of their index, each after its pictures are on the disk.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender};
use manifests::{
    LogWriter,
    dataset::{DATASET_FILE, Sample, SampleFile},
};

use super::{Repeats, encoded};
use crate::{
    dataset::Lines,
    error::Error,
    mixer::{MixedSample, Mixer},
    progress::Progress,
    recipe,
};

/// Goes through what an earlier run finished; gives the index after it. Pictures that are gone or empty, as after a
/// loss of power, are made again: they must come out as their line says.
pub(super) fn recheck(mixer: &Mixer, out: &Path, log: &Path, first: u64) -> Result<(u64, Repeats), Error> {
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
pub(super) struct Job<'a> {
    pub(super) mixer: &'a Mixer,
    pub(super) out: &'a Path,
    pub(super) log: &'a Path,
    pub(super) range: Range<u64>,
    pub(super) threads: usize,
}

impl Job<'_> {
    /// Mixes every sample of the range, or until `stop`; gives the index after the last line. Workers take indices in
    /// order; lines are written in order.
    pub(super) fn run(&self, progress: &Progress, stop: &AtomicBool) -> Result<(u64, Repeats), Error> {
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
    let (line, pictures) = encoded(sample)?;
    for (path, bytes) in &pictures {
        let file = path.under(out);
        let folder = file.parent().unwrap_or(out);
        // Always the same temporary name: what a killed build leaves, the next one replaces.
        let unfinished = folder.join(format!(".writing-{}", file.file_name().unwrap_or_default().display()));
        std::fs::write(&unfinished, bytes).and_then(|()| std::fs::rename(&unfinished, &file)).map_err(|e| {
            // Best effort: on a full disk the torn file is all that can be given back.
            let _ = std::fs::remove_file(&unfinished);
            Error::io(&file, "write")(e)
        })?;
    }
    Ok(line)
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
pub(super) fn prepare(out: &Path, opened: &recipe::Opened) -> Result<(), Error> {
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
