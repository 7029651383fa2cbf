//! What the program and the process that holds the camera say to each other: one JSON line each way. Pictures do not
//! pass: the holder writes them to a path that it is given. Live-view frames, a hundredth of their size, do.

use std::path::PathBuf;

use manifests::{Digest, Shutter, session::Settings};
use serde::{Deserialize, Serialize};

use super::{CardFile, Choices, Error, Identity, Release, Setting, Status};

/// A question to the process that holds the camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub(crate) enum Request {
    /// Connects; without a model, the camera on `port`, or the only one on USB.
    Open { model: Option<String>, port: Option<String> },
    /// Lists cameras on USB.
    List,
    /// [`super::Camera::identity`].
    Identity,
    /// [`super::Camera::status`].
    Status,
    /// [`super::Camera::choices`].
    Choices,
    /// [`super::Camera::settings`].
    Settings,
    /// [`super::Camera::set`].
    Set { setting: Setting },
    /// [`super::Camera::card`].
    Card,
    /// [`super::Camera::shoot`].
    Shoot { shutter: Shutter, files: usize },
    /// [`super::Camera::download`].
    Download { file: CardFile, to: PathBuf },
    /// [`super::Camera::preview`].
    Preview,
    /// [`super::Camera::focus`].
    Focus { steps: i32 },
    /// [`super::Camera::end_preview`].
    EndPreview,
    /// Leaves the camera as found and ends.
    Close,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// Done.
    Done,
    /// Model and port of each camera.
    Cameras(Vec<(String, String)>),
    /// To [`Request::Identity`].
    Identity(Identity),
    /// To [`Request::Status`].
    Status(Status),
    /// To [`Request::Choices`].
    Choices(Choices),
    /// To [`Request::Settings`].
    Settings(Settings),
    /// To [`Request::Card`].
    Files(Vec<CardFile>),
    /// To [`Request::Shoot`].
    Release(Release),
    /// To [`Request::Download`].
    Digest(Digest),
    /// To [`Request::Preview`]: the JPEG, in base64.
    Frame(String),
    /// Not done.
    Error(Error),
}
