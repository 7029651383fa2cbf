//! What can go wrong, each in a sentence that names the place and what to do.

use std::path::{Path, PathBuf};

use manifests::CheckError;

/// Of many photographs that cannot be used, so many are named.
const SHOWN: usize = 20;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A manifest could not be read, written or accepted.
    #[error(transparent)]
    Manifest(#[from] manifests::Error),
    /// A file or folder could not be read or written.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or folder concerned.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system answered.
        source: std::io::Error,
    },
    /// An object store refused or could not be reached.
    #[error("{place}: cannot {action}: {source}")]
    Store {
        /// The object concerned.
        place: String,
        /// What was tried.
        action: &'static str,
        /// What the store answered.
        source: Box<object_store::Error>,
    },
    /// Photographs that cannot be used, where the recipe says that none may be left out.
    #[error("{}{}; repair or remove {}, or set `unreadable: skip` in the recipe",
        list[..list.len().min(SHOWN)].join("\n"),
        if list.len() > SHOWN { format!("\n(and {} more)", list.len() - SHOWN) } else { String::new() },
        if list.len() > 1 { "them" } else { "it" })]
    Unreadable {
        /// One sentence for each, at least one.
        list: Vec<String>,
    },
    /// A folder holds a data set that the recipe and its sources would not give.
    #[error("{}: {difference}; build into another folder, or restore what changed", dir.display())]
    OtherDataset {
        /// The data set's folder.
        dir: PathBuf,
        /// The first difference, in words.
        difference: String,
    },
    /// The request does not fit the files.
    #[error("{0}")]
    BadInput(String),
    /// The user asked to stop; everything finished is saved.
    #[error("stopped with {done} of {total} samples finished; the same command goes on from there")]
    Stopped {
        /// Samples in the manifest.
        done: u64,
        /// Samples asked for.
        total: u64,
    },
    /// The user asked to stop before anything new was finished.
    #[error("stopped before a new sample was finished; those that were there stay, and the same command goes on")]
    Interrupted,
    /// The user asked to stop what has no half.
    #[error("{}: stopped, and nothing is left of it", out.display())]
    GivenUp {
        /// What would have become of it.
        out: PathBuf,
    },
    /// A data set does not hold what its manifest says.
    #[error("{0}")]
    Damaged(String),
}

impl Error {
    /// Wraps an I/O error with the path and what was tried; use with `map_err`.
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, action, source }
    }

    /// A key of a manifest that does not fit the files that it names.
    pub(crate) fn key(file: &Path, key: &str, message: impl Into<String>) -> Self {
        Self::Manifest(manifests::io::error_at(file, CheckError::new(key, message)))
    }

    /// The program's exit code: 1 failed, 2 bad input, 3 stopped by the user.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Manifest(e) if e.is_bad_input() => 2,
            Self::Unreadable { .. } | Self::OtherDataset { .. } | Self::BadInput(_) => 2,
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => 2,
            Self::Stopped { .. } | Self::Interrupted | Self::GivenUp { .. } => 3,
            Self::Manifest(_) | Self::Store { .. } | Self::Io { .. } | Self::Damaged(_) => 1,
        }
    }
}
