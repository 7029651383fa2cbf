//! A run's folder: configuration, environment, metrics, checkpoints and sample pictures, all whole at every moment.

use std::{
    fs,
    path::{Path, PathBuf},
};

use candle_core::Device;
use image::RgbImage;
use manifests::{
    LogWriter,
    run::{METRICS_FILE, RUN_FILE, Record, Run},
};
use serde_json::{Value, json};

use super::{
    lock::Lock,
    tensorboard::{EVENTS_FILE, Events},
    trainer::Trainer,
};
use crate::{
    Error,
    checkpoint::{BEST, CHECKPOINTS, Checkpoint, Header, LAST},
    data,
};

/// Folder of sample pictures in a run's folder.
pub const SAMPLES: &str = "samples";
/// Folder of batches whose loss was not a number in a run's folder.
pub const BAD_BATCHES: &str = "bad-batches";
/// Steps whose bad batches are kept at most.
const MOST_BAD_BATCHES: usize = 20;
/// Before the step in the name of a checkpoint among the best.
const KEPT: &str = "step-";
/// File of program, machine and command in a run's folder.
pub const ENVIRONMENT_FILE: &str = "environment.json";

/// An open run's folder.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    metrics: Option<LogWriter<Record>>,
    events: Option<Events>,
    _lock: Lock,
}

impl RunFolder {
    /// Creates the folder, or opens one that holds the same run.
    ///
    /// # Errors
    /// A folder that holds something else or another run, or that another fit writes; with `resume`, one that holds none.
    pub fn open(root: &Path, run: &Run, resume: bool) -> Result<Self, Error> {
        let file = root.join(RUN_FILE);
        if resume && !file.is_file() {
            return Err(Error::input_at(root, "holds no run to resume"));
        }
        fs::create_dir_all(root).map_err(Error::io(root, "create"))?;
        let lock = Lock::of(root)?;
        if file.is_file() {
            let there: Run = manifests::read_yaml(&file)?;
            if let Some(difference) = difference(&there, run) {
                let message =
                    format!("holds another run ({difference}): give another --out, or the same configuration");
                return Err(Error::input_at(root, message));
            }
        } else {
            // A fit that was killed at its very beginning may have left a file that it was writing.
            let entries = fs::read_dir(root).map_err(Error::io(root, "read"))?;
            if entries.flatten().any(|entry| !unfinished(&entry.path())) {
                return Err(Error::input_at(root, "is not empty and holds no run: give a new folder to --out"));
            }
            manifests::write_yaml(&file, run)?;
        }
        for folder in [CHECKPOINTS, SAMPLES] {
            let folder = root.join(folder);
            fs::create_dir_all(&folder).map_err(Error::io(&folder, "create"))?;
        }
        let folder = Self { root: root.to_path_buf(), metrics: None, events: None, _lock: lock };
        folder.sweep()?;
        Ok(folder)
    }

    /// Removes files that a killed fit was writing: at full width each would take the room of a checkpoint.
    fn sweep(&self) -> Result<(), Error> {
        for folder in [self.root.clone(), self.root.join(CHECKPOINTS), self.root.join(SAMPLES)] {
            for entry in fs::read_dir(&folder).map_err(Error::io(&folder, "read"))? {
                let path = entry.map_err(Error::io(&folder, "read"))?.path();
                if unfinished(&path) {
                    fs::remove_file(&path).map_err(Error::io(&path, "remove"))?;
                }
            }
        }
        Ok(())
    }

    /// The checkpoint to resume from.
    pub fn last(&self) -> PathBuf {
        self.root.join(CHECKPOINTS).join(LAST)
    }

    /// The checkpoint with the best validation.
    pub fn best(&self) -> PathBuf {
        self.root.join(CHECKPOINTS).join(BEST)
    }

    /// The checkpoint of a validation among the best.
    pub(super) fn kept(&self, step: u64) -> PathBuf {
        self.root.join(CHECKPOINTS).join(format!("{KEPT}{step:07}.safetensors"))
    }

