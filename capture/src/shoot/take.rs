//! One shot: set, read back, open the shutter. Whatever happens in between, the photograph is fetched from the card if
//! it is there, and taken again only if it is not.

use std::{
    collections::HashSet,
    path::Path,
    time::{Duration, Instant},
};

use manifests::{
    plan::{CaptureTarget, Plan},
    session::Settings,
};

use super::{
    Job,
    dated::Window,
    flight::InFlight,
    keep::{extensions, is_whole},
};
use crate::{
    Error,
    camera::{self, Camera, CardFile, Setting, host::Host},
    exif,
    hook::Hook,
    journal::Journal,
    plan::{PlannedShot, Setup, same_f_number, same_shutter},
    progress::Progress,
    signals::Stop,
    tether::{Tether, passing, wait},
};

/// Attempts at one shot before the session stops.
pub(super) const PATIENCE: u32 = 5;
/// Seconds after an exposure in which its file may still come to the card.
pub(super) const WRITING_SECONDS: f64 = 3.0;

/// Takes shots into a session.
pub(super) struct Shooter<'a> {
    pub(super) plan: &'a Plan,
    pub(super) plan_path: &'a Path,
    pub(super) root: &'a Path,
    pub(super) tether: Tether,
    pub(super) hook: Hook<'a>,
    /// Steps of the focus motor from where the operator focused.
    pub(super) focus: i32,
    /// Whether the motor turned by other than was asked for, so that nobody knows where the lens stands.
    pub(super) astray: bool,
    /// Seconds that the dates in the body's files are ahead of this computer's UTC, as far as it says.
    pub(super) dates_ahead: Option<i64>,
    /// When the session began, seconds since 1970.
    pub(super) begun: Option<u64>,
    /// Whether setups that an earlier run metered are metered again.
    pub(super) meter_anew: bool,
    pub(super) progress: &'a Progress,
    pub(super) stop: &'a Stop,
    /// The connection, by its number, over which the card was listed last: what the body told over another is lost.
    pub(super) listed: u32,
    /// Photographs of nobody's planning, taken in by this run.
    pub(super) unplanned: usize,
    pub(super) hook_failures: usize,
    /// The shot that is being checked while the next one is taken.
    pub(super) in_flight: Option<InFlight>,
}

/// A photograph that is on the camera.
pub(super) struct Taken {
    pub(super) files: Vec<CardFile>,
    pub(super) read_back: Settings,
    /// Files that the body told of besides.
    pub(super) others: Vec<CardFile>,
    pub(super) rescued: bool,
}

