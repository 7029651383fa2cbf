//! `recipe.yaml`: how a data set is mixed; `synth` reads it, and `train` when it mixes online.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    CheckError, Interval, Manifest, Name, Seed, Size, Unit,
    plan::{Light, Place, Subject},
};

/// A recipe: sources, mixing model, sizes, counts and splits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Format version, 1.
    pub version: u32,
    /// The data set's name.
    pub name: Name,
    /// Sample i is a function of this recipe, this seed and i.
    pub seed: Seed,
    /// Number of samples, over all splits. At least 1.
    pub count: u64,
    /// Where the mixing model and its ranges start from.
    #[serde(default)]
    pub preset: Preset,
    /// Ranges and models that differ from the preset's.
    #[serde(default)]
    pub mix: Mix,
    /// Where the layers come from.
    pub sources: Sources,
    /// Sizes of samples, drawn with equal probability; portrait sources give portrait samples.
    #[serde(default = "paper_sizes")]
    pub sizes: Vec<Size>,
    /// Fractions of the scenes that go to training, validation and test.
    #[serde(default)]
    pub splits: Splits,
    /// What to do with a source that cannot be read.
    #[serde(default)]
    pub unreadable: Unreadable,
}

fn paper_sizes() -> Vec<Size> {
    vec![Size { height: 224, width: 288 }, Size { height: 96, width: 160 }]
}

/// A published recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// CoRRN (Wan et al., TPAMI 2019), section 3: I = alpha B + beta R, alpha in U[0.8, 1], beta in
    /// U[0.1, 0.5], rotation by quarter turns, horizontal flip with probability 0.5.
    #[default]
    CorrnPaper,
    /// As `corrn-paper`, with alpha and beta as real glass mixes: least squares on SIR2's 500 triplets.
    Sir2Fit,
}

/// What differs from the preset.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// Range of alpha, the background's weight, within [0, 2].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<Interval>,
    /// Range of beta, the reflection's weight, within [0, 2].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta: Option<Interval>,
    /// Range of the standard deviation in pixels of a Gaussian blur of the reflection, within [0, 20].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blur_sigma: Option<Interval>,
    /// Whether each sample is turned by 0, 90, 180 or 270 degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate: Option<bool>,
    /// Probability of a horizontal flip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flip: Option<Unit>,
}

/// Where the two layers come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sources {
    /// What is behind the glass.
    pub backgrounds: Vec<Source>,
    /// What the glass reflects.
    pub reflections: Vec<Source>,
}

/// A folder of photographs, or a capture session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A folder, searched recursively. A relative path starts at the recipe's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// A capture session's folder. A relative path starts at the recipe's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Which of a session's shots to take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// What a folder's photographs are grouped by: all of a group are in the same split.
    #[serde(default)]
    pub scenes: Scenes,
    /// Licence of the photographs, as an SPDX expression or in words.
    pub licence: String,
    /// Whom to credit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit: Option<String>,
}

/// What a folder's photographs are grouped by. A session's are always grouped by its scenes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scenes {
    /// Each photograph is a scene of its own.
    #[default]
    File,
    /// The photographs of a sub-folder show one scene.
    Folder,
}

/// Which of a session's shots to take; what is left out does not restrict.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// What stood in front of the lens. Left out: the layer's own subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// Indoor or outdoor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Bright or dark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub light: Option<Light>,
    /// Range of f-numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f_number: Option<Interval>,
    /// Range of focal lengths in millimetres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focal_length_mm: Option<Interval>,
    /// Labels that a scene must all have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Name>,
}

/// Fractions of the scenes in each split; they sum to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Splits {
    /// Training.
    pub train: Unit,
    /// Validation.
    pub validation: Unit,
    /// Test.
    pub test: Unit,
}

impl Default for Splits {
    fn default() -> Self {
        let unit = |v| Unit::new(v).expect("a constant from 0 to 1");
        Self { train: unit(0.8), validation: unit(0.1), test: unit(0.1) }
    }
}

/// What to do with a source that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unreadable {
    /// Stop, naming it.
    #[default]
    Fail,
    /// List it once and go on without it.
    Skip,
}

impl Manifest for Recipe {
    const KIND: &'static str = "recipe";
    const VERSION: u32 = 1;

    fn check(&self) -> Result<(), CheckError> {
        let fail = |path: String, message: &str| Err(CheckError::new(path, message));
        if self.count == 0 {
            return fail("count".into(), "must be at least 1");
        }
        if self.sizes.is_empty() {
            return fail("sizes".into(), "lists no size");
        }
        let s = &self.splits;
        if (s.train.get() + s.validation.get() + s.test.get() - 1.0).abs() > 1e-9 {
            return fail("splits".into(), "train, validation and test must sum to 1");
        }
        for (key, range, max) in
            [("alpha", self.mix.alpha, 2.0), ("beta", self.mix.beta, 2.0), ("blur_sigma", self.mix.blur_sigma, 20.0)]
        {
            if range.is_some_and(|r| r.low < 0.0 || r.high > max) {
                return fail(format!("mix.{key}"), &format!("must lie within [0, {max}]"));
            }
        }
        for (layer, sources) in [("backgrounds", &self.sources.backgrounds), ("reflections", &self.sources.reflections)]
        {
            if sources.is_empty() {
                return fail(format!("sources.{layer}"), "lists no source");
            }
            for (i, source) in sources.iter().enumerate() {
                if source.folder.is_some() == source.session.is_some() {
                    return fail(format!("sources.{layer}[{i}]"), "names one of `folder` and `session`");
                }
                if source.filter.is_some() && source.session.is_none() {
                    return fail(format!("sources.{layer}[{i}].filter"), "only a session's shots can be filtered");
                }
            }
        }
        Ok(())
    }
}
