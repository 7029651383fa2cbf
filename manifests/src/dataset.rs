//! A data set: `dataset.yaml` has the recipe and the sources by hash, `samples.jsonl` a line for each sample.
//!
//! Nothing in either depends on the clock, the machine or the number of threads: the same recipe
//! and sources give the same bytes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CheckError, Digest, Manifest, RelPath, Seed, Size, recipe::Recipe};

/// File name of [`Dataset`] in a data set's folder.
pub const DATASET_FILE: &str = "dataset.yaml";
/// File name of the log of [`Sample`]s in a data set's folder.
pub const SAMPLES_FILE: &str = "samples.jsonl";

/// `dataset.yaml`: the recipe, whole, and the sources by hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Format version, 1.
    pub version: u32,
    /// Version of the mixing arithmetic: sources, recipe and index rebuild a sample only under the same one.
    pub arithmetic: u32,
    /// The recipe, whole.
    pub recipe: Recipe,
    /// Background photographs, in the order in which samples refer to them.
    pub backgrounds: Vec<SourceImage>,
    /// Reflection photographs, in the order in which samples refer to them.
    pub reflections: Vec<SourceImage>,
}

impl Manifest for Dataset {
    const KIND: &'static str = "data set";
    const VERSION: u32 = 1;

    fn check(&self) -> Result<(), CheckError> {
        self.recipe.check().map_err(|e| CheckError::new(format!("recipe.{}", e.path), e.message))
    }
}

/// A photograph that samples are made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceImage {
    /// Place in the recipe's list of sources for its layer.
    pub source: u32,
    /// Path below that source's folder, `/` between parts.
    pub path: String,
    /// BLAKE3 of the file.
    pub blake3: Digest,
    /// Length in bytes.
    pub bytes: u64,
    /// Height and width of the upright picture in pixels.
    pub size: Size,
    /// Scene or group: all photographs of one are in the same split.
    pub scene: String,
    /// The split.
    pub split: Split,
    /// Licence, from the recipe.
    pub licence: String,
    /// Credit, from the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit: Option<String>,
}

/// Which part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// Fitting.
    Train,
    /// Choosing and stopping.
    Validation,
    /// Reporting, once.
    Test,
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

/// A line of `samples.jsonl`: every number drawn for a sample, and the files made from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The sample's index, from 0.
    pub index: u64,
    /// The split: that of both its sources.
    pub split: Split,
    /// Everything that was drawn.
    pub drawn: Drawn,
    /// Height and width of the sample in pixels, after rotation.
    pub size: Size,
    /// The mixture I.
    pub mixture: SampleFile,
    /// The scaled background, alpha B.
    pub background: SampleFile,
    /// The scaled reflection, beta R.
    pub reflection: SampleFile,
    /// The background before weights, where the recipe asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background_unscaled: Option<SampleFile>,
    /// The reflection before weights, blur and the rest, where the recipe asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reflection_unscaled: Option<SampleFile>,
    /// Fraction of subpixels where the sum of the weighted layers exceeded white, so that I = B + R does not hold or a layer
    /// was cut.
    pub clipped: f64,
    /// What the pictures came out as. None in data sets of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<SampleQuality>,
    /// How often its numbers were drawn anew because of the recipe's limits.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    pub redrawn: u32,
    /// How many pairs of photographs were rejected for it because of the recipe's limits.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    pub rejected: u32,
}

fn is_none_yet(count: &u32) -> bool {
    *count == 0
}

/// Figures of a sample's pictures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SampleQuality {
    /// The weight of the reflection photograph that comes closest, by least squares of display values, to what is of
    /// it in the sample: beta after blur, subtraction and clipping.
    pub effective_beta: f64,
    /// Standard deviation of the luma of the reflection in the sample, in [0, 1].
    pub contrast: f64,
}

/// The numbers drawn for a sample; those that its recipe does not use stay at the values that do nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drawn {
    /// Place in [`Dataset::backgrounds`].
    pub background: u32,
    /// Place in [`Dataset::reflections`].
    pub reflection: u32,
    /// Place in the recipe's sizes.
    pub size: u32,
    /// Weight of the background.
    pub alpha: f64,
    /// Weight of the reflection.
    pub beta: f64,
    /// Standard deviation in pixels of the reflection's blur; 0 is none.
    pub blur_sigma: f64,
    /// Side in pixels of the blur's kernel, where it does not reach 3 standard deviations to each side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blur_kernel: Option<u32>,
    /// Quarter turns, counter-clockwise, 0 to 3.
    pub quarter_turns: u8,
    /// Whether the sample is flipped left to right, after turning.
    pub flip: bool,
    /// Whether it is flipped top to bottom as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flip_vertical: bool,
    /// Radius in pixels of the reflection's defocus; 0 is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub defocus_radius: f64,
    /// What the glass's second surface does to the reflection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ghost: Option<DrawnGhost>,
    /// Factor of the excess over white that is taken off the reflection; 0 is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub excess: f64,
    /// Centre of the reflection's vignette, as fractions of height and width.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vignette: Option<[f64; 2]>,
    /// The background's window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background_window: Option<Window>,
    /// The reflection's window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reflection_window: Option<Window>,
    /// Exposure in stops, on both layers; 0 leaves them as they are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub exposure_ev: f64,
    /// The sensor's noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<DrawnNoise>,
    /// The lens that `defocus_radius` or `blur_sigma` come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aperture: Option<DrawnAperture>,
    /// The mask on the reflection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attenuation: Option<DrawnAttenuation>,
    /// Quality, 1 to 100, at which the mixture was compressed as JPEG; I is what that makes of B + R.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jpeg_quality: Option<u8>,
}

/// A lens as one sample has it: a point that is out of focus becomes a disc of diameter
/// f^2 |reflected - focus| / (N reflected (focus - f)) on the sensor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrawnAperture {
    /// F-number N.
    pub f_number: f64,
    /// Focal length f in millimetres.
    pub focal_length_mm: f64,
    /// Distance in metres of what is in focus.
    pub focus_m: f64,
    /// Distance in metres that light travels from what is reflected.
    pub reflected_m: f64,
}

/// A smooth mask as one sample has it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrawnAttenuation {
    /// The least value that it may have.
    pub least: f64,
    /// What its grid's values are drawn with.
    pub seed: Seed,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// A sheet of glass as one sample has it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrawnGhost {
    /// Thickness in millimetres.
    pub thickness_mm: f64,
    /// Angle of incidence in degrees; a negative one displaces to the left.
    pub angle_degrees: f64,
    /// Width in millimetres that a landscape picture covers.
    pub field_width_mm: f64,
    /// Absorption coefficient per metre.
    pub absorption_per_m: f64,
    /// Angle in degrees that the long side covers, where the glass differs over the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view_degrees: Option<f64>,
}

/// A sensor's noise as one sample has it: variance gain v + read^2 at value v in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrawnNoise {
    /// Variance of the shot noise at white.
    pub gain: f64,
    /// Standard deviation of the read noise.
    pub read: f64,
}

/// A window of a photograph that covers the sample `zoom` times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The scale, at least 1.
    pub zoom: f64,
    /// Place from the top, as a fraction of what the window leaves over.
    pub top: f64,
    /// Place from the left, likewise.
    pub left: f64,
}

/// A file of a sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SampleFile {
    /// Path below the data set's folder.
    pub path: RelPath,
    /// BLAKE3 of the file.
    pub blake3: Digest,
}
