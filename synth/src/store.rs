//! Where reduced photographs are kept.
//!
//! They lie in an unnamed scratch file: the system's page cache keeps in memory what
//! fits, so 3,250 photographs need no more of the process than one, and nothing is left behind
//! however it ends.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

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
