//! Small pictures of photographs, kept in the session by the hash of what they show: made as a photograph is stored, when
//! it is decoded anyway, so that a contact sheet decodes nothing.

use std::{io::Cursor, path::Path};

use image::{ImageFormat, RgbImage, imageops::FilterType};
use manifests::{Digest, session::ShotFile, write_atomic};

use crate::qc;

/// Width in pixels.
const WIDTH: u32 = 240;
/// Folder of small pictures, below the session's.
const FOLDER: &str = ".thumbnails";

/// A photograph `width` pixels wide as a JPEG; none where it cannot be written as one.
pub(crate) fn shrink(picture: &RgbImage, width: u32) -> Option<Vec<u8>> {
    let height = (width * picture.height()).div_ceil(picture.width().max(1)).max(1);
    // Two steps: a box filter by whole factors is as good here as a wide kernel, and much faster.
    let small = image::imageops::thumbnail(picture, 2 * width, 2 * height);
    let small = image::imageops::resize(&small, width, height, FilterType::Triangle);
    let mut bytes = Cursor::new(Vec::new());
    small.write_to(&mut bytes, ImageFormat::Jpeg).ok()?;
    Some(bytes.into_inner())
}

/// The small picture of a photograph that is about to be stored.
pub(crate) fn of(picture: &RgbImage) -> Option<Vec<u8>> {
    shrink(picture, WIDTH)
}

/// Keeps a photograph's small picture. Where that fails the sheet makes it: no photograph is lost for it.
pub(crate) fn keep(root: &Path, photograph: Digest, small: &[u8]) {
    if std::fs::create_dir_all(root.join(FOLDER)).is_ok() {
        let _ = write_atomic(&root.join(FOLDER).join(format!("{photograph}.jpg")), small);
    }
}

/// The kept small picture of a photograph, made where there is none yet; none where its file cannot be read or shown.
pub(crate) fn kept(root: &Path, files: &[ShotFile]) -> Option<Vec<u8>> {
    let file = files.first()?;
    // A photograph that is gone or cut short since is shown as that, not as what it was.
    let whole = std::fs::metadata(file.path.under(root)).is_ok_and(|m| m.len() == file.bytes);
    if whole && let Ok(jpeg) = std::fs::read(root.join(FOLDER).join(format!("{}.jpg", file.blake3))) {
        return Some(jpeg);
    }
    let jpeg = of_file(root, files, WIDTH)?;
    if whole {
        keep(root, file.blake3, &jpeg);
    }
    Some(jpeg)
}

/// A small JPEG of a stored photograph, `width` pixels wide; none where its file cannot be read or shown.
pub(crate) fn of_file(root: &Path, files: &[ShotFile], width: u32) -> Option<Vec<u8>> {
    let path = &files.first()?.path;
    let (picture, _) = qc::picture(&std::fs::read(path.under(root)).ok()?, path.as_str().ends_with(".nef")).ok()?;
    shrink(&picture, width)
}
