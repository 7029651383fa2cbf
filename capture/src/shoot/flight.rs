//! A photograph that is off the camera and being checked while the next one is taken.
//!
//! Reading back, hashing and decoding 24 megapixels takes longer than setting the camera for the next shot. One
//! photograph at a time is checked on a thread of its own; its line is written when the check is done, by the thread that
//! shoots. Until then its intent is in the journal and its files are on the card: a program killed here finds it there.

use std::{fs, path::PathBuf, thread};

use manifests::Digest;

use super::{
    Shooter,
    keep::{Kept, check, failed, place},
    take::{PATIENCE, Taken},
};
use crate::{
    Error,
    camera::CardFile,
    journal::Journal,
    plan::{PlannedShot, Setup},
    progress::Summary,
    store,
};

/// Seconds of exposure from which the photograph before is told of first: nobody waits that long to hear of it.
const LONG_EXPOSURE: f64 = 0.5;

/// A file of the camera's that is on the disk, unchecked: where, and the hash of what was sent.
pub(super) struct Arrived {
    pub(super) file: CardFile,
    pub(super) path: PathBuf,
    pub(super) sent: Digest,
}

/// A shot whose files are being checked.
pub(super) struct InFlight {
    shot: PlannedShot,
    setup: Setup,
    taken: Taken,
    check: thread::JoinHandle<Result<Vec<Kept>, store::Error>>,
}

/// A shot whose files were checked.
struct Landed {
    shot: PlannedShot,
    setup: Setup,
    taken: Taken,
    checked: Result<Vec<Kept>, store::Error>,
}

impl InFlight {
    /// Waits for the check.
    fn land(self) -> Result<Landed, Error> {
        let Self { shot, setup, taken, check } = self;
        let checked = check.join().map_err(|_| Error::Failed("the check of a photograph ended in a panic".into()))?;
        Ok(Landed { shot, setup, taken, checked })
    }
}

impl Shooter<'_> {
    /// Takes a shot and has it checked; stores and records the one before it.
    pub(super) fn shot(
        &mut self,
        shot: &PlannedShot,
        setup: &Setup,
        journal: &mut Journal,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        if shot.settings.shutter.seconds() >= LONG_EXPOSURE {
            self.settle_flight(journal, summary)?;
        }
        let taken = self.take(shot, setup, journal)?;
        let arrived = self.fetch_all(&taken.files)?;
        let before = self.in_flight.take().map(InFlight::land).transpose()?;
        // The one before is landed: its files' places are free for those of this one.
        let flight = self.launch(shot, setup, taken, arrived, journal)?;
        self.in_flight = Some(flight);
        before.map_or(Ok(()), |before| self.finish(before, journal, summary))
    }

    /// Stores and records the shot that is being checked, if there is one.
    pub(super) fn settle_flight(&mut self, journal: &mut Journal, summary: &mut Summary) -> Result<(), Error> {
        match self.in_flight.take() {
            Some(flight) => self.finish(flight.land()?, journal, summary),
            None => Ok(()),
        }
    }

    /// Begins to check a shot's files, out of the way of the downloads to come.
    fn launch(
        &mut self,
        shot: &PlannedShot,
        setup: &Setup,
        taken: Taken,
        arrived: Vec<Arrived>,
        journal: &mut Journal,
    ) -> Result<InFlight, Error> {
        let mut moved = Vec::new();
        for Arrived { file, path, sent } in arrived {
            let aside = path.with_file_name(format!("checking-{}", file.name));
            fs::rename(&path, &aside).map_err(manifests::Error::io(&path, "move"))?;
            moved.push(Arrived { file, path: aside, sent });
        }
        journal.claim(&shot.key, &taken.files);
        let (root, stem) = (self.root.to_path_buf(), shot.stem(self.plan));
        let verify = move || check(moved).and_then(|checked| place(&root, checked, &stem));
        let check = thread::Builder::new().name("check".into()).spawn(verify);
        let check = check.map_err(|e| Error::Failed(format!("no thread for the check of a photograph: {e}")))?;
        Ok(InFlight { shot: shot.clone(), setup: setup.clone(), taken, check })
    }

    /// Records a shot; one that did not come whole is fetched, and if need be taken, again.
    fn finish(&mut self, landed: Landed, journal: &mut Journal, summary: &mut Summary) -> Result<(), Error> {
        let Landed { shot, setup, taken, checked } = landed;
        let (kept, taken) = match checked {
            Ok(kept) => (kept, taken),
            Err(e @ store::Error::Disk { .. }) => return Err(failed(e)),
            Err(damage) => {
                self.progress.note(&format!("{damage}; fetching it again"));
                self.again(&shot, &setup, taken, journal, summary)?
            }
        };
        let record = self.record(&shot, &taken, kept);
        journal.record(&record)?;
        summary.rescued += usize::from(taken.rescued);
        summary.disagreements += usize::from(!record.disagreements.is_empty());
        summary.bytes += record.files.iter().map(|f| f.bytes).sum::<u64>();
        self.progress.shot(&record, journal.done());
        if let Err(words) = self.hook.shot(&record, self.stop) {
            self.hook_failed(&words);
        }
        self.take_in(taken.others, Some(&setup), journal)
    }

    /// Fetches a damaged photograph again, and takes it again where that does not help.
    fn again(
        &mut self,
        shot: &PlannedShot,
        setup: &Setup,
        mut taken: Taken,
        journal: &mut Journal,
        summary: &mut Summary,
    ) -> Result<(Vec<Kept>, Taken), Error> {
        let stem = shot.stem(self.plan);
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.keep(&taken.files, &stem)? {
                Ok(kept) => return Ok((kept, taken)),
                Err(damage) if attempt < PATIENCE => {
                    self.progress.note(&format!("{damage}; taking it again"));
                    journal.ignore(&taken.files)?;
                    // One that was found on the card may have been another's: this shot's may still be there.
                    if taken.rescued {
                        journal.unclaim(&shot.key);
                    } else {
                        journal.give_up(&shot.key);
                    }
                }
                Err(damage) => return Err(Error::Failed(format!("{damage}, {PATIENCE} times in a row"))),
            }
            // The shot after this one is recorded first: of two in doubt, the older is looked for first on the card.
            self.settle_flight(journal, summary)?;
            taken = self.take(shot, setup, journal)?;
        }
    }
}
