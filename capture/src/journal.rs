//! What was about to be shot, what was on the card before, and what is stored.
//!
//! `shots.jsonl` has a line for each photograph that is stored, hashed and verified, and `unplanned.jsonl` one for each
//! that someone took with the body's own button. `intents.jsonl` is written before
//! each exposure, so that a program killed at any moment finds out on its next start whether the photograph was taken:
//! a file on the card that was not there before, with the settings and of the time of the shot in doubt, is fetched instead
//! of shot again.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use manifests::{
    Error, LogWriter, read_log,
    session::{SHOTS_FILE, Settings, Shot, ShotFile, UNPLANNED_FILE, Unplanned},
};
use serde::{Deserialize, Serialize};

use crate::{camera::CardFile, clock, plan::Metered};

/// File name of the log of intents in a session's folder.
pub(crate) const INTENTS_FILE: &str = "intents.jsonl";

/// A line of `intents.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Entry {
    /// What was on the card when nothing was in doubt, and how many shots, and unplanned photographs, were recorded
    /// by then.
    Card {
        recorded: usize,
        #[serde(default)]
        unplanned: usize,
        files: Vec<String>,
    },
    /// Files on the card that are nobody's, or damaged.
    Ignored { files: Vec<String> },
    /// A setup was metered: its shots follow this exposure whenever they are taken.
    Metered { setup: String, exposure: Metered },
    /// The shutter is about to open for a trial photograph, which is nobody's.
    Trial(Trial),
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
    /// Seconds that the dates of the body's files were ahead of `at`, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dates_ahead: Option<i64>,
    /// What the body was set to.
    pub(crate) read_back: Settings,
}

/// A trial photograph that is about to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trial {
    /// What the body was set to.
    pub(crate) settings: Settings,
    /// As [`Intent::at`]; none in journals of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<u64>,
    /// As [`Intent::dates_ahead`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dates_ahead: Option<i64>,
}

/// The journal of a session.
#[derive(Debug)]
pub(crate) struct Journal {
    shots: LogWriter<Shot>,
    unplanned: LogWriter<Unplanned>,
    intents: LogWriter<Entry>,
    done: HashSet<String>,
    taken_in: usize,
    /// Key of the shot recorded last.
    latest: Option<String>,
    /// Whether the card was ever looked at: what is then new on it came during the session.
    begun: bool,
    /// Intents since the card was looked at whose shots are not recorded, oldest first. One or two, unless the end
    /// of `shots.jsonl` was lost.
    doubts: Vec<Intent>,
    /// Files on the card that belong to recorded shots or to nobody.
    known: HashSet<String>,
    /// What was metered, by setup.
    metered: HashMap<String, Metered>,
    /// A trial photograph that was begun and not looked at: it may be on the card.
    trial: Option<Trial>,
    /// Shots in doubt whose files are off the card and being checked.
    claimed: HashSet<String>,
}

