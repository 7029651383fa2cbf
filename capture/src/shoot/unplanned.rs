//! Photographs from the body's own button: taken in beside the planned ones, in a log and a folder of their own, so that
//! nothing takes one for the other.

use manifests::session::Unplanned;

use super::{Shooter, keep::is_whole};
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
        journal.fresh(&told).into_iter().try_for_each(|group| self.take_in_one(&group, setup, journal))
    }

    /// Lists the card and takes in what is new on it.
    pub(super) fn take_in_from_card(&mut self, setup: Option<&Setup>, journal: &mut Journal) -> Result<(), Error> {
        if journal.doubts() {
            return Ok(());
        }
        let card = self.ask(|c| c.card())?;
        self.listed = self.tether.openings();
        journal.fresh(&card).into_iter().try_for_each(|group| self.take_in_one(&group, setup, journal))
    }

    fn take_in_one(&mut self, files: &[CardFile], setup: Option<&Setup>, journal: &mut Journal) -> Result<(), Error> {
        let Some(first) = files.first() else { return Ok(()) };
        let name = first.name.rsplit_once('.').map_or(first.name.as_str(), |(stem, _)| stem);
        let key = format!("{FOLDER}/{name}");
        if !files.iter().all(|f| matches!(f.extension().as_str(), "jpg" | "jpeg" | "nef")) {
            self.progress.note(&format!("{} is no photograph: it stays on the card", first.path()));
            return Ok(journal.ignore(files)?);
        }
        let kept = match self.keep(files, &key)? {
            Ok(kept) => kept,
            Err(store::Error::Damaged(damage)) => {
                self.progress.note(&format!("{damage}; it is none of the plan's, and stays on the card"));
                return Ok(journal.ignore(files)?);
            }
            Err(e) => return Err(super::keep::failed(e)),
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
        Ok(())
    }
}
