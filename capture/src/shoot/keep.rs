//! From the card into the session: fetch, verify, look at, name, record.

use std::path::{Path, PathBuf};

use manifests::{
    Digest,
    plan::{Quality, Subject},
    session::{Shot, ShotFile, ShotQuality},
};

use super::{
    Shooter,
    take::{PATIENCE, Taken},
};
use crate::{
    Error,
    camera::{self, Camera, CardFile},
    clock, exif,
    plan::PlannedShot,
    qc, store,
};

/// A file that is stored, and what it says of itself.
pub(super) struct Kept {
    pub(super) file: ShotFile,
    pub(super) content: Content,
}

/// What a file says of itself.
pub(super) struct Content {
    pub(super) exif: Option<manifests::session::Settings>,
    size: Option<(u32, u32)>,
    pub(super) quality: Option<ShotQuality>,
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

    /// Fetches a photograph's files and stores them at `stem`, first the one to look at; the inner error is a file
    /// that does not come whole.
    pub(super) fn keep(&mut self, files: &[CardFile], stem: &str) -> Result<Result<Vec<Kept>, store::Error>, Error> {
        let mut kept: Vec<Kept> = Vec::new();
        for file in files {
            match self.keep_file(file, stem)? {
                Ok(one) => kept.push(one),
                Err(damage) => return Ok(Err(damage)),
            }
        }
        kept.sort_by_key(|k| !is_jpeg(Path::new(k.file.path.as_str())));
        Ok(Ok(kept))
    }

    fn keep_file(&mut self, file: &CardFile, stem: &str) -> Result<Result<Kept, store::Error>, Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let (path, sent) = self.fetch(file)?;
            match store::keep(self.root, &path, stem, file, sent, |bytes| inspect(file, bytes)) {
                Ok((mut stored, content)) => {
                    (stored.width, stored.height) = content.size.unwrap_or_default();
                    return Ok(Ok(Kept { file: stored, content }));
                }
                Err(e @ store::Error::Disk { .. }) => return Err(failed(e)),
                Err(e) if attempt < PATIENCE => self.progress.note(&format!("{e}; fetching it again")),
                Err(e) => return Ok(Err(e)),
            }
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

fn is_jpeg(name: &Path) -> bool {
    name.extension().is_some_and(|e| e.eq_ignore_ascii_case("jpg") || e.eq_ignore_ascii_case("jpeg"))
}

/// Reads a file's settings and what there is to look at: a JPEG that does not decode, or a NEF whose parts are not all
/// there, is damaged.
fn inspect(file: &CardFile, bytes: &[u8]) -> Result<Content, String> {
    let exif = exif::settings(bytes);
    let raw = file.extension() == "nef";
    if !raw && !is_jpeg(Path::new(&file.name)) {
        return Ok(Content { exif, size: None, quality: None });
    }
    let (picture, size) = qc::picture(bytes, raw)?;
    Ok(Content { exif, size: Some(size), quality: Some(qc::measure(&picture)) })
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
