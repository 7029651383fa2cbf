//! Append-only JSON Lines: one synced line at a time, and a torn last line is no line.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    marker::PhantomData,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Error, friendly};

/// What a log held when it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Log<T> {
    /// Every whole line, in order.
    pub rows: Vec<T>,
    /// Whether a last line without its newline was dropped.
    pub torn: bool,
}

/// Reads every whole line. A missing file is an empty log; a last line without a newline was torn
/// by a crash and is dropped; a bad line before that is an error.
///
/// # Errors
/// [`Error::Io`], or [`Error::Invalid`] naming the line.
pub fn read_log<T: DeserializeOwned>(path: &Path) -> Result<Log<T>, Error> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Log { rows: Vec::new(), torn: false }),
        Err(e) => return Err(Error::io(path, "read")(e)),
    };
    let whole = whole_lines(&text);
    let rows = whole
        .split_terminator_lines()
        .enumerate()
        .map(|(i, line)| parse_line(line, path, i + 1))
        .collect::<Result<_, _>>()?;
    Ok(Log { rows, torn: whole.len() < text.len() })
}

/// Parses one line of a log; `path` and `line` (from 1) only name it in messages.
///
/// # Errors
/// [`Error::Invalid`] with line and column.
pub fn parse_line<T: DeserializeOwned>(text: &[u8], path: &Path, line: usize) -> Result<T, Error> {
    serde_json::from_slice(text).map_err(|e| {
        let message = e.to_string();
        let bare = message.split(" at line ").next().unwrap_or(&message);
        Error::Invalid { path: path.to_path_buf(), line, column: e.column().max(1), message: friendly(bare) }
    })
}

/// The bytes up to and including the last newline.
fn whole_lines(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    &text[..end]
}

/// Where the last newline of a file ends, found from the back: a log of a million lines is not read to append one.
fn end_of_last_line(file: &mut File, len: u64) -> std::io::Result<u64> {
    let mut block = vec![0; 64 << 10];
    let mut end = len;
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let part = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        if let Some(i) = part.iter().rposition(|b| *b == b'\n') {
            return Ok(start + i as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

trait Lines {
    fn split_terminator_lines(&self) -> impl Iterator<Item = &[u8]>;
}
impl Lines for [u8] {
    fn split_terminator_lines(&self) -> impl Iterator<Item = &[u8]> {
        self.split_inclusive(|b| *b == b'\n').map(|l| l.strip_suffix(b"\n").unwrap_or(l))
    }
}

/// Appends rows to a log. Each [`append`](Self::append) is on the disk when it returns.
#[derive(Debug)]
pub struct LogWriter<T> {
    file: File,
    path: PathBuf,
    /// Where the last whole line ends: what a failed append is rolled back to.
    end: u64,
    row: PhantomData<fn(&T)>,
}

impl<T: Serialize> LogWriter<T> {
    /// Opens or creates the log and cuts off a torn last line.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let open = || -> std::io::Result<(File, u64)> {
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            let len = file.metadata()?.len();
            let end = end_of_last_line(&mut file, len)?;
            if end < len {
                file.set_len(end)?;
                file.sync_all()?;
            }
            file.seek(SeekFrom::Start(end))?;
            // Also of a log that was there: whoever created it may have been killed before this.
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            crate::io::sync_folder(folder)?;
            Ok((file, end))
        };
        let (file, end) = open().map_err(Error::io(path, "open"))?;
        Ok(Self { file, path: path.to_path_buf(), end, row: PhantomData })
    }

    /// Appends one row and syncs it.
    ///
    /// # Errors
    /// [`Error::Io`], for instance on a full disk: the log then ends as it did before.
    pub fn append(&mut self, row: &T) -> Result<(), Error> {
        self.append_all(std::slice::from_ref(row))
    }

    /// Appends several rows with one sync: all of them, or none when the disk is full.
    ///
    /// # Errors
    /// [`Error::Io`]: the log then ends as it did before.
    pub fn append_all(&mut self, rows: &[T]) -> Result<(), Error> {
        let mut text = Vec::new();
        let written = rows
            .iter()
            .try_for_each(|row| {
                serde_json::to_writer(&mut text, row)?;
                text.push(b'\n');
                Ok(())
            })
            .and_then(|()| self.file.write_all(&text))
            .and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.end += text.len() as u64;
                Ok(())
            }
            Err(e) => {
                // Best effort: a torn line that stays is dropped by the next reader anyway, or overwritten by the next row.
                let _ = self.file.set_len(self.end);
                let _ = self.file.seek(SeekFrom::Start(self.end));
                Err(Error::io(&self.path, "append to")(e))
            }
        }
    }
}
