//! Where a photograph's bytes lie: a file, or a part of an archive.

use std::{
    collections::HashMap,
    fmt,
    fs::{File, Metadata},
    io::Read,
    os::unix::{ffi::OsStrExt, fs::FileExt},
    path::{Path, PathBuf},
    sync::Mutex,
};

use manifests::recipe::Source;

use super::{Stamp, tar};
use crate::{error::Error, recipe::place};

/// Bytes of a photograph at most: 256 million pixels of 8 bytes, which is what is decoded.
const MAX_BYTES: u64 = 2 << 30;

/// A file, or a member of a tar file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    file: PathBuf,
    member: Option<Member>,
}

/// A member of an archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member {
    /// Its name, for people.
    pub(super) name: String,
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl At {
    pub(crate) fn file(file: PathBuf) -> Self {
        Self { file, member: None }
    }

    pub(super) fn member(file: PathBuf, member: Member) -> Self {
        Self { file, member: Some(member) }
    }

    /// Its bytes.
    pub(crate) fn read(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_into(&mut bytes)?;
        Ok(bytes)
    }

    /// Its bytes, in place of those that are there: photographs are so large that the system takes longer to find memory for
    /// one than to read it.
    pub(crate) fn read_into(&self, bytes: &mut Vec<u8>) -> std::io::Result<()> {
        bytes.clear();
        // Before it is opened: a pipe would wait for whoever writes into it.
        let about = std::fs::metadata(&self.file)?;
        if !about.is_file() {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "is no regular file"));
        }
        let length = self.member.as_ref().map_or(about.len(), |member| member.length);
        if length > MAX_BYTES {
            let why = format!("{length} bytes, above the limit of {} GiB", MAX_BYTES >> 30);
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, why));
        }
        let file = File::open(&self.file)?;
        let Some(member) = &self.member else {
            bytes.try_reserve_exact(length as usize)?;
            // It may be growing.
            return file.take(MAX_BYTES).read_to_end(bytes).map(drop);
        };
        // What an archive claims is no reason to take memory: it may be torn.
        if member.length > about.len().saturating_sub(member.offset) {
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the archive ends before it"));
        }
        bytes.resize(member.length as usize, 0);
        file.read_exact_at(bytes, member.offset)
    }

    /// What the file system says of the file, or of the archive.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        std::fs::metadata(&self.file).ok().filter(Metadata::is_file).as_ref().map(Stamp::of)
    }

    /// Length of a photograph whose file has this stamp.
    pub(crate) fn length(&self, stamp: &Stamp) -> u64 {
        self.member.as_ref().map_or(stamp.length, |member| member.length)
    }

    /// Tells this place from every other on this machine.
    pub(crate) fn key(&self) -> Option<Vec<u8>> {
        let mut key = std::path::absolute(&self.file).ok()?.as_os_str().as_bytes().to_vec();
        if let Some(Member { offset, length, .. }) = self.member {
            key.extend([[0; 8], offset.to_le_bytes(), length.to_le_bytes()].as_flattened());
        }
        Some(key)
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.member {
            None => self.file.display().fmt(f),
            Some(member) => write!(f, "{}/{}", self.file.display(), member.name),
        }
    }
}

/// Finds photographs of a built data set again, by source and path; remembers the archives that it opened.
#[derive(Debug, Default)]
pub(crate) struct Finder {
    archives: Mutex<HashMap<PathBuf, HashMap<String, At>>>,
}

impl Finder {
    /// The photograph at `path` below its source.
    ///
    /// # Errors
    /// An archive that cannot be read or does not hold it. Whether a file is there shows when it is read.
    pub(crate) fn find(&self, source: &Source, root: &Path, path: &str) -> Result<At, Error> {
        let folder = place(source, root);
        if source.tar.is_none() {
            return Ok(At::file(folder.join(path)));
        }
        // The archive is the first part of the path that is a file.
        let cut = path.match_indices('/').map(|(at, _)| at).find(|at| folder.join(&path[..*at]).is_file());
        let Some(cut) = cut else {
            let message = format!("{}: there is no archive with this photograph", folder.join(path).display());
            return Err(Error::BadInput(message));
        };
        let archive = folder.join(&path[..cut]);
        let mut archives = self.archives.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !archives.contains_key(&archive) {
            let members = tar::index(&archive).map_err(Error::io(&archive, "read"))?;
            let members = members.into_iter().map(|m| (m.name.clone(), At::member(archive.clone(), m))).collect();
            archives.insert(archive.clone(), members);
        }
        let found = archives.get(&archive).and_then(|members| members.get(&path[cut + 1..])).cloned();
        found.ok_or_else(|| Error::BadInput(format!("{}: has no member {}", archive.display(), &path[cut + 1..])))
    }
}
