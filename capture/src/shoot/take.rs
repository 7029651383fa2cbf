//! One shot: set, read back, open the shutter, fetch, verify. Whatever happens in between, the photograph is fetched
//! from the card if it is there, and taken again only if it is not.

use std::{path::Path, time::Duration};

use manifests::{
    plan::{CaptureTarget, Plan, Quality, Subject},
    session::{Settings, Shot, ShotFile, ShotQuality},
};

use super::Job;
use crate::{
    Error,
    camera::{self, Camera, CardFile, Setting, host::Host},
    clock, exif,
    journal::Journal,
    plan::{PlannedShot, same_f_number, same_shutter},
    progress::{Progress, Summary},
    qc,
    signals::Stop,
    store,
    tether::{Tether, passing, wait},
};

/// Attempts at one shot before the session stops.
const PATIENCE: u32 = 5;
/// Seconds after an exposure in which its file may still come to the card.
const WRITING_SECONDS: f64 = 3.0;

/// Takes shots into a session.
pub(super) struct Shooter<'a> {
    pub(super) plan: &'a Plan,
    pub(super) plan_path: &'a Path,
    root: &'a Path,
    pub(super) tether: Tether,
    pub(super) progress: &'a Progress,
    pub(super) stop: &'a Stop,
}

/// A photograph that is on the camera.
struct Taken {
    files: Vec<CardFile>,
    read_back: Settings,
    rescued: bool,
}

