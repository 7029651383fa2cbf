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
    #[error("{}", of_candle(.0))]
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

/// What Candle says in one sentence: without the backtrace that RUST_BACKTRACE adds, and with what to do where a GPU's driver ends
/// the work.
pub(crate) fn of_candle(e: &candle_core::Error) -> String {
    let mut e = e;
    while let candle_core::Error::WithBacktrace { inner, .. } = e {
        e = inner;
    }
    let text = e.to_string();
    if text.contains("CUDA_ERROR_OUT_OF_MEMORY") {
        return "the GPU's memory is full: a smaller batch or smaller pictures need less; nvidia-smi shows who else has some"
            .into();
    }
    if text.starts_with("DriverError(") {
        return format!(
            "the GPU failed and cannot be used before the program is started again ({text}); dmesg may say why"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candle_is_heard_without_its_backtrace() {
        let backtrace = Box::new(std::backtrace::Backtrace::force_capture());
        let inner = Box::new(candle_core::Error::Msg("one sentence".into()));
        let e = candle_core::Error::WithBacktrace { inner, backtrace };
        assert!(e.to_string().lines().count() > 1);
        assert_eq!(Error::from(e).to_string(), "one sentence");
    }

    #[test]
    fn a_gpu_that_ends_the_work_is_told_with_what_to_do() {
        let of = |text: &str| Error::from(candle_core::Error::Msg(text.into())).to_string();
        let full = of("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")");
        assert!(full.starts_with("the GPU's memory is full") && full.contains("smaller batch"), "{full}");
        let lost = of("DriverError(CUDA_ERROR_LAUNCH_FAILED, \"unspecified launch failure\")");
        assert!(lost.starts_with("the GPU failed") && lost.contains("unspecified launch failure"), "{lost}");
    }
}
