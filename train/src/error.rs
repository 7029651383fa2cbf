//! Errors of the library, and the exit code that each stands for.

use std::path::{Path, PathBuf};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the user gave cannot be used: exit code 2.
    #[error("{0}")]
    BadInput(String),
    /// A manifest cannot be read or written.
    #[error(transparent)]
    Manifest(#[from] manifests::Error),
    /// A sample cannot be mixed, or a recipe's photographs cannot be read.
    #[error(transparent)]
    Synth(#[from] synth::Error),
    /// A file cannot be read or written.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system answered.
        source: std::io::Error,
    },
    /// Candle could not compute.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// Anything else that ends a command: exit code 1.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    /// Bad input in one sentence.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::BadInput(message.into())
    }

    /// Bad input at a path.
    pub(crate) fn input_at(path: &Path, message: impl std::fmt::Display) -> Self {
        Self::BadInput(format!("{}: {message}", path.display()))
    }

    /// Wraps an I/O error with the path and what was tried; use with `map_err`.
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, action, source }
    }

    /// 2 where the fault lies in what the user gave, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::BadInput(_) => 2,
            Self::Manifest(e) if e.is_bad_input() => 2,
            Self::Synth(e) => e.exit_code(),
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => 2,
            _ => 1,
        }
    }
}