    /// Removes the checkpoints of validations that are no longer among the best.
    ///
    /// # Errors
    /// What the disk answers.
    pub(super) fn prune(&self, header: &Header) -> Result<(), Error> {
        let folder = self.root.join(CHECKPOINTS);
        let kept: Vec<PathBuf> = header.kept.iter().map(|(step, _)| self.kept(*step)).collect();
        for entry in fs::read_dir(&folder).map_err(Error::io(&folder, "read"))? {
            let path = entry.map_err(Error::io(&folder, "read"))?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(KEPT)) && !kept.contains(&path) {
                fs::remove_file(&path).map_err(Error::io(&path, "remove"))?;
            }
        }
        Ok(())
    }

    /// Where the batch of a step is kept whose loss was not a number.
    pub(super) fn bad_batch(&self, step: u64) -> PathBuf {
        self.root.join(BAD_BATCHES).join(format!("step-{step:07}"))
    }

    /// Removes all but the last bad batches.
    ///
    /// # Errors
    /// What the disk answers.
    pub(super) fn prune_bad_batches(&self) -> Result<(), Error> {
        let folder = self.root.join(BAD_BATCHES);
        let entries = fs::read_dir(&folder).map_err(Error::io(&folder, "read"))?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
        let mut paths = paths.map_err(Error::io(&folder, "read"))?;
        paths.sort();
        for path in &paths[..paths.len().saturating_sub(MOST_BAD_BATCHES)] {
            fs::remove_dir_all(path).map_err(Error::io(path, "remove"))?;
        }
        Ok(())
    }

    /// Puts a trainer where the last checkpoint was written, cuts off what the metrics say of later steps, and
    /// returns the checkpoint's header; none where there is no checkpoint yet.
    ///
    /// # Errors
    /// A checkpoint that does not fit the run.
    pub(super) fn restore(&mut self, trainer: &mut Trainer) -> Result<Option<Header>, Error> {
        let path = self.last();
        let header = if path.is_file() {
            let checkpoint = Checkpoint::read(&path)?;
            trainer.restore(&checkpoint, &path)?;
            Some(checkpoint.header)
        } else {
            None
        };
        let metrics = self.root.join(METRICS_FILE);
        let rows: Vec<Record> = manifests::read_log(&metrics)?.rows;
        // A validation that is due has no record yet: one that is there was followed by a kill before it was saved.
        let due = header.as_ref().is_some_and(|header| header.validation_due);
        let is_kept = |r: &Record| r.step < trainer.step || r.step == trainer.step && !(due && r.validation.is_some());
        let kept = rows.iter().take_while(|r| header.is_some() && is_kept(r)).count();
        if kept < rows.len() {
            let lines: Result<String, _> = rows[..kept].iter().map(|r| Ok(serde_json::to_string(r)? + "\n")).collect();
            let lines = lines.map_err(|e: serde_json::Error| Error::Failed(e.to_string()))?;
            manifests::write_atomic(&metrics, lines.as_bytes())?;
        }
        self.metrics = Some(LogWriter::open(&metrics)?);
        let pictures = self.samples(trainer.step.saturating_sub(u64::from(due)))?;
        self.events = Some(Events::create(self.root.join(EVENTS_FILE), &rows[..kept], &pictures)?);
        Ok(header)
    }

    /// The sample pictures up to a step, in order.
    fn samples(&self, last: u64) -> Result<Vec<(u64, PathBuf)>, Error> {
        let folder = self.root.join(SAMPLES);
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder).map_err(Error::io(&folder, "read"))? {
            let path = entry.map_err(Error::io(&folder, "read"))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let step = name.strip_prefix("step-").and_then(|name| name.strip_suffix(".png")?.parse().ok());
            found.extend(step.filter(|step| *step <= last).map(|step| (step, path)));
        }
        found.sort();
        Ok(found)
    }

    /// Appends a record to the metrics and to TensorBoard's events.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn record(&mut self, record: &Record) -> Result<(), Error> {
        if let Some(metrics) = &mut self.metrics {
            metrics.append(record)?;
        }
        if let Some(events) = &mut self.events {
            events.record(record)?;
        }
        Ok(())
    }

    /// Writes a validation's sample picture.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn sample(&mut self, step: u64, picture: &RgbImage) -> Result<(), Error> {
        let path = self.root.join(SAMPLES).join(format!("step-{step:07}.png"));
        data::save_png(&path, picture)?;
        self.events.as_mut().map_or(Ok(()), |events| events.picture(step, &path))
    }

    /// Writes which program ran where and with which command.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn environment(&self, device: &Device, command: &[String]) -> Result<(), Error> {
        let document = json!({
            "program": concat!("train ", env!("CARGO_PKG_VERSION")),
            "command": command,
            "device": format!("{:?}", device.location()),
            "threads": std::thread::available_parallelism().map_or(1, usize::from),
            "os": std::env::consts::OS,
            "architecture": std::env::consts::ARCH,
        });
        let text = format!("{document:#}\n");
        Ok(manifests::write_atomic(&self.root.join(ENVIRONMENT_FILE), text.as_bytes())?)
    }
}

/// Whether a file is one that was being written.
fn unfinished(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(manifests::io::UNFINISHED))
}

/// The first key in which two runs differ, with both values.
fn difference(there: &Run, here: &Run) -> Option<String> {
    fn walk(path: &str, a: &Value, b: &Value) -> Option<String> {
        match (a, b) {
            (Value::Object(a), Value::Object(b)) => {
                let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
                keys.into_iter().find_map(|key| {
                    let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(&below, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null))
                })
            }
            _ => (a != b).then(|| format!("{path} is {a} there and {b} here")),
        }
    }
    let value = |run: &Run| serde_json::to_value(run).unwrap_or_default();
    walk("", &value(there), &value(here))
}
