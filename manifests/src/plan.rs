//! `plan.yaml`: what a person wants photographed; `capture` reads it.

mod naming;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CheckError, FNumber, FocalLength, Manifest, Name, Shutter};

pub use naming::{Field, Naming, Piece};

/// A capture plan: scenes, sweeps over camera settings, and how to store what comes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Format version, 1.
    pub version: u32,
    /// The plan's name; sessions carry it.
    pub name: Name,
    /// Settings that hold for every shot.
    #[serde(default)]
    pub camera: CameraSettings,
    /// The glass in front of the camera, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glass: Option<Glass>,
    /// Where photographs are stored below the session's `shots` folder, without the extension.
    #[serde(default, skip_serializing_if = "Naming::is_default")]
    pub naming: Naming,
    /// A shell command after each stored photograph, as the option `--hook` of `capture run`, which goes before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
    /// Where photographs are taken, in the order in which the operator visits them.
    pub scenes: Vec<Scene>,
    /// What is varied in each scene.
    pub sweeps: Vec<Sweep>,
}

/// Camera settings that a plan fixes for all its shots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CameraSettings {
    /// File format and compression.
    pub quality: Quality,
    /// Where the body keeps a photograph before it is downloaded. On the card, a dropped cable loses nothing.
    pub capture_target: CaptureTarget,
    /// Seconds to wait after the operator or a setting changed something, before the shutter opens. 0 to 60.
    pub settle_seconds: f64,
}

impl Default for CameraSettings {
    fn default() -> Self {
        Self { quality: Quality::JpegFine, capture_target: CaptureTarget::Card, settle_seconds: 0.0 }
    }
}

/// File format and compression of a photograph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Quality {
    /// JPEG, about 1:16.
    JpegBasic,
    /// JPEG, about 1:8.
    JpegNormal,
    /// JPEG, about 1:4.
    JpegFine,
    /// RAW alone.
    Nef,
    /// RAW and a fine JPEG.
    NefJpegFine,
}

/// Where the body keeps a photograph before it is downloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CaptureTarget {
    /// The memory card.
    Card,
    /// The body's memory: faster, but a dropped connection loses the photograph.
    Memory,
}

/// A sheet of glass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Glass {
    /// Thickness in millimetres, 0.1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thickness_mm: Option<f64>,
    /// Anything else worth knowing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A place where photographs are taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// Identifier, unique in the plan; also the name of the folder of its photographs.
    pub id: Name,
    /// Indoor or outdoor.
    pub place: Place,
    /// Bright or dark reflections, as RID counts them.
    pub light: Light,
    /// Free labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Name>,
    /// What the operator is told on arriving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
}

/// Indoor or outdoor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Under a roof.
    Indoor,
    /// Under the sky.
    Outdoor,
}

/// Bright or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Light {
    /// Day light or strong lamps.
    Bright,
    /// Dim rooms, dusk, night.
    Dark,
}

/// What stands in front of the lens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// Glass with black paper behind it: the reflection alone.
    Reflection,
    /// No glass: the background alone.
    Background,
    /// Glass, no paper: both.
    Mixture,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reflection => "reflection",
            Self::Background => "background",
            Self::Mixture => "mixture",
        })
    }
}

/// A sweep: every combination of the listed values (or, zipped, the values side by side), in each scene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// What stands in front of the lens.
    pub subject: Subject,
    /// The scenes concerned, by id; all of them when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scenes: Vec<Name>,
    /// How the lists combine.
    #[serde(default)]
    pub combine: Combine,
    /// Shutter speeds in seconds, as the camera writes them; or `stops` in their place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shutter: Vec<Shutter>,
    /// Shutter speeds as stops from one that is given or metered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stops: Option<Stops>,
    /// f-numbers.
    pub f_number: Vec<FNumber>,
    /// ISO sensitivities.
    #[serde(default = "iso_100")]
    pub iso: Vec<u32>,
    /// Focal lengths in millimetres. The zoom ring is turned by hand: the operator is prompted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub focal_length_mm: Vec<FocalLength>,
    /// Steps of the focus motor from where the operator focused, below 0 nearer and above 0 farther, -30000 to 30000. The
    /// body moves by steps and does not say where the lens stands; how far a step goes depends on the lens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub focus: Vec<i32>,
    /// Photographs of each combination, at least 1; a sweep has at most 100000 in all.
    #[serde(default = "once")]
    pub repeats: u32,
}

/// Exposures as stops from one that is given or metered; each becomes the nearest shutter speed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stops {
    /// The shutter speed of step 0. Left out, it is metered in each setup, with trial photographs: the one that brings the
    /// mean of the light in the picture to 18 % at the first f-number and ISO, and the same exposure at the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub around: Option<Shutter>,
    /// Stops of exposure, above 0 longer: 1 is twice as long. -10 to 10.
    pub steps: Vec<f64>,
}

impl Sweep {
    /// How many shutter speeds the sweep has, listed or as stops.
    pub fn exposures(&self) -> usize {
        self.stops.as_ref().map_or(self.shutter.len(), |s| s.steps.len())
    }
}

/// Photographs of one sweep: more than a shutter is made for, and few enough to list.
const MOST_SHOTS: u64 = 100_000;

fn iso_100() -> Vec<u32> {
    vec![100]
}
fn once() -> u32 {
    1
}

