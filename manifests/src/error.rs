//! Errors of reading and writing manifests: one sentence that names the place and the remedy.

use std::path::{Path, PathBuf};

/// What went wrong with a manifest.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read, written or synced.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or folder concerned.
        path: PathBuf,
        /// What was tried: `read`, `write`, `create`, ...
        action: &'static str,
        /// What the system answered.
        source: std::io::Error,
    },
    /// The text is not a valid manifest of its kind.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Invalid {
        /// The file concerned.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong and what to write instead.
        message: String,
    },
    /// The file was written by a newer program.
    #[error("{}: this {kind} has version {found}, newer than this program, which reads up to {supported}: update the program", path.display())]
    Newer {
        /// The file concerned.
        path: PathBuf,
        /// What kind of manifest was expected.
        kind: &'static str,
        /// The file's version.
        found: u64,
        /// The newest version that this program reads.
        supported: u32,
    },
}

impl Error {
    /// Wraps an I/O error with the path and what was tried; use with `map_err`.
    pub fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, action, source }
    }

    /// Whether the fault lies in what the user wrote, rather than in the machine: exit code 2, not 1.
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            Self::Invalid { .. } | Self::Newer { .. } => true,
        }
    }
}

/// A rule between several keys that a manifest breaks; reading turns `path` into line and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckError {
    /// The key concerned, as `sweeps[1].shutter`.
    pub path: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl CheckError {
    /// A broken rule at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// Turns serde's words on an unknown key or variant into a sentence with the nearest one.
pub(crate) fn friendly(message: &str) -> String {
    for (what, word) in [("unknown field `", "key"), ("unknown variant `", "value")] {
        let Some((before, rest)) = message.split_once(what) else { continue };
        let Some((found, expected)) = rest.split_once('`') else { continue };
        let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let near = known.iter().min_by_key(|k| strsim::damerau_levenshtein(k, found));
        let close = near.filter(|k| strsim::damerau_levenshtein(k, found) <= 1 + found.len() / 3);
        let hint = match (close, known.is_empty()) {
            (Some(k), _) => format!("did you mean `{k}`?"),
            (None, false) => format!("known are {}", known.join(", ")),
            (None, true) => "none is allowed here".to_owned(),
        };
        return format!("{before}unknown {word} `{found}`; {hint}");
    }
    message.to_owned()
}
