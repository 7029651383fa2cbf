//! From the card into the session: fetch, verify, look at, name, record.

use std::path::{Path, PathBuf};

use manifests::{
    Digest,
    plan::{Quality, Subject},
    session::{Shot, ShotFile, ShotQuality},
};

use super::{
    Shooter,
    flight::Arrived,
    take::{PATIENCE, Taken},
};
use crate::{
    Error,
    camera::{self, Camera, CardFile},
    clock, exif,
    plan::PlannedShot,
    qc, store, thumbnail,
};

/// A file that is stored, and what it says of itself.
pub(super) struct Kept {
    pub(super) file: ShotFile,
    pub(super) content: Content,
}

/// What a file says of itself.
pub(super) struct Content {
    pub(super) exif: Option<manifests::session::Settings>,
    /// As [`exif::About::taken`].
    pub(super) taken: Option<i64>,
    size: Option<(u32, u32)>,
    pub(super) quality: Option<ShotQuality>,
    /// A small JPEG of it.
    small: Option<Vec<u8>>,
}

impl Shooter<'_> {
    /// Downloads a file to a fresh name.
    pub(super) fn fetch(&mut self, file: &CardFile) -> Result<(PathBuf, Digest), Error> {
        let root = self.root;
        let path = store::incoming(root, file).map_err(failed)?;
        let sent = self.ask(|c| {
            // What an attempt before this one left.
            store::incoming(root, file).map_err(|e| camera::Error::new(camera::Kind::Disk, e.to_string()))?;
            c.download(file, &path)
        })?;
        Ok((path, sent))
    }

    /// What came of reading a file; the inner error is why a camera that answers otherwise does not give it away.
    pub(super) fn unless_unreadable<T>(&mut self, read: Result<T, Error>) -> Result<Result<T, String>, Error> {
        match read {
            // Of a camera that was away nothing is known of its file.
            Err(Error::Camera(e))
                if !matches!(
                    e.kind,
                    camera::Kind::Disk | camera::Kind::Gone | camera::Kind::NotFound | camera::Kind::Claimed
                ) =>
            {
                // One that is gone altogether ends the session.
                self.ask(|c| c.settings())?;
                Ok(Err(e.message))
            }
            read => read.map(Ok),
        }
    }

    /// Downloads a photograph's files.
    pub(super) fn fetch_all(&mut self, files: &[CardFile]) -> Result<Vec<Arrived>, Error> {
        let mut arrived = Vec::new();
        for file in files {
            let (path, sent) = self.fetch(file)?;
            arrived.push(Arrived { file: file.clone(), path, sent });
        }
        Ok(arrived)
    }

    /// Fetches a photograph's files and checks them; the inner error is a file that does not come whole.
    pub(super) fn bring(&mut self, files: &[CardFile]) -> Result<Result<Vec<Checked>, store::Error>, Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let arrived = self.fetch_all(files)?;
            match check(arrived) {
                Err(e @ store::Error::Disk { .. }) => return Err(failed(e)),
                Err(e) if attempt < PATIENCE => self.progress.note(&format!("{e}; fetching it again")),
                checked => return Ok(checked),
            }
        }
    }

    /// Fetches a photograph's files and stores them at `stem`, first the one to look at; the inner error is a file
    /// that does not come whole.
    pub(super) fn keep(&mut self, files: &[CardFile], stem: &str) -> Result<Result<Vec<Kept>, store::Error>, Error> {
        match self.bring(files)?.and_then(|checked| place(self.root, checked, stem)) {
            Err(e @ store::Error::Disk { .. }) => Err(failed(e)),
            kept => Ok(kept),
        }
    }

    /// The line of a shot: what was asked for, what the camera said, and what the files say.
    pub(super) fn record(&self, shot: &PlannedShot, taken: &Taken, kept: Vec<Kept>) -> Shot {
        let scene = shot.scene(self.plan);
        let mut disagreements = exif::differences(&shot.settings, "the plan", &taken.read_back, "the camera");
        for Kept { file, content } in &kept {
            let which = if kept.len() == 1 { "the file" } else { file.path.as_str().rsplit('.').next().unwrap_or("") };
            match &content.exif {
                Some(exif) => {
                    disagreements.extend(exif::differences(&shot.settings, "the plan", exif, which));
                    disagreements.extend(exif::differences(&taken.read_back, "the camera", exif, which));
                }
                None => disagreements.push(format!("{which} carries no settings")),
            }
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
            exif: kept.iter().find_map(|k| k.content.exif),
            disagreements,
            quality: kept.iter().find_map(|k| k.content.quality),
            files: kept.into_iter().map(|k| k.file).collect(),
            stored: clock::now(),
        }
    }
}