/// What a file says of itself.
struct Content {
    exif: Option<Settings>,
    picture: Option<(u32, u32, ShotQuality)>,
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
        Self { plan, plan_path: &job.plan, root, tether, progress, stop }
    }

    /// Asks the camera what may be asked twice.
    pub(super) fn ask<T>(&mut self, f: impl FnMut(&mut Host) -> Result<T, camera::Error>) -> Result<T, Error> {
        self.tether.steadily(self.progress, self.stop, f)
    }

    /// Notes what is on the card, unless a shot in doubt may be among it.
    pub(super) fn note_card(&mut self, journal: &mut Journal) -> Result<(), Error> {
        if journal.in_doubt().is_none() {
            let card = self.ask(|c| c.card())?;
            journal.card(&card)?;
        }
        Ok(())
    }

    /// Takes a shot and stores it; a photograph that the camera cannot send whole is taken again.
    pub(super) fn take_and_store(
        &mut self,
        shot: &PlannedShot,
        journal: &mut Journal,
        summary: &mut Summary,
    ) -> Result<Shot, Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let taken = self.take(shot, journal)?;
            match self.store(shot, &taken)? {
                Ok(record) => {
                    summary.rescued += usize::from(taken.rescued);
                    summary.disagreements += usize::from(!record.disagreements.is_empty());
                    summary.bytes += record.files.iter().map(|f| f.bytes).sum::<u64>();
                    return Ok(record);
                }
                Err(damage) if attempt < PATIENCE => {
                    self.progress.note(&format!("{damage}; taking it again"));
                    let card = self.ask(|c| c.card())?;
                    journal.card(&card)?;
                }
                Err(damage) => return Err(Error::Failed(format!("{damage}, {PATIENCE} times in a row"))),
            }
        }
    }

    /// The shutter opens once for each intent; after an error the card is asked before the next.
    fn take(&mut self, shot: &PlannedShot, journal: &mut Journal) -> Result<Taken, Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            if let Some(taken) = self.rescue(shot, journal)? {
                self.progress.note(&format!("{} was on the card", taken.files[0].name));
                return Ok(taken);
            }
            let read_back = self.set(shot)?;
            journal.intend(&shot.key, read_back)?;
            let (shutter, files) = (shot.settings.shutter, files_a_shot(self.plan.camera.quality));
            match self.tether.once(|c| c.shoot(shutter, files)) {
                Ok(files) => return Ok(Taken { files, read_back, rescued: false }),
                Err(e) if passing(e.kind) && attempt < PATIENCE => self.tether.reopen(&e, self.progress, self.stop)?,
                Err(e) => return Err(crate::doctor::explain(e).into()),
            }
        }
    }

    /// The photograph of a shot in doubt, if it is on the card or comes there.
    fn rescue(&mut self, shot: &PlannedShot, journal: &mut Journal) -> Result<Option<Taken>, Error> {
        let Some(intent) = journal.in_doubt().filter(|i| i.key == shot.key).cloned() else { return Ok(None) };
        let latest = intent.at as f64 + shot.settings.shutter.seconds() + WRITING_SECONDS;
        loop {
            let card = self.ask(|c| c.card())?;
            for files in journal.fresh(&card) {
                if self.matches(&files, &intent.read_back)? {
                    return Ok(Some(Taken { files, read_back: intent.read_back, rescued: true }));
                }
            }
            // In the camera's memory nothing survives, and nothing is waited for.
            let waits = self.plan.camera.capture_target == CaptureTarget::Card;
            if !waits || clock::unix_seconds() as f64 > latest {
                for files in journal.fresh(&card) {
                    self.progress.note(&format!("{} is none of this session's: it stays on the card", files[0].name));
                }
                journal.card(&card)?;
                return Ok(None);
            }
            wait(Duration::from_millis(200), self.stop)?;
        }
    }

    /// Whether files on the card carry the settings of the shot in doubt; someone may have pressed the body's button.
    fn matches(&mut self, files: &[CardFile], settings: &Settings) -> Result<bool, Error> {
        let Some(file) = files.first() else { return Ok(false) };
        let path = self.fetch(file)?.0;
        let bytes = std::fs::read(&path).map_err(manifests::Error::io(&path, "read"))?;
        Ok(exif::settings(&bytes).is_none_or(|s| exif::differences(settings, "", &s, "").is_empty()))
    }

    /// Downloads a file to a fresh name.
    fn fetch(&mut self, file: &CardFile) -> Result<(std::path::PathBuf, manifests::Digest), Error> {
        let root = self.root;
        let path = store::incoming(root, file).map_err(failed)?;
        let sent = self.ask(|c| {
            // What an attempt before this one left.
            store::incoming(root, file).map_err(|e| camera::Error::new(camera::Kind::Disk, e.to_string()))?;
            c.download(file, &path)
        })?;
        Ok((path, sent))
    }

    /// Sets what differs from the shot's settings, and answers what the camera then says.
    fn set(&mut self, shot: &PlannedShot) -> Result<Settings, Error> {
        let wanted = shot.settings;
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

    /// Fetches a photograph's files and stores them; the inner error is a file that does not come whole.
    fn store(&mut self, shot: &PlannedShot, taken: &Taken) -> Result<Result<Shot, store::Error>, Error> {
        let mut files: Vec<(ShotFile, Content)> = Vec::new();
        for file in &taken.files {
            match self.fetch_and_keep(shot, file)? {
                Ok(kept) => files.push(kept),
                Err(damage) => return Ok(Err(damage)),
            }
        }
        // First the one to look at.
        files.sort_by_key(|(_, content)| content.picture.is_none());
        Ok(Ok(self.record(shot, taken, files)))
    }

    fn fetch_and_keep(
        &mut self,
        shot: &PlannedShot,
        file: &CardFile,
    ) -> Result<Result<(ShotFile, Content), store::Error>, Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let (path, sent) = self.fetch(file)?;
            match store::keep(self.root, &path, &shot.stem(self.plan), file, sent, |bytes| inspect(file, bytes)) {
                Ok((mut stored, content)) => {
                    if let Some((width, height, _)) = content.picture {
                        (stored.width, stored.height) = (width, height);
                    }
                    return Ok(Ok((stored, content)));
                }
                Err(e @ store::Error::Disk { .. }) => return Err(failed(e)),
                Err(e) if attempt < PATIENCE => self.progress.note(&format!("{e}; fetching it again")),
                Err(e) => return Ok(Err(e)),
            }
        }
    }

    fn record(&self, shot: &PlannedShot, taken: &Taken, files: Vec<(ShotFile, Content)>) -> Shot {
        let scene = shot.scene(self.plan);
        let exif = files.iter().find_map(|(_, c)| c.exif);
        let mut disagreements = exif::differences(&shot.settings, "the plan", &taken.read_back, "the camera");
        match &exif {
            Some(exif) => {
                disagreements.extend(exif::differences(&shot.settings, "the plan", exif, "the file"));
                disagreements.extend(exif::differences(&taken.read_back, "the camera", exif, "the file"));
            }
            None => disagreements.push("the file carries no settings".into()),
        }
        Shot {
            index: shot.index,
            key: shot.key.clone(),
            scene: scene.id.clone(),
            place: scene.place,
            light: scene.light,
            tags: scene.tags.clone(),
            subject: shot.subject,
            glass: self.plan.glass.clone().filter(|_| shot.subject != Subject::Background),
            requested: shot.settings,
            read_back: taken.read_back,
            exif,
            disagreements,
            quality: files.iter().find_map(|(_, c)| c.picture.map(|p| p.2)),
            files: files.into_iter().map(|(file, _)| file).collect(),
            stored: clock::now(),
        }
    }
}

/// Reads a file's settings and, of a JPEG, its pixels: a file that does not decode is damaged.
fn inspect(file: &CardFile, bytes: &[u8]) -> Result<Content, String> {
    let exif = exif::settings(bytes);
    let picture = if matches!(file.extension().as_str(), "jpg" | "jpeg") {
        let picture = qc::decode(bytes)?;
        Some((picture.width(), picture.height(), qc::measure(&picture)))
    } else {
        None
    };
    Ok(Content { exif, picture })
}

/// Files that a release makes.
fn files_a_shot(quality: Quality) -> usize {
    match quality {
        Quality::JpegBasic | Quality::JpegNormal | Quality::JpegFine | Quality::Nef => 1,
        Quality::NefJpegFine => 2,
    }
}

fn failed(e: store::Error) -> Error {
    Error::Failed(e.to_string())
}
