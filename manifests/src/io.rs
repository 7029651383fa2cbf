//! Strict reading and atomic writing of YAML manifests.

use std::{fs, io::Write, path::Path};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::{CheckError, Error, friendly},
    locate,
};

/// A YAML file that starts with `version`.
pub trait Manifest: Serialize + DeserializeOwned {
    /// What people call it, in messages: `plan`, `recipe`, ...
    const KIND: &'static str;
    /// The newest version that this program reads and the one that it writes.
    const VERSION: u32;

    /// Rules between several keys.
    ///
    /// # Errors
    /// The first rule that does not hold, with the key that breaks it.
    fn check(&self) -> Result<(), CheckError> {
        Ok(())
    }
}

/// Only the version, so that a newer file is refused as such and not for its unknown keys.
#[derive(Deserialize)]
struct VersionOnly {
    version: Option<u64>,
}

/// Reads a manifest strictly.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Newer`] for a newer version, else
/// [`Error::Invalid`] with line and column.
pub fn read_yaml<T: Manifest>(path: &Path) -> Result<T, Error> {
    let bytes = fs::read(path).map_err(Error::io(path, "read"))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        invalid(path, line, 1, "is not UTF-8 text".into())
    })?;
    parse_yaml(&text, path)
}

/// Reads a manifest from text; `path` only names it in messages.
///
/// # Errors
/// As [`read_yaml`].
pub fn parse_yaml<T: Manifest>(text: &str, path: &Path) -> Result<T, Error> {
    if let Ok(VersionOnly { version: Some(found) }) = serde_yaml::from_str(text)
        && found > u64::from(T::VERSION)
    {
        return Err(Error::Newer { path: path.to_path_buf(), kind: T::KIND, found, supported: T::VERSION });
    }
    if let Ok(VersionOnly { version: Some(0) }) = serde_yaml::from_str(text) {
        let (line, column) = locate::line_column(text, "version");
        let message = format!("version: there is no version 0 of a {}: write {}", T::KIND, T::VERSION);
        return Err(invalid(path, line, column, message));
    }
    let value: T = serde_yaml::from_str(text).map_err(|e| {
        let (line, column) = e.location().map_or((1, 1), |l| (l.line(), l.column()));
        let message = e.to_string();
        let bare = message.split(" at line ").next().unwrap_or(&message);
        invalid(path, line, column, friendly(bare))
    })?;
    value.check().map_err(|e| {
        let (line, column) = locate::line_column(text, &e.path);
        invalid(path, line, column, format!("{}: {}", e.path, e.message))
    })?;
    Ok(value)
}

/// An error at a key of a manifest that was read from `path`, for rules that only the caller can check.
pub fn error_at(path: &Path, error: CheckError) -> Error {
    let text = fs::read_to_string(path).unwrap_or_default();
    let (line, column) = locate::line_column(&text, &error.path);
    invalid(path, line, column, format!("{}: {}", error.path, error.message))
}

fn invalid(path: &Path, line: usize, column: usize, message: String) -> Error {
    Error::Invalid { path: path.to_path_buf(), line, column, message }
}

/// Writes a manifest whole or not at all.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be written or the disk is full; the old file stays.
pub fn write_yaml<T: Manifest>(path: &Path, value: &T) -> Result<(), Error> {
    write_atomic(path, to_yaml(path, value)?.as_bytes())
}

/// A manifest as the text that [`write_yaml`] writes; `path` only names it in messages.
///
/// # Errors
/// [`Error::Io`] for a value that YAML cannot hold.
pub fn to_yaml<T: Manifest>(path: &Path, value: &T) -> Result<String, Error> {
    let told = |e| Error::Io { path: path.to_path_buf(), action: "write", source: std::io::Error::other(e) };
    serde_yaml::to_string(value).map_err(told)
}

/// How the names of files begin that are being written. One that a killed program left is good for nothing.
pub const UNFINISHED: &str = ".writing-";

/// Writes bytes beside `path`, syncs them, renames them over it and syncs the folder.
///
/// # Errors
/// [`Error::Io`]; the old file stays as it was and no temporary file is left.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_atomic_with(path, |file| file.write_all(bytes))
}

/// As [`write_atomic`], with what `fill` writes: for what need not be in memory at once.
///
/// # Errors
/// As [`write_atomic`], and what `fill` answers.
pub fn write_atomic_with(path: &Path, fill: impl FnOnce(&mut fs::File) -> std::io::Result<()>) -> Result<(), Error> {
    let folder = folder_of(path);
    (|| {
        whole_beside(path, fill)?.persist(path).map_err(|e| e.error)?;
        sync_folder(folder)
    })()
    .map_err(Error::io(path, "write"))
}

/// As [`write_atomic`], unless there is a file of this name, which stays: of several programs that write one at the same time the
/// first wins. A file system that cannot refuse to replace replaces.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    use std::io::ErrorKind;
    let place = || -> std::io::Result<()> {
        match whole_beside(path, |file| file.write_all(bytes))?.persist_noclobber(path) {
            Err(e) if e.error.kind() == ErrorKind::AlreadyExists => return Ok(()),
            // Neither a rename that refuses nor a hard link.
            Err(e)
                if matches!(e.error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput) || is_eperm(&e.error) =>
            {
                e.file.persist(path).map_err(|e| e.error)?;
            }
            Err(e) => return Err(e.error),
            Ok(_) => {}
        }
        sync_folder(folder_of(path))
    };
    place().map_err(Error::io(path, "write"))
}

/// A file beside `path`, filled and synced; it goes when it is dropped.
fn whole_beside(
    path: &Path,
    fill: impl FnOnce(&mut fs::File) -> std::io::Result<()>,
) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder_of(path))?;
    fill(file.as_file_mut())?;
    // tempfile makes files private; manifests are as readable as anything else the user creates.
    #[cfg(unix)]
    set_mode(file.as_file(), 0o644)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a rename or a new name in `folder` durable, as far as its file system can: some, on networks or in user space, do not
/// sync folders.
///
/// # Errors
/// Whatever opening or syncing the folder answers otherwise.
pub fn sync_folder(folder: &Path) -> std::io::Result<()> {
    use std::io::ErrorKind;
    match fs::File::open(folder)?.sync_all() {
        Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        done => done,
    }
}

/// Gives a file its mode bits, where its file system has any: exFAT and some others refuse.
///
/// # Errors
/// Whatever else changing them answers.
#[cfg(unix)]
pub fn set_mode(file: &fs::File, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    match file.set_permissions(fs::Permissions::from_mode(mode)) {
        Err(e) if is_eperm(&e) || e.kind() == std::io::ErrorKind::Unsupported => Ok(()),
        done => done,
    }
}

/// Whether a file system says that it cannot: not EACCES, which std calls by the same name.
fn is_eperm(e: &std::io::Error) -> bool {
    /// The same number on every Unix.
    const EPERM: i32 = 1;
    e.raw_os_error() == Some(EPERM)
}
