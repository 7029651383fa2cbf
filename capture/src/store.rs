//! Brings a photograph from the camera into the session's folder: nothing is trusted before it was read back from the
//! disk, and nothing that is there is overwritten.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use manifests::{Digest, RelPath, session::ShotFile};
use rustix::fs::{Advice, AtFlags, CWD, RenameFlags, fadvise, linkat, renameat_with, unlinkat};

use crate::camera::CardFile;

/// Folder of files on their way in, below the session's.
pub(crate) const INCOMING: &str = ".incoming";

/// What is wrong with a file that came in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The disk.
    #[error("{}: {source}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not what the camera sent.
    #[error("{0}")]
    Damaged(String),
}

/// Where a download may be written: a fresh name in the session's folder.
///
/// # Errors
/// [`Error::Disk`]; [`Error::Damaged`] where the file's name would lead elsewhere.
pub(crate) fn incoming(root: &Path, file: &CardFile) -> Result<PathBuf, Error> {
    // It comes from a device, and becomes a path here.
    if Path::new(&file.name).file_name() != Some(file.name.as_ref()) {
        return Err(Error::Damaged(format!("the camera calls a file {:?}, which is no file's name", file.name)));
    }
    let folder = root.join(INCOMING);
    fs::create_dir_all(&folder).map_err(disk(&folder))?;
    let path = folder.join(&file.name);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(disk(&path)(e)),
        _ => Ok(path),
    }
}

/// Removes what is left of downloads once every shot is stored.
pub(crate) fn tidy(root: &Path) {
    // A folder that stays is empty or holds copies: nothing depends on it.
    let _ = fs::remove_dir_all(root.join(INCOMING));
}

/// Syncs a download, reads it back, compares it with what the camera announced (`file.bytes`) and sent (`sent`), has
/// its content inspected, and moves it to `stem` below `root`, with the file's extension, read-only. Answers the record
/// and what the inspection found.
///
/// Where that name is taken by the same bytes, they are adopted: a program killed between moving and recording left
/// them. Where it is taken by others, the next free name is used.
///
/// # Errors
/// [`Error::Damaged`] when the file differs or does not pass: download it again. [`Error::Disk`] otherwise.
pub(crate) fn keep<T>(
    root: &Path,
    from: &Path,
    stem: &str,
    file: &CardFile,
    sent: Digest,
    inspect: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Result<(ShotFile, T), Error> {
    let bytes = reread(from).map_err(disk(from))?;
    let length = bytes.len() as u64;
    if file.bytes != 0 && length != file.bytes {
        let message = format!("{} came with {length} of {} bytes", file.name, file.bytes);
        return Err(Error::Damaged(message));
    }
    let blake3 = Digest::of(&bytes);
    if blake3 != sent {
        return Err(Error::Damaged(format!(
            "{} reads back from the disk with another hash than it was sent",
            file.name
        )));
    }
    let found = inspect(&bytes).map_err(|e| Error::Damaged(format!("{}: {e}", file.name)))?;
    let path = place(root, from, stem, &file.extension(), blake3)?;
    Ok((ShotFile { path, camera_name: file.path(), bytes: length, blake3, width: 0, height: 0 }, found))
}

/// The bytes as the disk has them, not as the page cache remembers them.
fn reread(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    file.sync_all()?;
    // Advice: a file system that cannot drop its pages is read all the same.
    let _ = fadvise(&file, 0, None, Advice::DontNeed);
    fs::read(path)
}

fn place(root: &Path, from: &Path, stem: &str, extension: &str, blake3: Digest) -> Result<RelPath, Error> {
    fs::set_permissions(from, fs::Permissions::from_mode(0o444)).map_err(disk(from))?;
    let mut copy = 0;
    loop {
        let suffix = if copy == 0 { String::new() } else { format!("-{copy}") };
        let text = format!("{stem}{suffix}.{extension}");
        let relative: RelPath = text.parse().map_err(Error::Damaged)?;
        let to = relative.under(root);
        let folder = to.parent().unwrap_or(root);
        fs::create_dir_all(folder).map_err(disk(folder))?;
        // The name, and the folders above it that this shot may have been the first to need.
        let sync = || -> Result<(), Error> {
            let mut parents = folder.ancestors().take_while(|p| p.starts_with(root));
            parents.try_for_each(|parent| manifests::io::sync_folder(parent).map_err(disk(parent)))
        };
        match move_new(from, &to) {
            Ok(()) => {
                sync()?;
                return Ok(relative);
            }
            Err(rustix::io::Errno::EXIST) => {
                if Digest::of_file(&to).map_err(disk(&to))? == blake3 {
                    // Whoever was killed after moving it may not have got to this.
                    sync()?;
                    fs::remove_file(from).map_err(disk(from))?;
                    return Ok(relative);
                }
                copy += 1;
            }
            Err(e) => return Err(disk(&to)(e.into())),
        }
    }
}

/// Gives a file another name, which nothing has yet. Where the file system cannot do that in one go (NFS), the file has both
/// names for a moment.
fn move_new(from: &Path, to: &Path) -> rustix::io::Result<()> {
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            linkat(CWD, from, CWD, to, AtFlags::empty())?;
            unlinkat(CWD, from, AtFlags::empty())
        }
        done => done,
    }
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Disk { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrive(root: &Path, name: &str, bytes: &[u8]) -> (CardFile, PathBuf) {
        let file = CardFile { folder: "/DCIM".into(), name: name.into(), bytes: bytes.len() as u64 };
        let path = incoming(root, &file).unwrap();
        fs::write(&path, bytes).unwrap();
        (file, path)
    }

    #[test]
    fn what_is_stored_is_read_only_adopted_when_equal_and_never_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let (file, path) = arrive(root, "DSC_0001.JPG", b"one");
        let length = |b: &[u8]| Ok(b.len());
        let (kept, found) = keep(root, &path, "shots/hall/0000", &file, Digest::of(b"one"), length).unwrap();
        assert_eq!((kept.path.as_str(), found), ("shots/hall/0000.jpg", 3));
        assert!(fs::metadata(kept.path.under(root)).unwrap().permissions().readonly());

        let (file, path) = arrive(root, "DSC_0001.JPG", b"one");
        let (again, _) = keep(root, &path, "shots/hall/0000", &file, Digest::of(b"one"), length).unwrap();
        assert_eq!(again.path, kept.path);
        assert!(!path.exists());

        let (file, path) = arrive(root, "DSC_0002.JPG", b"two");
        let (other, _) = keep(root, &path, "shots/hall/0000", &file, Digest::of(b"two"), length).unwrap();
        assert_eq!(other.path.as_str(), "shots/hall/0000-1.jpg");
        assert_eq!(fs::read(kept.path.under(root)).unwrap(), b"one");
    }

    #[test]
    fn a_short_or_changed_file_is_not_kept() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let (mut file, path) = arrive(root, "DSC_0001.JPG", b"short");
        file.bytes = 9;
        let pass = |_: &[u8]| Ok(());
        let e = keep(root, &path, "shots/a", &file, Digest::of(b"short"), pass).unwrap_err();
        assert_eq!(e.to_string(), "DSC_0001.JPG came with 5 of 9 bytes");
        file.bytes = 5;
        let other = keep(root, &path, "shots/a", &file, Digest::of(b"other"), pass);
        assert!(matches!(other, Err(Error::Damaged(_))));
        let unread = keep(root, &path, "shots/a", &file, Digest::of(b"short"), |_| Err::<(), _>("no picture".into()));
        assert!(matches!(unread, Err(Error::Damaged(_))));
        assert!(!root.join("shots").exists());
    }
}