impl<'a> Shooter<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        job: &'a Job,
        root: &'a Path,
        tether: Tether,
        progress: &'a Progress,
        stop: &'a Stop,
    ) -> Self {
        let hook = Hook::new(job.hook.as_deref().or(plan.hook.as_deref()), root);
        let plan_path = &job.plan;
        Self {
            plan,
            plan_path,
            root,
            tether,
            hook,
            focus: 0,
            astray: false,
            dates_ahead: None,
            begun: None,
            meter_anew: job.meter_anew,
            progress,
            stop,
            listed: 0,
            unplanned: 0,
            hook_failures: 0,
            in_flight: None,
        }
    }

    /// Asks the camera what may be asked twice.
    pub(super) fn ask<T>(&mut self, f: impl FnMut(&mut Host) -> Result<T, camera::Error>) -> Result<T, Error> {
        self.tether.steadily(self.progress, self.stop, f)
    }

    /// Before the first shot: what is on a card that the session has not seen is none of its; what came to one that it
    /// has seen came while nobody looked.
    pub(super) fn note_card(&mut self, journal: &mut Journal) -> Result<(), Error> {
        if journal.doubts() {
            return Ok(());
        }
        if journal.begun() {
            self.forget_trial(journal)?;
            return self.take_in_from_card(None, journal);
        }
        let card = self.ask(|c| c.card())?;
        self.listed = self.tether.openings();
        if !card.is_empty() {
            self.progress
                .note(&format!("files on the card from before this session, which stay there: {}", card.len()));
        }
        Ok(journal.card(&card)?)
    }

    /// Says that the hook failed; the shot is stored all the same.
    pub(super) fn hook_failed(&mut self, words: &str) {
        self.hook_failures += 1;
        self.progress.note(words);
    }

    /// The shutter opens once for each intent; after an error the card is asked before the next.
    pub(super) fn take(&mut self, shot: &PlannedShot, setup: &Setup, journal: &mut Journal) -> Result<Taken, Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            if let Some(taken) = self.rescue(shot, setup, journal)? {
                self.progress.note(&format!("{} was on the card", taken.files[0].name));
                return Ok(taken);
            }
            self.focus(shot)?;
            let read_back = self.set(shot.settings)?;
            journal.intend(&shot.key, read_back, self.dates_ahead)?;
            let (shutter, quality) = (shot.settings.shutter, self.plan.camera.quality);
            match self.tether.once(|c| c.shoot(shutter, extensions(quality).len())) {
                // What is recorded already is the answer to something else.
                Ok(release) if is_whole(&release.files, quality) && !journal.knows_any(&release.files) => {
                    return Ok(Taken { files: release.files, others: release.others, read_back, rescued: false });
                }
                Ok(release) if attempt < PATIENCE => {
                    let names: Vec<&str> = release.files.iter().map(|f| f.name.as_str()).collect();
                    let why = format!("the camera told of {} instead of a new photograph", names.join(" and "));
                    self.tether.reopen(&camera::Error::new(camera::Kind::Other, why), self.progress, self.stop)?;
                }
                Ok(_) => {
                    return Err(Error::Failed(format!("a photograph did not come whole, {PATIENCE} times in a row")));
                }
                Err(e) if passing(e.kind) && attempt < PATIENCE => self.tether.reopen(&e, self.progress, self.stop)?,
                Err(e) => return Err(crate::doctor::explain(e).into()),
            }
        }
    }

    /// The photograph of a shot in doubt, if it is on the card or comes there.
    fn rescue(&mut self, shot: &PlannedShot, setup: &Setup, journal: &mut Journal) -> Result<Option<Taken>, Error> {
        let Some(intent) = journal.doubt(&shot.key).cloned() else { return Ok(None) };
        let quality = self.plan.camera.quality;
        let window = Window::about(intent.at, shot.settings.shutter);
        // Counted from now: a body that hung may have opened its shutter only at the end.
        let latest = Instant::now() + Duration::from_secs_f64(shot.settings.shutter.seconds() + WRITING_SECONDS);
        let mut asked_anew = false;
        // Looked at, and not this shot's; and what cannot be looked at.
        let (mut others, mut unread) = (HashSet::new(), Vec::new());
        loop {
            let card = self.ask(|c| c.card())?;
            let fresh = journal.fresh(&card);
            let (whole, parts): (Vec<_>, Vec<_>) = fresh.into_iter().partition(|files| is_whole(files, quality));
            for files in whole {
                if !others.insert(files.clone()) {
                    continue;
                }
                match self.matches(&files, &intent.read_back, Some(window), intent.dates_ahead)? {
                    Ok(true) => {
                        let (read_back, others) = (intent.read_back, Vec::new());
                        return Ok(Some(Taken { files, others, read_back, rescued: true }));
                    }
                    Ok(false) => {}
                    Err(why) => unread.push((files, why)),
                }
            }
            // In the camera's memory nothing survives, and nothing is waited for.
            let waits = self.plan.camera.capture_target == CaptureTarget::Card;
            if waits && !asked_anew && Instant::now() > latest {
                // libgphoto2 keeps a folder's list for as long as it is connected, and may miss what came as it connected.
                asked_anew = true;
                let why = "the photograph is not in the list of the card";
                self.tether.reopen(&camera::Error::new(camera::Kind::Other, why), self.progress, self.stop)?;
                continue;
            }
            if !waits || asked_anew {
                for files in parts {
                    let name = &files[0].name;
                    self.progress.note(&format!("{name} is only part of a photograph: it stays on the card"));
                    journal.ignore(&files)?;
                }
                for (files, why) in unread {
                    let (name, key) = (&files[0].name, &shot.key);
                    self.progress.note(&format!(
                        "{name} may be the photograph of {key}, which is taken again: it cannot be read and stays on the card \
                         ({why})"
                    ));
                    journal.ignore(&files)?;
                }
                journal.give_up(&shot.key);
                self.listed = self.tether.openings();
                // The list that was searched, not a newer one.
                self.take_in(card, Some(setup), journal)?;
                return Ok(None);
            }
            wait(Duration::from_millis(200), self.stop)?;
        }
    }

    /// Whether files on the card carry the settings of a release in doubt and, as far as that is known, a date of the
    /// window that it was in: someone may have pressed the body's button, or put files on its card. The inner error is why
    /// they cannot be read.
    pub(super) fn matches(
        &mut self,
        files: &[CardFile],
        settings: &Settings,
        window: Option<Window>,
        dates_ahead: Option<i64>,
    ) -> Result<Result<bool, String>, Error> {
        let Some(file) = files.first() else { return Ok(Ok(false)) };
        let fetched = self.fetch(file);
        let path = match self.unless_unreadable(fetched)? {
            Ok((path, _)) => path,
            Err(why) => return Ok(Err(why)),
        };
        let bytes = std::fs::read(&path).map_err(manifests::Error::io(&path, "read"))?;
        let about = exif::about(&bytes);
        let same = about.settings.is_none_or(|s| exif::differences(settings, "", &s, "").is_empty());
        Ok(Ok(same && window.map_or(Ok(true), |w| self.is_of(w, about.taken, dates_ahead))?))
    }

    /// Sets what differs from the shot's settings, and answers what the camera then says.
    pub(super) fn set(&mut self, wanted: Settings) -> Result<Settings, Error> {
        self.ask(|camera| {
            let now = camera.settings()?;
            let mut changes = Vec::new();
            if !same_f_number(now.f_number, wanted.f_number) {
                changes.push(Setting::FNumber(wanted.f_number));
            }
            if now.iso != wanted.iso {
                changes.push(Setting::Iso(wanted.iso));
            }
            if !same_shutter(now.shutter, wanted.shutter) {
                changes.push(Setting::Shutter(wanted.shutter));
            }
            for change in &changes {
                camera.set(*change)?;
            }
            if changes.is_empty() { Ok(now) } else { camera.settings() }
        })
    }
}
