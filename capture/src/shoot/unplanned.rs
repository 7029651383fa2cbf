//! Photographs from the body's own button: taken in beside the planned ones, in a log and a folder of their own, so that
//! nothing takes one for the other.

use manifests::session::Unplanned;

use super::{
    Shooter,
    dated::Window,
    keep::{Checked, Kept, failed, is_whole, place},
};
use crate::{
    Error,
    camera::{Camera, CardFile},
    clock,
    journal::Journal,
    plan::Setup,
    store,
};

/// Folder of such photographs, below the session's.
pub(crate) const FOLDER: &str = "unplanned";

/// What becomes of a photograph that nobody planned.
enum Fate {
    Stored(Vec<Kept>),
    /// It is from before the session.
    Older,
    /// It stays on the card, for a reason in words.
    Left(String),
}

impl Shooter<'_> {
    /// Takes in what came to the card beside the planned shots: of `told`, the files that the body told of, or, where
    /// the connection was lost since and with it what the body told, of the whole card.
    pub(super) fn take_in(
        &mut self,
        told: Vec<CardFile>,
        setup: Option<&Setup>,
        journal: &mut Journal,
    ) -> Result<(), Error> {
        // A shot in doubt may be among them: it is looked for first.
        if journal.doubts() {
            return Ok(());
        }
        let quality = self.plan.camera.quality;
        let half_told = journal.fresh(&told).iter().any(|group| !is_whole(group, quality));
        if half_told || self.tether.openings() != self.listed {
            return self.take_in_from_card(setup, journal);
        }
        self.take_in_all(journal.fresh(&told), setup, journal)
    }

    /// Lists the card and takes in what is new on it.
    pub(super) fn take_in_from_card(&mut self, setup: Option<&Setup>, journal: &mut Journal) -> Result<(), Error> {
        if journal.doubts() {
            return Ok(());
        }
        let card = self.ask(|c| c.card())?;
        self.listed = self.tether.openings();
        self.take_in_all(journal.fresh(&card), setup, journal)
    }

    /// Takes photographs in, and says how many of them are from before the session.
    fn take_in_all(
        &mut self,
        photographs: Vec<Vec<CardFile>>,
        setup: Option<&Setup>,
        journal: &mut Journal,
    ) -> Result<(), Error> {
        let mut older = 0;
        for files in photographs {
            older += usize::from(!self.take_in_one(&files, setup, journal)?);
        }
        if older > 0 {
            let many = clock::count(older, "photograph");
            self.progress.note(&format!("{many} came to the card with dates from before this session: left there"));
        }
        Ok(())
    }

    /// Takes a photograph in; false for one from before the session, which stays on the card.
    fn take_in_one(&mut self, files: &[CardFile], setup: Option<&Setup>, journal: &mut Journal) -> Result<bool, Error> {
        let Some(first) = files.first() else { return Ok(true) };
        let name = first.name.rsplit_once('.').map_or(first.name.as_str(), |(stem, _)| stem);
        let key = format!("{FOLDER}/{name}");
        if !files.iter().all(|f| matches!(f.extension().as_str(), "jpg" | "jpeg" | "nef")) {
            self.progress.note(&format!("{} is no photograph: it stays on the card", first.path()));
            journal.ignore(files)?;
            return Ok(true);
        }
        let kept = match self.keep_if_of_session(files, &key)? {
            Fate::Stored(kept) => kept,
            Fate::Older => {
                journal.ignore(files)?;
                return Ok(false);
            }
            Fate::Left(why) => {
                self.progress.note(&why);
                journal.ignore(files)?;
                return Ok(true);
            }
        };
        let photograph = Unplanned {
            key,
            scene: setup.map(|s| s.scene.clone()),
            subject: setup.map(|s| s.subject),
            after: journal.latest().map(str::to_owned),
            exif: kept.iter().find_map(|k| k.content.exif),
            quality: kept.iter().find_map(|k| k.content.quality),
            files: kept.into_iter().map(|k| k.file).collect(),
            stored: clock::now(),
        };
        journal.record_unplanned(&photograph)?;
        self.progress.unplanned(&photograph);
        self.unplanned += 1;
        if let Err(words) = self.hook.unplanned(&photograph, self.stop) {
            self.hook_failed(&words);
        }
        Ok(true)
    }

    /// Fetches and stores a photograph unless it is from before the session.
    fn keep_if_of_session(&mut self, files: &[CardFile], stem: &str) -> Result<Fate, Error> {
        let brought = self.bring(files);
        let checked = match self.unless_unreadable(brought)? {
            Err(why) => {
                let path = files.first().map(CardFile::path).unwrap_or_default();
                return Ok(Fate::Left(format!(
                    "{path} cannot be read and stays on the card, none of the plan's: {why}"
                )));
            }
            Ok(Err(e)) => return left(e),
            Ok(Ok(checked)) => checked,
        };
        let taken = checked.iter().find_map(|c| c.content.taken);
        if let Some(begun) = self.begun
            && !self.is_of(Window::since(begun), taken, self.dates_ahead)?
        {
            checked.into_iter().for_each(Checked::discard);
            return Ok(Fate::Older);
        }
        place(self.root, checked, stem).map_or_else(left, |kept| Ok(Fate::Stored(kept)))
    }
}

/// A photograph whose files are not what they should be stays on the card; the disk's errors end the session.
fn left(e: store::Error) -> Result<Fate, Error> {
    match e {
        store::Error::Damaged(damage) => {
            Ok(Fate::Left(format!("{damage}; it is none of the plan's, and stays on the card")))
        }
        e => Err(failed(e)),
    }
}
