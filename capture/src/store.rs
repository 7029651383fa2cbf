//! Brings a photograph from the camera into the session's folder: nothing is trusted before it was read back from the
//! disk, and nothing that is there is overwritten.

use std::{
    fs::{self, File},
    io,
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

/// A download that is what the camera sent, and not yet where it belongs.
#[derive(Debug)]
pub(crate) struct Sound {
    path: PathBuf,
    file: CardFile,
    bytes: u64,
    blake3: Digest,
}

impl Sound {
    /// Removes the download.
    pub(crate) fn discard(self) {
        // One that stays is in nobody's way: the next download of that name replaces it.
        let _ = fs::remove_file(self.path);
    }
}

/// Syncs a download, reads it back, compares it with what the camera announced (`file.bytes`) and sent (`sent`), and has
/// its content inspected. Answers the file, for [`place`], and what the inspection found.
///
/// # Errors
/// [`Error::Damaged`] when the file differs or does not pass: download it again. [`Error::Disk`] otherwise.
pub(crate) fn check<T>(
    path: PathBuf,
    file: CardFile,
    sent: Digest,
    inspect: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Result<(Sound, T), Error> {
    let read = reread(&path).map_err(disk(&path))?;
    let bytes = read.len() as u64;
    if file.bytes != 0 && bytes != file.bytes {
        let message = format!("{} came with {bytes} of {} bytes", file.name, file.bytes);
        return Err(Error::Damaged(message));
    }
    let blake3 = Digest::of(&read);
    if blake3 != sent {
        return Err(Error::Damaged(format!(
            "{} reads back from the disk with another hash than it was sent",
            file.name
        )));
    }
    let found = inspect(&read).map_err(|e| Error::Damaged(format!("{}: {e}", file.name)))?;
    Ok((Sound { path, file, bytes, blake3 }, found))
}

/// Moves the files of one photograph to `stem` below `root`, each with its extension, read-only, and answers their records
/// in the same order.
///
/// Where those names are taken by the same bytes, they are adopted: a program killed between moving and recording left
/// them. Where one is taken by others, all take the next number that is free, so that the files of a photograph share
/// a name.
///
/// # Errors
/// [`Error::Disk`]; [`Error::Damaged`] where two of the files would have one name.
pub(crate) fn place(root: &Path, files: &[Sound], stem: &str) -> Result<Vec<ShotFile>, Error> {
    let extensions: Vec<String> = files.iter().map(|f| f.file.extension()).collect();
    if let Some(twice) = (1..files.len()).find(|i| extensions[..*i].contains(&extensions[*i])) {
        let (name, extension) = (&files[twice].file.name, &extensions[twice]);
        return Err(Error::Damaged(format!("{name} is a second file of its photograph that ends in .{extension}")));
    }
    let mut copy = 0;
    let (paths, there) = loop {
        let suffix = if copy == 0 { String::new() } else { format!("-{copy}") };
        let name = |extension: &String| format!("{stem}{suffix}.{extension}").parse().map_err(Error::Damaged);
        let paths = extensions.iter().map(name).collect::<Result<Vec<RelPath>, _>>()?;
        let there = files.iter().zip(&paths).map(|(f, path)| there(&path.under(root), f.blake3));
        if let Some(there) = there.collect::<Result<Option<Vec<bool>>, _>>()? {
            break (paths, there);
        }
        copy += 1;
    };
    for ((file, path), there) in files.iter().zip(&paths).zip(there) {
        move_in(root, &file.path, &path.under(root), there)?;
    }
    let record = |(f, path): (&Sound, RelPath)| ShotFile {
        path,
        camera_name: f.file.path(),
        bytes: f.bytes,
        blake3: f.blake3,
        width: 0,
        height: 0,
    };
    Ok(files.iter().zip(paths).map(record).collect())
}

/// The bytes as the disk has them, not as the page cache remembers them.
fn reread(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    file.sync_all()?;
    // Advice: a file system that cannot drop its pages is read all the same.
    let _ = fadvise(&file, 0, None, Advice::DontNeed);
    fs::read(path)
}

/// Whether a file with these bytes is there already; none where there is another.
fn there(path: &Path, blake3: Digest) -> Result<Option<bool>, Error> {
    match Digest::of_file(path) {
        Ok(there) => Ok((there == blake3).then_some(true)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Some(false)),
        Err(e) => Err(disk(path)(e)),
    }
}

/// Moves a file to a name that nothing has, or removes it where the same bytes are there, and makes that durable.
fn move_in(root: &Path, from: &Path, to: &Path, there: bool) -> Result<(), Error> {
    let folder = to.parent().unwrap_or(root);
    if there {
        fs::remove_file(from).map_err(disk(from))?;
    } else {
        let read_only = File::open(from).and_then(|file| manifests::io::set_mode(&file, 0o444));
        read_only.map_err(disk(from))?;
        fs::create_dir_all(folder).map_err(disk(folder))?;
        move_new(from, to).map_err(|e| disk(to)(e.into()))?;
    }
    // The name, and the folders above it that this shot may have been the first to need; whoever was killed after moving
    // what is there may not have got to this.
    let mut parents = folder.ancestors().take_while(|p| p.starts_with(root));
    parents.try_for_each(|parent| manifests::io::sync_folder(parent).map_err(disk(parent)))
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

    /// Brings in a photograph of files by name and bytes.
    fn bring(root: &Path, files: &[(&str, &[u8])], stem: &str) -> Vec<ShotFile> {
        let check = |(name, bytes): &(&str, &[u8])| {
            let (file, path) = arrive(root, name, bytes);
            check(path, file, Digest::of(bytes), |b| Ok(b.len())).unwrap().0
        };
        let files: Vec<Sound> = files.iter().map(check).collect();
        place(root, &files, stem).unwrap()
    }

    fn paths(kept: &[ShotFile]) -> Vec<&str> {
        kept.iter().map(|k| k.path.as_str()).collect()
    }

    #[test]
    fn what_is_stored_is_read_only_adopted_when_equal_and_never_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let kept = bring(root, &[("DSC_0001.JPG", b"one")], "shots/hall/0000");
        assert_eq!((paths(&kept), kept[0].bytes), (vec!["shots/hall/0000.jpg"], 3));
        assert!(fs::metadata(kept[0].path.under(root)).unwrap().permissions().readonly());

        let again = bring(root, &[("DSC_0001.JPG", b"one")], "shots/hall/0000");
        assert_eq!(again[0].path, kept[0].path);
        assert_eq!(fs::read_dir(root.join(INCOMING)).unwrap().count(), 0);

        let other = bring(root, &[("DSC_0002.JPG", b"two")], "shots/hall/0000");
        assert_eq!(paths(&other), ["shots/hall/0000-1.jpg"]);
        assert_eq!(fs::read(kept[0].path.under(root)).unwrap(), b"one");
    }

    #[test]
    fn the_files_of_a_photograph_share_a_name_whatever_is_there() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        // A program was killed between the two files of a photograph: the first is adopted, the second joins it.
        bring(root, &[("DSC_0001.JPG", b"one")], "shots/0000");
        let both = bring(root, &[("DSC_0001.JPG", b"one"), ("DSC_0001.NEF", b"raw")], "shots/0000");
        assert_eq!(paths(&both), ["shots/0000.jpg", "shots/0000.nef"]);
        // Another photograph's second file is there, and no first one.
        bring(root, &[("DSC_0007.NEF", b"other")], "shots/0001");
        let both = bring(root, &[("DSC_0008.JPG", b"two"), ("DSC_0008.NEF", b"raw 2")], "shots/0001");
        assert_eq!(paths(&both), ["shots/0001-1.jpg", "shots/0001-1.nef"]);
        assert_eq!(fs::read(root.join("shots/0001.nef")).unwrap(), b"other");
        assert!(!root.join("shots/0001.jpg").exists());
    }

    #[test]
    fn two_files_that_would_have_one_name_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let files = ["DSC_0001.JPG", "DSC_0001.jpg"].map(|name| {
            let (file, path) = arrive(root.path(), name, b"one");
            check(path, file, Digest::of(b"one"), |_| Ok(())).unwrap().0
        });
        let e = place(root.path(), &files, "shots/0000").unwrap_err();
        assert_eq!(e.to_string(), "DSC_0001.jpg is a second file of its photograph that ends in .jpg");
        assert!(!root.path().join("shots").exists());
    }

    #[test]
    fn a_short_or_changed_file_does_not_pass() {
        let root = tempfile::tempdir().unwrap();
        let (mut file, path) = arrive(root.path(), "DSC_0001.JPG", b"short");
        file.bytes = 9;
        let pass = |_: &[u8]| Ok(());
        let e = check(path.clone(), file.clone(), Digest::of(b"short"), pass).unwrap_err();
        assert_eq!(e.to_string(), "DSC_0001.JPG came with 5 of 9 bytes");
        file.bytes = 5;
        let other = check(path.clone(), file.clone(), Digest::of(b"other"), pass);
        assert!(matches!(other, Err(Error::Damaged(_))));
        let unread = check(path, file, Digest::of(b"short"), |_| Err::<(), _>("no picture".into()));
        assert!(matches!(unread, Err(Error::Damaged(_))));
    }
}