impl Journal {
    /// Opens or creates the journal in a session's folder; a line torn by a crash is cut off.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a line that is no journal's, [`Error::Io`].
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        let [shots_path, unplanned_path, intents_path] = paths(folder);
        let shots = read_log::<Shot>(&shots_path)?.rows;
        let unplanned = read_log::<Unplanned>(&unplanned_path)?.rows;
        let intents = read_log::<Entry>(&intents_path)?.rows;
        let mut known = HashSet::new();
        let mut since = (0, 0);
        for entry in &intents {
            match entry {
                Entry::Card { recorded, unplanned, files } => {
                    known = files.iter().cloned().collect();
                    since = (*recorded, *unplanned);
                }
                Entry::Ignored { files } => known.extend(files.iter().cloned()),
                Entry::Metered { .. } | Entry::Trial(_) | Entry::Shoot(_) => {}
            }
        }
        known.extend(shots.iter().skip(since.0).flat_map(|s| s.files.iter().map(stored_mark)));
        known.extend(unplanned.iter().skip(since.1).flat_map(|u| u.files.iter().map(stored_mark)));
        let done: HashSet<String> = shots.iter().map(|s| s.key.clone()).collect();
        let begun = !intents.is_empty();
        let mut doubts: Vec<Intent> = Vec::new();
        let (mut metered, mut trial) = (HashMap::new(), None);
        for entry in intents {
            match entry {
                Entry::Card { .. } => {
                    doubts.clear();
                    trial = None;
                }
                Entry::Ignored { .. } => trial = None,
                Entry::Trial(begun) => trial = Some(begun),
                Entry::Metered { setup, exposure } => {
                    metered.insert(setup, exposure);
                }
                Entry::Shoot(intent) => {
                    doubts.retain(|d| d.key != intent.key);
                    if !done.contains(&intent.key) {
                        doubts.push(intent);
                    }
                }
            }
        }
        Ok(Self {
            shots: LogWriter::open(&shots_path)?,
            unplanned: LogWriter::open(&unplanned_path)?,
            intents: LogWriter::open(&intents_path)?,
            latest: shots.last().map(|s| s.key.clone()),
            done,
            taken_in: unplanned.len(),
            begun,
            doubts,
            known,
            metered,
            trial,
            claimed: HashSet::new(),
        })
    }

    /// Whether the session looked at the card before: what is new on it came since.
    pub(crate) fn begun(&self) -> bool {
        self.begun
    }

    /// Key of the shot that was recorded last.
    pub(crate) fn latest(&self) -> Option<&str> {
        self.latest.as_deref()
    }

    /// Whether a shot is stored.
    pub(crate) fn is_done(&self, key: &str) -> bool {
        self.done.contains(key)
    }

    /// How many shots are stored.
    pub(crate) fn done(&self) -> usize {
        self.done.len()
    }

    /// Whether a shot was begun and neither recorded nor claimed: it may be on the card.
    pub(crate) fn doubts(&self) -> bool {
        self.doubts.iter().any(|d| !self.claimed.contains(&d.key))
    }

    /// What is known of a shot that was begun and not recorded.
    pub(crate) fn doubt(&self, key: &str) -> Option<&Intent> {
        self.doubts.iter().find(|d| d.key == key)
    }

    /// These files are off the card and are this shot's, which will be recorded once they are checked: until then nobody
    /// takes them for another's. A program that is killed before finds the shot in doubt.
    pub(crate) fn claim(&mut self, key: &str, files: &[CardFile]) {
        self.known.extend(files.iter().map(|f| mark(&f.path(), f.bytes)));
        self.claimed.insert(key.into());
    }

    /// What was claimed for a shot was not its own: it is in doubt again.
    pub(crate) fn unclaim(&mut self, key: &str) {
        self.claimed.remove(key);
    }

    /// The photograph of a shot in doubt is not there: it will be taken again.
    pub(crate) fn give_up(&mut self, key: &str) {
        self.unclaim(key);
        self.doubts.retain(|d| d.key != key);
    }

    /// The files that came to the card since the journal last knew it, photographs of one release together, oldest first.
    pub(crate) fn fresh(&self, card: &[CardFile]) -> Vec<Vec<CardFile>> {
        let mut files: Vec<CardFile> = card.iter().filter(|f| !self.knows(f)).cloned().collect();
        files.sort_by(|a, b| (a.stem(), &a.name).cmp(&(b.stem(), &b.name)));
        files.chunk_by(|a, b| a.stem() == b.stem()).map(<[_]>::to_vec).collect()
    }

    /// Whether a file of the card belongs to a recorded shot or to nobody. A length that the body does not tell may be any.
    fn knows(&self, file: &CardFile) -> bool {
        let path = file.path();
        let same = |known: &String| known.rsplit_once(' ').is_some_and(|(known, _)| known == path);
        [file.bytes, 0].iter().any(|bytes| self.known.contains(&mark(&path, *bytes)))
            || (file.bytes == 0 && self.known.iter().any(same))
    }

    /// Whether a file of the card is recorded already; of what comes from memory, names say nothing.
    pub(crate) fn knows_any(&self, files: &[CardFile]) -> bool {
        files.iter().any(|f| f.folder != "/" && self.known.contains(&mark(&f.path(), f.bytes)))
    }

    /// Records what is on the card: nothing on it belongs to a shot in doubt, or every doubt is given up.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn card(&mut self, card: &[CardFile]) -> Result<(), Error> {
        let files: Vec<String> = card.iter().map(|f| mark(&f.path(), f.bytes)).collect();
        if self.begun && !self.doubts() && files.iter().all(|f| self.known.contains(f)) {
            return Ok(());
        }
        self.known = files.iter().cloned().collect();
        self.doubts.clear();
        self.begun = true;
        self.intents.append(&Entry::Card { recorded: self.done.len(), unplanned: self.taken_in, files })
    }

    /// Records files on the card that are nobody's, or damaged: they are not looked at again.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn ignore(&mut self, files: &[CardFile]) -> Result<(), Error> {
        let files: Vec<String> = files.iter().map(|f| mark(&f.path(), f.bytes)).collect();
        self.known.extend(files.iter().cloned());
        self.trial = None;
        self.intents.append(&Entry::Ignored { files })
    }

    /// What a setup was metered at, by this run or by one before it.
    pub(crate) fn metered(&self, setup: &str) -> Option<Metered> {
        self.metered.get(setup).copied()
    }

    /// A trial photograph that was begun and never looked at.
    pub(crate) fn trial(&self) -> Option<Trial> {
        self.trial
    }

    /// Records that a trial photograph is about to be taken.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn try_out(&mut self, settings: Settings, dates_ahead: Option<i64>) -> Result<(), Error> {
        let trial = Trial { settings, at: Some(clock::unix_seconds()), dates_ahead };
        self.trial = Some(trial);
        self.intents.append(&Entry::Trial(trial))
    }

    /// Records what a setup was metered at.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn record_metered(&mut self, setup: &str, exposure: Metered) -> Result<(), Error> {
        self.metered.insert(setup.into(), exposure);
        self.intents.append(&Entry::Metered { setup: setup.into(), exposure })
    }

    /// Records that a shot is about to be taken, by a body whose dates are so far ahead; it is on the disk when this returns.
    ///
    /// # Errors
    /// [`Error::Io`]: the shutter must not open then.
    pub(crate) fn intend(&mut self, key: &str, read_back: Settings, dates_ahead: Option<i64>) -> Result<(), Error> {
        let intent = Intent { key: key.into(), at: clock::unix_seconds(), dates_ahead, read_back };
        self.intents.append(&Entry::Shoot(intent.clone()))?;
        self.give_up(key);
        self.doubts.push(intent);
        Ok(())
    }

    /// Records a shot that is stored and verified.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn record(&mut self, shot: &Shot) -> Result<(), Error> {
        self.shots.append(shot)?;
        self.known.extend(shot.files.iter().map(stored_mark));
        self.done.insert(shot.key.clone());
        self.give_up(&shot.key);
        self.latest = Some(shot.key.clone());
        Ok(())
    }

    /// Records a photograph that nobody planned, stored and verified.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn record_unplanned(&mut self, photograph: &Unplanned) -> Result<(), Error> {
        self.unplanned.append(photograph)?;
        self.known.extend(photograph.files.iter().map(stored_mark));
        self.taken_in += 1;
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

fn paths(folder: &Path) -> [PathBuf; 3] {
    [SHOTS_FILE, UNPLANNED_FILE, INTENTS_FILE].map(|name| folder.join(name))
}

fn stored_mark(file: &ShotFile) -> String {
    mark(&file.camera_name, file.bytes)
}

/// A file on the card by path and length: a card formatted in between may use a name again.
fn mark(path: &str, bytes: u64) -> String {
    format!("{path} {bytes}")
}

#[cfg(test)]
mod tests;
