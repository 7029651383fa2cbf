//! Where reduced photographs are kept.
//!
//! The first of them in memory, as far as [`MEMORY`] goes; the others in an unnamed scratch file: the system's page cache
//! keeps what fits, so 3,250 photographs need little more of the process than a hundred, and nothing is left behind however
//! it ends.

use std::{
    borrow::Cow,
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{error::Error, pixels::Rgb8};

/// Bytes of pictures that are kept in memory.
const MEMORY: u64 = 256 << 20;

/// Where reduced pictures are kept.
#[derive(Debug)]
pub(crate) struct Store {
    file: File,
    end: AtomicU64,
    in_memory: AtomicU64,
    folder: std::path::PathBuf,
}

/// A picture in the store.
#[derive(Debug)]
pub(crate) enum Kept {
    Memory(Rgb8),
    File { offset: u64, height: usize, width: usize },
}

impl Kept {
    /// Whether it is higher than wide.
    pub(crate) fn is_portrait(&self) -> bool {
        match self {
            Self::Memory(picture) => picture.height > picture.width,
            Self::File { height, width, .. } => height > width,
        }
    }
}

impl Store {
    /// A new store whose scratch file lies in `folder`.
    pub(crate) fn create(folder: &Path) -> Result<Self, Error> {
        let file = tempfile::tempfile_in(folder).map_err(Error::io(folder, "create a scratch file in"))?;
        let (end, in_memory) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { file, end, in_memory, folder: folder.to_path_buf() })
    }

    /// Keeps a picture; from any thread.
    pub(crate) fn keep(&self, picture: Rgb8) -> Result<Kept, Error> {
        let bytes = picture.data.len() as u64;
        if self.in_memory.fetch_add(bytes, Ordering::Relaxed) + bytes <= MEMORY {
            return Ok(Kept::Memory(picture));
        }
        let offset = self.end.fetch_add(bytes, Ordering::Relaxed);
        let action = "write reduced photographs to a scratch file in";
        self.file.write_all_at(&picture.data, offset).map_err(Error::io(&self.folder, action))?;
        Ok(Kept::File { offset, height: picture.height, width: picture.width })
    }

    /// Reads a picture back; from any thread.
    pub(crate) fn get<'a>(&self, kept: &'a Kept) -> Result<Cow<'a, Rgb8>, Error> {
        match kept {
            Kept::Memory(picture) => Ok(Cow::Borrowed(picture)),
            Kept::File { offset, height, width } => {
                let mut picture = Rgb8::black(*height, *width);
                let action = "read reduced photographs from the scratch file in";
                self.file.read_exact_at(&mut picture.data, *offset).map_err(Error::io(&self.folder, action))?;
                Ok(Cow::Owned(picture))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn pictures_come_back_from_memory_and_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(folder.path()).unwrap();
        let picture = |v: u8| Rgb8 { height: 2, width: 3, data: vec![v; 18] };
        let first = store.keep(picture(7)).unwrap();
        store.in_memory.store(MEMORY - 17, Ordering::Relaxed);
        let others = [8, 9].map(|v| store.keep(picture(v)).unwrap());
        assert!(matches!(first, Kept::Memory(_)) && others.iter().all(|kept| matches!(kept, Kept::File { .. })));
        for (kept, v) in [&first, &others[0], &others[1]].into_iter().zip([7, 8, 9]) {
            assert_eq!(*store.get(kept).unwrap(), picture(v));
        }
    }
}
