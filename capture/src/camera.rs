//! What a camera can do, as types: [`Camera`] is implemented by a tethered body ([`gphoto`]) and by the child process
//! that holds one ([`host`]).

mod address;
pub(crate) mod gphoto;
pub mod host;
pub(crate) mod protocol;

use std::{fmt, path::Path};

use manifests::{
    Digest, FNumber, Shutter,
    plan::{CaptureTarget, Quality},
    session::Settings,
};
use serde::{Deserialize, Serialize};

pub use address::Address;

/// A camera that is connected.
///
/// Every method may block for as long as the camera takes; [`host::Host`] bounds that.
pub trait Camera {
    /// Who it is.
    ///
    /// # Errors
    /// [`Error`], as for all methods here.
    fn identity(&mut self) -> Result<Identity, Error>;
    /// Battery, dials, space.
    ///
    /// # Errors
    /// [`Error`].
    fn status(&mut self) -> Result<Status, Error>;
    /// The values that it can be set to now; f-numbers change with the zoom.
    ///
    /// # Errors
    /// [`Error`].
    fn choices(&mut self) -> Result<Choices, Error>;
    /// The values that it is set to now.
    ///
    /// # Errors
    /// [`Error`].
    fn settings(&mut self) -> Result<Settings, Error>;
    /// Sets one value. The body may refuse it or round it: read it back.
    ///
    /// # Errors
    /// [`Error`], of kind [`Kind::Refused`] for a value that it does not have.
    fn set(&mut self, setting: Setting) -> Result<(), Error>;
    /// The photographs on the card.
    ///
    /// # Errors
    /// [`Error`].
    fn card(&mut self) -> Result<Vec<CardFile>, Error>;
    /// Opens the shutter and waits until the photograph's files (`files` of them) are there.
    ///
    /// # Errors
    /// [`Error`].
    fn shoot(&mut self, shutter: Shutter, files: usize) -> Result<Release, Error>;
    /// Copies a file to a path, which must not exist; answers the hash of what the camera sent.
    ///
    /// # Errors
    /// [`Error`], of kind [`Kind::Disk`] when it cannot be written here.
    fn download(&mut self, file: &CardFile, to: &Path) -> Result<Digest, Error>;
    /// A live-view frame, JPEG; the first one begins live view.
    ///
    /// # Errors
    /// [`Error`].
    fn preview(&mut self) -> Result<Vec<u8>, Error>;
    /// Turns the focus ring by motor steps, nearer below zero and farther above; in live view only.
    ///
    /// # Errors
    /// [`Error`], of kind [`Kind::OutOfFocus`] at the end of the ring.
    fn focus(&mut self, steps: i32) -> Result<(), Error>;
    /// Ends live view.
    ///
    /// # Errors
    /// [`Error`].
    fn end_preview(&mut self) -> Result<(), Error>;
}

/// Who a camera is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Maker.
    pub manufacturer: String,
    /// Model.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Firmware version.
    pub firmware: String,
}

/// What a camera is ready for; none where the body does not say.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Status {
    /// Charge in per cent.
    pub battery: Option<u8>,
    /// The mode dial: `M` is manual.
    pub mode: Option<String>,
    /// Whether the body picks the ISO.
    pub auto_iso: Option<bool>,
    /// The lens's focus: `Manual`, `AF-S`, ...
    pub focus_mode: Option<String>,
    /// Seconds that the body's clock is ahead of this computer's.
    #[serde(default)]
    pub clock_ahead: Option<f64>,
    /// Seconds that the dates in the body's files are ahead of this computer's UTC: its clock knows no time zone.
    #[serde(default)]
    pub dates_ahead: Option<i64>,
    /// Free bytes on the card.
    pub card_free: Option<u64>,
    /// Photographs that fit on the card at the present quality, as the body counts them.
    pub shots_left: Option<u64>,
}

impl Status {
    /// Bytes that the body itself reckons for one photograph.
    pub fn bytes_each(&self) -> Option<u64> {
        match (self.card_free, self.shots_left) {
            (Some(bytes), Some(shots)) if shots > 0 => Some(bytes / shots),
            _ => None,
        }
    }
}

/// The values that a camera can be set to; empty where the body does not list them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Choices {
    /// Shutter speeds.
    pub shutter: Vec<Shutter>,
    /// f-numbers at the present zoom.
    pub f_number: Vec<FNumber>,
    /// ISO sensitivities.
    pub iso: Vec<u32>,
    /// Shortest and longest focal length, millimetres.
    pub focal_length_mm: Option<(f64, f64)>,
}

/// One value to set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// Shutter speed.
    Shutter(Shutter),
    /// f-number.
    FNumber(FNumber),
    /// ISO sensitivity.
    Iso(u32),
    /// File format.
    Quality(Quality),
    /// Where photographs go before they are downloaded.
    Target(CaptureTarget),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shutter(v) => write!(f, "shutter speed {v}"),
            Self::FNumber(v) => write!(f, "f/{v}"),
            Self::Iso(v) => write!(f, "ISO {v}"),
            Self::Quality(v) => write!(f, "quality {v:?}"),
            Self::Target(v) => write!(f, "capture target {v:?}"),
        }
    }
}

/// What a release brought.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Release {
    /// The photograph's files; fewer than were asked for where the others did not come in time.
    pub files: Vec<CardFile>,
    /// Files that the body told of besides: someone pressed its own button.
    pub others: Vec<CardFile>,
}

/// A photograph's file on the camera.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CardFile {
    /// Folder, from the root of the camera's file system.
    pub folder: String,
    /// File name.
    pub name: String,
    /// Length in bytes; 0 where the body does not say.
    pub bytes: u64,
}

impl CardFile {
    /// Folder and name.
    pub fn path(&self) -> String {
        format!("{}/{}", self.folder.trim_end_matches('/'), self.name)
    }
    /// Folder and name without the extension: the files of one photograph share it.
    pub fn stem(&self) -> String {
        let path = self.path();
        path.rsplit_once('.').map_or(path.clone(), |(stem, _)| stem.to_owned())
    }
    /// The extension in lower case.
    pub fn extension(&self) -> String {
        self.name.rsplit_once('.').map_or("bin".into(), |(_, e)| e.to_ascii_lowercase())
    }
}

/// What a camera did not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What to do about it.
    pub kind: Kind,
    /// What happened, in words.
    pub message: String,
}

impl Error {
    /// An error of a kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// Kinds of camera errors, by what to do about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// No such camera: the operator plugs one in.
    NotFound,
    /// Another program holds it.
    Claimed,
    /// The connection is lost, or the process that held it is gone: open it again.
    Gone,
    /// No answer in time: kill the process, open it again.
    Hung,
    /// Busy: wait, then try again.
    Busy,
    /// The body does not have or take this value.
    Refused,
    /// The card is full.
    CardFull,
    /// No focus was found: the lens must be on manual.
    OutOfFocus,
    /// The file could not be written here.
    Disk,
    /// Anything else that the body answered: open it again once, then give up.
    Other,
}
