//! Metering: trial photographs until the picture has the level that a meter would bring it to.

use std::time::Duration;

use manifests::{Shutter, session::Settings};

use super::{
    dated::Window,
    keep::extensions,
    take::{Shooter, WRITING_SECONDS},
};
use crate::{
    Error,
    camera::{self, Camera, CardFile, Choices},
    journal::Journal,
    plan::{Metered, PlannedShot, Setup},
    qc,
    tether::{passing, wait},
};

/// The mean of the light in a well exposed picture, of what saturates: 18 % grey, as meters are calibrated (ISO 2720).
const GREY: f64 = 0.18;
/// Trials after which the last one is taken: each halves the error at least, and the first may be ten stops off.
const MOST: u32 = 6;
/// Good enough, in stops: half a third.
const NEAR: f64 = 0.17;

impl Shooter<'_> {
    /// Meters a setup, if any of its shots asks for it and no run before this one did: a sweep that was interrupted goes
    /// on around the same exposure, unless the operator wants it metered anew. Trial photographs stay on the card, and no log names them.
    pub(super) fn meter(
        &mut self,
        group: &[&PlannedShot],
        setup: &Setup,
        choices: &Choices,
        journal: &mut Journal,
    ) -> Result<Option<Metered>, Error> {
        let Some(first) = group.iter().find(|s| s.metered.is_some()) else { return Ok(None) };
        let name = setup.to_string();
        let before = journal.metered(&name);
        if let Some(before) = before.filter(|_| !self.meter_anew) {
            let Metered { seconds, f_number, iso } = before;
            let words = format!("metered before, {setup}: {seconds:.4} s at f/{f_number}, ISO {iso}");
            self.progress.note(&words);
            return Ok(Some(before));
        }
        let Settings { f_number, iso, .. } = first.settings;
        let stands = self.ask(|c| c.settings())?.shutter.seconds();
        let mut metered = Metered { seconds: before.map_or(stands, |b| b.at(f_number, iso)), f_number, iso };
        let mut tried: Option<Shutter> = None;
        for _ in 0..MOST {
            self.stop.check()?;
            let settings = metered.within(&choices.shutter).resolve(&first.unstepped(), &choices.shutter)?.settings;
            if tried.replace(settings.shutter) == Some(settings.shutter) {
                break;
            }
            // Six stops at a time: black says no more.
            let level = self.trial(settings, journal)?.max(GREY / 64.0);
            let stops = (GREY / level).log2();
            metered.seconds = settings.shutter.seconds() * stops.exp2();
            if stops.abs() < NEAR {
                break;
            }
        }
        let mut words = format!("metered {setup}: {:.4} s at f/{f_number}, ISO {iso}", metered.seconds);
        if let Some(before) = before {
            words += &format!(", {:+.1} stops from before", (metered.seconds / before.at(f_number, iso)).log2());
        }
        self.progress.note(&words);
        journal.record_metered(&name, metered)?;
        Ok(Some(metered))
    }

    /// Takes a photograph that is none of the plan's, and answers the mean of its light, of what saturates.
    fn trial(&mut self, settings: Settings, journal: &mut Journal) -> Result<f64, Error> {
        let files = extensions(self.plan.camera.quality).len();
        let mut failures = 0;
        let release = loop {
            let read_back = self.set(settings)?;
            journal.try_out(read_back, self.dates_ahead)?;
            match self.tether.once(|c| c.shoot(settings.shutter, files)) {
                Ok(release) => break release,
                Err(e) if passing(e.kind) && failures < 4 => {
                    failures += 1;
                    self.find_trial(&e, settings, journal)?;
                }
                Err(e) => return Err(crate::doctor::explain(e).into()),
            }
        };
        journal.ignore(&release.files)?;
        let mut level = None;
        for file in &release.files {
            level = level.or(self.level(file)?);
        }
        level.ok_or_else(|| Error::Failed("a trial photograph cannot be metered: it came without a picture".into()))
    }

    /// After an error the trial photograph may be on the card all the same, or come there.
    fn find_trial(&mut self, e: &camera::Error, settings: Settings, journal: &mut Journal) -> Result<(), Error> {
        wait(Duration::from_secs_f64(settings.shutter.seconds() + WRITING_SECONDS), self.stop)?;
        // Connected anew, the card's list is a new one.
        self.tether.reopen(e, self.progress, self.stop)?;
        self.forget_trial(journal)
    }

    /// A trial photograph that was begun and never looked at is nobody's, if it is on the card. It is the first that has its
    /// settings and is of its time: one from the body's own button is taken in as such.
    pub(super) fn forget_trial(&mut self, journal: &mut Journal) -> Result<(), Error> {
        let Some(trial) = journal.trial() else { return Ok(()) };
        let window = trial.at.map(|at| Window::about(at, trial.settings.shutter));
        let card = self.ask(|c| c.card())?;
        for files in journal.fresh(&card) {
            // What cannot be read is told of when what came to the card is taken in.
            if self.matches(&files, &trial.settings, window, trial.dates_ahead)? == Ok(true) {
                return Ok(journal.ignore(&files)?);
            }
        }
        Ok(())
    }

    /// Fetches a file for a look; none where it shows nothing.
    fn level(&mut self, file: &CardFile) -> Result<Option<f64>, Error> {
        let path = self.fetch(file)?.0;
        let bytes = std::fs::read(&path).map_err(manifests::Error::io(&path, "read"))?;
        std::fs::remove_file(&path).map_err(manifests::Error::io(&path, "remove"))?;
        let picture = qc::picture(&bytes, file.extension() == "nef").ok();
        Ok(picture.map(|(picture, _)| qc::light(&picture)))
    }
}