/// A file that is whole, and what it says of itself.
pub(super) struct Checked {
    sound: store::Sound,
    pub(super) content: Content,
}

impl Checked {
    /// Removes the download: the file stays on the card alone.
    pub(super) fn discard(self) {
        self.sound.discard();
    }
}

/// Checks a photograph's files.
///
/// # Errors
/// Of the first file that is not what the camera sent, and of the disk.
pub(super) fn check(arrived: Vec<Arrived>) -> Result<Vec<Checked>, store::Error> {
    let check = |Arrived { file, path, sent }: Arrived| {
        let (sound, content) = store::check(path, file.clone(), sent, |bytes| inspect(&file, bytes))?;
        Ok(Checked { sound, content })
    };
    arrived.into_iter().map(check).collect()
}

/// Stores a photograph whose files are all whole at `stem`, first the one to look at.
///
/// # Errors
/// As [`store::place`].
pub(super) fn place(root: &Path, checked: Vec<Checked>, stem: &str) -> Result<Vec<Kept>, store::Error> {
    let (sound, contents): (Vec<_>, Vec<_>) = checked.into_iter().map(|c| (c.sound, c.content)).unzip();
    let stored = store::place(root, &sound, stem)?;
    let mut kept: Vec<Kept> = stored.into_iter().zip(contents).map(|(file, content)| Kept { file, content }).collect();
    for Kept { file, content } in &mut kept {
        (file.width, file.height) = content.size.unwrap_or_default();
    }
    kept.sort_by_key(|k| !is_jpeg(Path::new(k.file.path.as_str())));
    if let Some((file, small)) = kept.first().and_then(|k| Some((&k.file, k.content.small.as_ref()?))) {
        thumbnail::keep(root, file.blake3, small);
    }
    Ok(kept)
}

fn is_jpeg(name: &Path) -> bool {
    name.extension().is_some_and(|e| e.eq_ignore_ascii_case("jpg") || e.eq_ignore_ascii_case("jpeg"))
}

/// Reads a file's settings and what there is to look at: a JPEG that does not decode, or a NEF whose parts are not all
/// there, is damaged.
fn inspect(file: &CardFile, bytes: &[u8]) -> Result<Content, String> {
    let exif::About { settings: exif, taken } = exif::about(bytes);
    let raw = file.extension() == "nef";
    if !raw && !is_jpeg(Path::new(&file.name)) {
        return Ok(Content { exif, taken, size: None, quality: None, small: None });
    }
    let (picture, size) = qc::picture(bytes, raw)?;
    Ok(Content { exif, taken, size: Some(size), quality: Some(qc::measure(&picture)), small: thumbnail::of(&picture) })
}

/// Extensions, in lower case, of the files that a release makes.
pub(super) fn extensions(quality: Quality) -> &'static [&'static str] {
    match quality {
        Quality::JpegBasic | Quality::JpegNormal | Quality::JpegFine => &["jpg"],
        Quality::Nef => &["nef"],
        Quality::NefJpegFine => &["jpg", "nef"],
    }
}

/// Whether a photograph has every file that the quality asks for.
pub(super) fn is_whole(files: &[CardFile], quality: Quality) -> bool {
    let wanted = extensions(quality);
    files.len() == wanted.len() && wanted.iter().all(|e| files.iter().any(|f| f.extension() == *e))
}

pub(super) fn failed(e: store::Error) -> Error {
    Error::Failed(e.to_string())
}