/// How a sweep's lists combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Combine {
    /// Every combination.
    #[default]
    Product,
    /// The first values together, the second values together, ...: lists of equal length, or of length 1.
    Zip,
}

impl Manifest for Plan {
    const KIND: &'static str = "plan";
    const VERSION: u32 = 1;

    fn check(&self) -> Result<(), CheckError> {
        let fail = |path: String, message: &str| Err(CheckError::new(path, message));
        if self.scenes.is_empty() {
            return fail("scenes".into(), "lists no scene");
        }
        if self.sweeps.is_empty() {
            return fail("sweeps".into(), "lists no sweep");
        }
        if !(0.0..=60.0).contains(&self.camera.settle_seconds) {
            return fail("camera.settle_seconds".into(), "must be from 0 to 60 seconds");
        }
        if let Some(mm) = self.glass.as_ref().and_then(|g| g.thickness_mm)
            && !(0.1..=100.0).contains(&mm)
        {
            return fail("glass.thickness_mm".into(), "must be from 0.1 to 100 mm");
        }
        for (i, scene) in self.scenes.iter().enumerate() {
            if self.scenes[..i].iter().any(|s| s.id == scene.id) {
                return fail(format!("scenes[{i}].id"), "names a scene that is already there: ids are unique");
            }
        }
        self.sweeps.iter().enumerate().try_for_each(|(i, sweep)| self.check_sweep(i, sweep))
    }
}

impl Plan {
    fn check_sweep(&self, i: usize, sweep: &Sweep) -> Result<(), CheckError> {
        let at = |key: &str| format!("sweeps[{i}].{key}");
        for (j, id) in sweep.scenes.iter().enumerate() {
            if !self.scenes.iter().any(|s| s.id == *id) {
                let near = self.scenes.iter().min_by_key(|s| strsim::damerau_levenshtein(s.id.as_str(), id.as_str()));
                let hint = near.map(|s| format!("; the nearest is `{}`", s.id)).unwrap_or_default();
                let message = format!("`{id}` is none of the plan's scenes{hint}");
                return Err(CheckError::new(format!("sweeps[{i}].scenes[{j}]"), message));
            }
        }
        if let Some(stops) = &sweep.stops {
            check_stops(&at("stops"), stops)?;
            if !sweep.shutter.is_empty() {
                return Err(CheckError::new(at("stops"), "stands in the place of `shutter`: write one of the two"));
            }
        }
        let lists = [
            (if sweep.stops.is_some() { "stops" } else { "shutter" }, sweep.exposures()),
            ("f_number", sweep.f_number.len()),
            ("iso", sweep.iso.len()),
            ("focal_length_mm", sweep.focal_length_mm.len()),
            ("focus", sweep.focus.len()),
        ];
        for (key, len) in &lists[..3] {
            if *len == 0 {
                return Err(CheckError::new(at(key), "lists no value"));
            }
        }
        if sweep.repeats == 0 {
            return Err(CheckError::new(at("repeats"), "must be at least 1"));
        }
        let each = lists.iter().map(|(_, len)| (*len).max(1) as u64);
        let combinations = match sweep.combine {
            Combine::Product => each.fold(1, u64::saturating_mul),
            Combine::Zip => each.max().unwrap_or(1),
        };
        let scenes = if sweep.scenes.is_empty() { self.scenes.len() } else { sweep.scenes.len() };
        let shots = combinations.saturating_mul(scenes as u64).saturating_mul(u64::from(sweep.repeats));
        if shots > MOST_SHOTS {
            let message = format!("makes {shots} photographs of this sweep: at most {MOST_SHOTS} are listed");
            return Err(CheckError::new(at("repeats"), message));
        }
        if let Some(j) = sweep.iso.iter().position(|iso| !(25..=4_000_000).contains(iso)) {
            return Err(CheckError::new(at(&format!("iso[{j}]")), "must be from 25 to 4000000"));
        }
        if let Some(j) = sweep.focus.iter().position(|steps| !(-30_000..=30_000).contains(steps)) {
            return Err(CheckError::new(at(&format!("focus[{j}]")), "must be from -30000 to 30000 motor steps"));
        }
        if sweep.combine == Combine::Zip {
            let longest = lists.iter().map(|l| l.1).max().unwrap_or(0);
            if let Some((key, len)) = lists.iter().find(|l| l.1 > 1 && l.1 != longest) {
                let message =
                    format!("has {len} values where another list has {longest}: zipped lists are equally long");
                return Err(CheckError::new(at(key), message));
            }
        }
        Ok(())
    }
}

/// Stops within what shutters have: 1/8000 to 30 seconds.
fn check_stops(at: &str, stops: &Stops) -> Result<(), CheckError> {
    for (j, step) in stops.steps.iter().enumerate() {
        let at = format!("{at}.steps[{j}]");
        if !(-10.0..=10.0).contains(step) {
            return Err(CheckError::new(at, "must be from -10 to 10 stops"));
        }
        let seconds = stops.around.map_or(1.0, |around| around.seconds() * step.exp2());
        if !(1.0 / 9000.0..=34.0).contains(&seconds) {
            let message = format!("asks for {seconds:.3} s: shutters have 1/8000 to 30 s");
            return Err(CheckError::new(at, message));
        }
    }
    Ok(())
}
