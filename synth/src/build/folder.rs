//! Into a folder: samples by many threads, lines in the order of their index, each after its pictures are on the disk.

use std::{
    collections::BTreeMap,
    io::Write,
    ops::Range,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender};
use manifests::{
    LogWriter,
    dataset::{DATASET_FILE, Sample, SampleFile},
};
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};

use super::{Repeats, encoded};
use crate::{
    dataset::Lines,
    error::Error,
    mixer::{MixedSample, Mixer},
    pixels::Spare,
    progress::Progress,
    recipe,
    shard::is_shard_log,
    source::{Glob, split_pattern},
};

/// Goes through what an earlier run finished; gives the index after it. Pictures that are gone or empty, as after a
/// loss of power, are made again: they must come out as their line says.
pub(super) fn recheck(
    mixer: &Mixer,
    folders: &Folders<'_>,
    log: &Path,
    Range { start: first, end }: Range<u64>,
    stop: &AtomicBool,
) -> Result<(u64, Repeats), Error> {
    let (mut next, mut repeats) = (first, Repeats::default());
    for sample in Lines::open(log, first)?.into_iter().flatten() {
        let sample = sample?;
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        if sample.index >= end {
            let message = format!(
                "{}:{}: there are more lines than samples; remove it and build again",
                log.display(),
                next - first + 1
            );
            return Err(Error::Damaged(message));
        }
        let whole = |file: &SampleFile| file.path.under(folders.out).metadata().is_ok_and(|m| m.len() > 0);
        let more = [&sample.background_unscaled, &sample.reflection_unscaled];
        let files = [&sample.mixture, &sample.background, &sample.reflection];
        let all = files.into_iter().chain(more.into_iter().flatten()).all(whole);
        if !all && folders.write(&mixer.sample(sample.index)?, &mut Vec::new())? != sample {
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
    pub(super) folders: &'a Folders<'a>,
    pub(super) log: &'a Path,
    pub(super) range: Range<u64>,
    pub(super) threads: usize,
}

impl Job<'_> {
    /// Mixes every sample of the range, or until `stop`; gives the index after the last line. Workers take indices in
    /// order; lines are written in order.
    pub(super) fn run(&self, progress: &Progress, stop: &AtomicBool) -> Result<(u64, Repeats), Error> {
        let log = Log::open(self.folders.out, self.log, self.range.start)?;
        let (next, failed) = (AtomicU64::new(self.range.start), AtomicBool::new(false));
        // A line is small beside its pictures: waiting for the disk holds nobody up until it is thousands behind.
        let (send, receive) = crossbeam_channel::bounded(4096);
        let work = |send: Sender<Sample>| -> Result<(), Error> {
            let (mut spare, mut png) = (Spare::default(), Vec::new());
            while !stop.load(Ordering::Relaxed) && !failed.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= self.range.end {
                    break;
                }
                let sample = match self.mixer.sample_in(index, &mut spare, stop) {
                    Err(Error::Interrupted) => break,
                    sample => sample?,
                };
                let line = self.folders.write(&sample, &mut png)?;
                sample.leave(&mut spare);
                progress.step(1);
                if send.send(line).is_err() {
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

/// The folders of the splits, open: names in them are found without going down the path each time.
pub(super) struct Folders<'a> {
    out: &'a Path,
    open: [Option<OwnedFd>; 3],
}

impl<'a> Folders<'a> {
    /// Creates and opens the folders of the splits that have samples.
    pub(super) fn create(out: &'a Path, mixer: &Mixer) -> Result<Self, Error> {
        let mut open = [None, None, None];
        for split in mixer.splits() {
            let folder = out.join(split.to_string());
            std::fs::create_dir_all(&folder).map_err(Error::io(&folder, "create"))?;
            let opened = std::fs::File::open(&folder).map_err(Error::io(&folder, "open"))?;
            open[split as usize] = Some(opened.into());
        }
        Ok(Self { out, open })
    }

    /// Writes the pictures of a sample under their names, each whole or not at all; `png` is memory to encode them in.
    fn write(&self, sample: &MixedSample, png: &mut Vec<u8>) -> Result<Sample, Error> {
        encoded(sample, png, |path, bytes| {
            let told = |e| Error::io(&path.under(self.out), "write")(e);
            let folder = self.open[sample.split as usize].as_ref();
            let folder = folder.ok_or_else(|| told(std::io::ErrorKind::NotFound.into()))?;
            let name = path.as_str().rsplit('/').next().unwrap_or_default();
            // Always the same temporary name: what a killed build leaves, the next one replaces.
            let unfinished = format!(".writing-{name}");
            (|| -> std::io::Result<()> {
                let how = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
                let file = openat(folder, &unfinished, how, Mode::from_raw_mode(0o666))?;
                std::fs::File::from(file).write_all(bytes)?;
                Ok(renameat(folder, &unfinished, folder, name)?)
            })()
            .map_err(|e| {
                // Best effort: on a full disk the torn file is all that can be given back.
                let _ = unlinkat(folder, &unfinished, AtFlags::empty());
                told(e)
            })
        })
    }
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
    /// Between two looks at what was made: waking for every line costs more than the line.
    const PAUSE: Duration = Duration::from_millis(5);

    /// Writes what comes until nothing more does; gives the index after the last line.
    fn run(mut self, made: Receiver<Sample>) -> Result<(u64, Repeats), Error> {
        let mut flushed = Instant::now();
        while let Ok(first) = made.recv() {
            self.early.extend(std::iter::once(first).chain(made.try_iter()).map(|sample| (sample.index, sample)));
            while let Some(next) = self.early.remove(&(self.written + self.ready.len() as u64)) {
                self.ready.push(next);
            }
            if self.ready.len() >= Self::LINES || flushed.elapsed() >= Self::WAIT {
                self.flush()?;
                flushed = Instant::now();
            }
            std::thread::sleep(Self::PAUSE);
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

/// Where a folder is, or will be: what is there already of its path, without links, and the rest.
fn place_of(out: &Path) -> Result<PathBuf, Error> {
    let whole = std::path::absolute(out).map_err(Error::io(out, "resolve"))?;
    let there = whole.ancestors().find_map(|folder| Some((folder, folder.canonicalize().ok()?)));
    let Some((folder, real)) = there else { return Ok(whole) };
    // Joining nothing would end the path with a slash.
    let rest = whole.strip_prefix(folder).unwrap_or(Path::new(""));
    Ok(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
}

/// Whether a pattern of sources may fit samples `below` the folder that it starts in; where it is no pattern, that is told
/// elsewhere.
fn may_fit(glob: &str, below: &Path) -> bool {
    Glob::new(split_pattern(glob).1).is_ok_and(|glob| glob.enters(below) && glob.may_end_in(".png"))
}

/// Makes the folder, or sees to it that it is a data set's, and that no source would read what is written.
pub(super) fn prepare(out: &Path, opened: &recipe::Opened) -> Result<(), Error> {
    let real = place_of(out)?;
    for layer in [recipe::Layer::Background, recipe::Layer::Reflection] {
        for (i, source) in opened.sources(layer).iter().enumerate() {
            if source.session.is_none()
                && source.tar.is_none()
                && source.list.is_none()
                && let Ok(folder) = recipe::place(source, &opened.root).canonicalize()
                && let Ok(below) = real.strip_prefix(&folder)
                && source.glob.as_deref().is_none_or(|glob| may_fit(glob, below))
            {
                let message =
                    format!("--out {} lies inside this folder, so samples would be read as photographs", out.display());
                return Err(opened.refuse(layer, i, message));
            }
        }
    }
    std::fs::create_dir_all(out).map_err(Error::io(out, "create"))?;
    if out.join(DATASET_FILE).exists() {
        return Ok(());
    }
    let entries = std::fs::read_dir(out).map_err(Error::io(out, "list"))?;
    for entry in entries {
        let entry = entry.map_err(Error::io(out, "list"))?;
        let name = entry.file_name();
        let log = is_shard_log(name.as_encoded_bytes()) && entry.metadata().is_ok_and(|m| m.len() == 0);
        // What this program writes at first, and NFS's name of a scratch file that another shard has removed and reads still.
        let passing =
            [&b".writing-"[..], b".tmp", b".nfs"].iter().any(|start| name.as_encoded_bytes().starts_with(start));
        if !log && !passing {
            // Shards may begin at the same time: whatever they write comes after the data set's file, but for empty logs.
            if out.join(DATASET_FILE).exists() {
                return Ok(());
            }
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
