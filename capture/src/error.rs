//! What ends a command, and with which exit code.

use crate::camera;

/// What ends a command before it is done. The text is the one sentence that the user reads.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A manifest or a log could not be read or written.
    #[error(transparent)]
    Manifest(#[from] manifests::Error),
    /// The camera.
    #[error(transparent)]
    Camera(#[from] camera::Error),
    /// Wrong use, or input that cannot be used.
    #[error("{0}")]
    Input(String),
    /// Anything else that failed.
    #[error("{0}")]
    Failed(String),
    /// The user stopped it; everything is saved.
    #[error("{0}")]
    Stopped(String),
}

impl Error {
    /// 1 failed, 2 wrong use or bad input, 3 stopped by the user with everything saved.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Manifest(e) if e.is_bad_input() => 2,
            Self::Input(_) => 2,
            Self::Manifest(_) | Self::Camera(_) | Self::Failed(_) => 1,
            Self::Stopped(_) => 3,
        }
    }
}
