//! What was about to be shot, what was on the card before, and what is stored.
//!
//! `shots.jsonl` has a line for each photograph that is stored, hashed and verified. `intents.jsonl` is written before
//! each exposure, so that a program killed at any moment finds out on its next start whether the photograph was taken:
//! a file on the card that was not there before belongs to the shot in doubt, and is fetched instead of shot again.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use manifests::{
    Error, LogWriter, read_log,
    session::{SHOTS_FILE, Settings, Shot},
};
use serde::{Deserialize, Serialize};

use crate::{camera::CardFile, clock};

/// File name of the log of intents in a session's folder.
pub(crate) const INTENTS_FILE: &str = "intents.jsonl";

/// A line of `intents.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Entry {
    /// What was on the card when nothing was in doubt, and how many shots were recorded by then.
    Card { recorded: usize, files: Vec<String> },
    /// The shutter is about to open.
    Shoot(Intent),
}

/// A shot that is about to be taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Intent {
    /// The shot's key.
    pub(crate) key: String,
    /// When, seconds since 1970, UTC.
    pub(crate) at: u64,
    /// What the body was set to.
    pub(crate) read_back: Settings,
}

/// The journal of a session.
#[derive(Debug)]
pub(crate) struct Journal {
    shots: LogWriter<Shot>,
    intents: LogWriter<Entry>,
    done: HashSet<String>,
    /// The last intent, unless the card was looked at since.
    last: Option<Intent>,
    /// Files on the card that belong to recorded shots or to nobody.
    known: HashSet<String>,
}

impl Journal {
    /// Opens or creates the journal in a session's folder; a line torn by a crash is cut off.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a line that is no journal's, [`Error::Io`].
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        let (shots_path, intents_path) = paths(folder);
        let shots = read_log::<Shot>(&shots_path)?.rows;
        let intents = read_log::<Entry>(&intents_path)?.rows;
        let mut known = HashSet::new();
        let mut since = 0;
        for entry in &intents {
            if let Entry::Card { recorded, files } = entry {
                known = files.iter().cloned().collect();
                since = *recorded;
            }
        }
        known.extend(shots.iter().skip(since).flat_map(|s| s.files.iter().map(|f| mark(&f.camera_name, f.bytes))));
        let last = intents.into_iter().last().and_then(|e| match e {
            Entry::Shoot(intent) => Some(intent),
            Entry::Card { .. } => None,
        });
        Ok(Self {
            shots: LogWriter::open(&shots_path)?,
            intents: LogWriter::open(&intents_path)?,
            done: shots.into_iter().map(|s| s.key).collect(),
            last,
            known,
        })
    }

    /// Whether a shot is stored.
    pub(crate) fn is_done(&self, key: &str) -> bool {
        self.done.contains(key)
    }

    /// How many shots are stored.
    pub(crate) fn done(&self) -> usize {
        self.done.len()
    }

    /// The shot that was begun and not recorded: it may be on the card.
    pub(crate) fn in_doubt(&self) -> Option<&Intent> {
        self.last.as_ref().filter(|i| !self.is_done(&i.key))
    }

    /// The files that came to the card since the journal last knew it, photographs of one release together, oldest first.
    pub(crate) fn fresh(&self, card: &[CardFile]) -> Vec<Vec<CardFile>> {
        let mut files: Vec<CardFile> =
            card.iter().filter(|f| !self.known.contains(&mark(&f.path(), f.bytes))).cloned().collect();
        files.sort_by(|a, b| (a.stem(), &a.name).cmp(&(b.stem(), &b.name)));
        files.chunk_by(|a, b| a.stem() == b.stem()).map(<[_]>::to_vec).collect()
    }

    /// Records what is on the card: nothing on it belongs to a shot in doubt, or the doubt is given up.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn card(&mut self, card: &[CardFile]) -> Result<(), Error> {
        let files: Vec<String> = card.iter().map(|f| mark(&f.path(), f.bytes)).collect();
        if self.in_doubt().is_none() && files.iter().all(|f| self.known.contains(f)) {
            return Ok(());
        }
        self.known = files.iter().cloned().collect();
        self.last = None;
        self.intents.append(&Entry::Card { recorded: self.done.len(), files })
    }

    /// Records that a shot is about to be taken; it is on the disk when this returns.
    ///
    /// # Errors
    /// [`Error::Io`]: the shutter must not open then.
    pub(crate) fn intend(&mut self, key: &str, read_back: Settings) -> Result<(), Error> {
        let intent = Intent { key: key.into(), at: clock::unix_seconds(), read_back };
        self.intents.append(&Entry::Shoot(intent.clone()))?;
        self.last = Some(intent);
        Ok(())
    }

    /// Records a shot that is stored and verified.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn record(&mut self, shot: &Shot) -> Result<(), Error> {
        self.shots.append(shot)?;
        self.known.extend(shot.files.iter().map(|f| mark(&f.camera_name, f.bytes)));
        self.done.insert(shot.key.clone());
        Ok(())
    }
}

/// Keys of the shots that a session has.
///
/// # Errors
/// As [`Journal::open`].
pub(crate) fn stored(folder: &Path) -> Result<HashSet<String>, Error> {
    Ok(read_log::<Shot>(&folder.join(SHOTS_FILE))?.rows.into_iter().map(|s| s.key).collect())
}

fn paths(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join(SHOTS_FILE), folder.join(INTENTS_FILE))
}

/// A file on the card by path and length: a card formatted in between may use a name again.
fn mark(path: &str, bytes: u64) -> String {
    format!("{path} {bytes}")
}

#[cfg(test)]
mod tests;
