//! A capture session: `session.yaml` says with what and where, `shots.jsonl` has a line for each photograph.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Digest, FNumber, FocalLength, Manifest, Name, RelPath, Shutter,
    plan::{Glass, Light, Place, Plan, Subject},
};

/// File name of [`Session`] in a session's folder.
pub const SESSION_FILE: &str = "session.yaml";
/// File name of the log of [`Shot`]s in a session's folder.
pub const SHOTS_FILE: &str = "shots.jsonl";
/// File name of the log of [`Unplanned`] photographs in a session's folder.
pub const UNPLANNED_FILE: &str = "unplanned.jsonl";

/// `session.yaml`: the camera and the plan of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Format version, 1.
    pub version: u32,
    /// Program and version that began the session.
    pub program: String,
    /// When it began, UTC, RFC 3339.
    pub begun: String,
    /// The camera that was found.
    pub camera: CameraIdentity,
    /// The plan, whole, as it was when the session began.
    pub plan: Plan,
}

impl Manifest for Session {
    const KIND: &'static str = "session";
    const VERSION: u32 = 1;
}

/// Who took the photographs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraIdentity {
    /// `rehearsal` for the simulated body, else `usb` or `ptpip`.
    pub kind: CameraKind,
    /// Maker, as the body says.
    pub manufacturer: String,
    /// Model, as the body says.
    pub model: String,
    /// Serial number, as the body says.
    pub serial: String,
    /// Firmware version, as the body says.
    pub firmware: String,
}

/// How a camera is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CameraKind {
    /// The simulated body.
    Rehearsal,
    /// A cable.
    Usb,
    /// PTP over the network.
    Ptpip,
}

/// A line of `shots.jsonl`: a photograph that is stored, hashed and verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shot {
    /// Place in the plan's list of shots, from 0.
    pub index: u32,
    /// Identifies the shot in the plan, whatever the order: scene, subject, settings and repeat.
    pub key: String,
    /// Scene id.
    pub scene: Name,
    /// The scene's place.
    pub place: Place,
    /// The scene's light.
    pub light: Light,
    /// The scene's labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Name>,
    /// What stood in front of the lens.
    pub subject: Subject,
    /// The glass, unless the subject has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glass: Option<Glass>,
    /// What the plan asked for.
    pub requested: Settings,
    /// What the body said before the shutter opened.
    pub read_back: Settings,
    /// What the file says, where it says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exif: Option<Settings>,
    /// Where requested, read-back and EXIF settings differ, in words; empty when they agree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disagreements: Vec<String>,
    /// The files, first the one to look at.
    pub files: Vec<ShotFile>,
    /// Figures from the pixels of the JPEG, or of the one inside the NEF where there is no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<ShotQuality>,
    /// When the file was stored, UTC, RFC 3339.
    pub stored: String,
}

/// A line of `unplanned.jsonl`: a photograph that someone took with the body's own button, stored, hashed and verified
/// as the planned ones are. It is none of the plan's shots, and no line of `shots.jsonl` names its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unplanned {
    /// Identifies the photograph in the session: `unplanned/` and its name on the card.
    pub key: String,
    /// Scene id where the session stood when the photograph was found; none before its first prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene: Option<Name>,
    /// What then stood in front of the lens, as far as the session knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// Key of the planned shot that was stored last before it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// What the file says of its settings, where it says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exif: Option<Settings>,
    /// The files, first the one to look at.
    pub files: Vec<ShotFile>,
    /// Figures from the pixels, as for a planned shot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<ShotQuality>,
    /// When the file was stored, UTC, RFC 3339.
    pub stored: String,
}

/// Camera settings of one photograph.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Shutter speed in seconds.
    pub shutter: Shutter,
    /// f-number.
    pub f_number: FNumber,
    /// ISO sensitivity.
    pub iso: u32,
    /// Focal length in millimetres; none when the lens or the plan does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focal_length_mm: Option<FocalLength>,
    /// Steps of the focus motor from where the operator focused, as asked for: no body says where its lens stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focus: Option<i32>,
}

/// A stored file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShotFile {
    /// Path below the session's folder.
    pub path: RelPath,
    /// Folder and name on the camera.
    pub camera_name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// BLAKE3 of the bytes, taken after re-reading them from the disk.
    pub blake3: Digest,
    /// Columns, where known.
    pub width: u32,
    /// Rows, where known.
    pub height: u32,
}

/// Figures from a photograph's pixels, display values in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShotQuality {
    /// Mean of R, G and B.
    pub mean: [f64; 3],
    /// Mean luma.
    pub level: f64,
    /// Fraction of pixels with a channel at 255.
    pub clipped: f64,
    /// Fraction of pixels with every channel at or below 2.
    pub black: f64,
    /// Variance of the luma's Laplacian: higher is sharper.
    pub sharpness: f64,
    /// Luma that 2 % of the pixels do not exceed: in a reflection shot, the level of the black paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub darkest: Option<f64>,
    /// Whether the picture is a bright or a dark one: whether its mean luma is at least 0.25.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Light>,
    /// Histograms of R, G and B: ten-thousandths of the pixels in 16 ranges of equal width.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histogram: Option<[[u16; 16]; 3]>,
}
