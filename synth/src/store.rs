//! Sources, each decoded once and reduced to the recipe's sizes.
//!
//! The reduced pictures lie in an unnamed scratch file: the system's page cache keeps in memory what
//! fits, so 3,250 photographs need no more of the process than one, and nothing is left behind
//! however it ends.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer, images::Image, images::ImageRef};
use manifests::Size;

use crate::{error::Error, pixels::Rgb8};

/// Where reduced pictures are kept.
#[derive(Debug)]
pub(crate) struct Store {
    file: File,
    end: AtomicU64,
    folder: std::path::PathBuf,
}

/// A picture in the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    offset: u64,
    height: usize,
    width: usize,
}

impl Store {
    /// A new store whose scratch file lies in `folder`.
    pub(crate) fn create(folder: &Path) -> Result<Self, Error> {
        let file = tempfile::tempfile_in(folder).map_err(Error::io(folder, "create a scratch file in"))?;
        Ok(Self { file, end: AtomicU64::new(0), folder: folder.to_path_buf() })
    }

    /// Keeps a picture; from any thread.
    pub(crate) fn keep(&self, picture: &Rgb8) -> Result<Kept, Error> {
        let offset = self.end.fetch_add(picture.data.len() as u64, Ordering::Relaxed);
        let action = "write reduced photographs to a scratch file in";
        self.file.write_all_at(&picture.data, offset).map_err(Error::io(&self.folder, action))?;
        Ok(Kept { offset, height: picture.height, width: picture.width })
    }

    /// Reads a picture back; from any thread.
    pub(crate) fn get(&self, kept: Kept) -> Result<Rgb8, Error> {
        let mut picture = Rgb8::black(kept.height, kept.width);
        let action = "read reduced photographs from the scratch file in";
        self.file.read_exact_at(&mut picture.data, kept.offset).map_err(Error::io(&self.folder, action))?;
        Ok(picture)
    }
}

/// The size that a photograph takes for `asked`: whole images, so portrait photographs give portrait samples.
pub(crate) fn oriented(asked: Size, portrait: bool) -> (usize, usize) {
    let (a, b) = (asked.height as usize, asked.width as usize);
    let (short, long) = (a.min(b), a.max(b));
    if portrait { (long, short) } else { (short, long) }
}

/// Resizes to exactly `height` x `width`.
///
/// Bicubic (Catmull-Rom, a = -0.5), widened to the scale when reducing, so that every source pixel counts:
/// what Pillow calls BICUBIC. Fixed-point arithmetic: the same bits with any vector extension.
pub(crate) fn resize(picture: &Rgb8, height: usize, width: usize) -> Result<Rgb8, String> {
    if (picture.height, picture.width) == (height, width) {
        return Ok(picture.clone());
    }
    let told = |e: &dyn std::fmt::Display| format!("cannot be resized ({e})");
    let size = picture.size();
    let from = ImageRef::new(size.width, size.height, &picture.data, PixelType::U8x3).map_err(|e| told(&e))?;
    let mut to = Image::new(width as u32, height as u32, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    Resizer::new().resize(&from, &mut to, &options).map_err(|e| told(&e))?;
    Ok(Rgb8 { height, width, data: to.into_vec() })
}
