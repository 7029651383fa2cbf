//! `recipe.yaml`: how a data set is mixed; `synth` reads it, and `train` when it mixes online.

mod mix;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use mix::{Aperture, Attenuation, Clipping, Encoding, Excess, Formation, Fresnel, Ghost, Kernel, Mix, Noise};

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
    /// Sizes of samples, drawn with equal probability; portrait sources give portrait samples. Left out, the preset's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizes: Option<Vec<Size>>,
    /// Fractions of the scenes that go to training, validation and test.
    #[serde(default)]
    pub splits: Splits,
    /// What to do with a source that cannot be read.
    #[serde(default)]
    pub unreadable: Unreadable,
    /// Limits that every sample keeps: numbers that break one are drawn anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Whether the layers are also written as they were before weights, blur and the rest. Left out, as the preset has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unscaled: Option<bool>,
}

impl Recipe {
    /// Sizes of samples: as stated, or the preset's.
    pub fn sizes(&self) -> &[Size] {
        self.sizes.as_deref().unwrap_or_else(|| self.preset.sizes())
    }

    /// Whether the layers are also written unscaled: as stated, or as the preset has it.
    pub fn writes_unscaled(&self) -> bool {
        self.unscaled.unwrap_or(self.preset == Preset::CorrnReleased)
    }
}

/// A published way of mixing. Numbers are those of its authors' code, or of the paper where that is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// CoRRN (Wan et al., TPAMI 2019), section 3: I = alpha B + beta R, alpha in U[0.8, 1], beta in
    /// U[0.1, 0.5], rotation by quarter turns, horizontal flip with probability 0.5.
    #[default]
    CorrnPaper,
    /// CoRRN's released code (`data generation/generate_all_train_new.m`): (alpha, beta) one of (0.8, 0.7), (0.9, 0.8),
    /// (0.7, 0.9), blur sigma 0.4, both flips, 96 x 128, saved as JPEG by MATLAB, whose quality is 75 where none is said. Its
    /// network learns the unscaled background, which is written too.
    CorrnReleased,
    /// As `corrn-paper`, with alpha and beta as real glass mixes: least squares on SIR2's 500 triplets.
    Sir2Fit,
    /// CEILNet (Fan et al., ICCV 2017): blur sigma 2 to 5, 1.3 times the mean excess over white taken off the reflection,
    /// windows of 224 x 224.
    Ceilnet,
    /// ERRNet (Wei et al., CVPR 2019): as `ceilnet`, a channel at a time, windows of 224 x 224 at scales 1 to 2.
    Errnet,
    /// BDN (Yang et al., ECCV 2018): (1 - beta) B + beta R, beta in U[0.2, 0.4], blur sigma up to 2.
    Bdn,
    /// Zhang et al., CVPR 2018: linear light, the mean excess taken off, a Gaussian vignette on the reflection.
    Zhang,
    /// DSRNet (Hu and Guo, ICCV 2023): alpha B + beta R - alpha beta B R, blur sigma 2 to 5.
    Dsrnet,
}

impl Preset {
    /// Sizes of samples: those that the authors state, the paper's for the others.
    pub fn sizes(self) -> &'static [Size] {
        match self {
            Self::CorrnReleased => &[Size { height: 96, width: 128 }],
            Self::Ceilnet | Self::Errnet => &[Size { height: 224, width: 224 }],
            Self::CorrnPaper | Self::Sir2Fit | Self::Bdn | Self::Zhang | Self::Dsrnet => {
                &[Size { height: 224, width: 288 }, Size { height: 96, width: 160 }]
            }
        }
    }
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

/// A folder of photographs, all or those of a list, a pattern of paths, tar files, or a capture session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A folder, searched recursively. A relative path starts at the recipe's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// A pattern of paths: `*` and `?` within a folder's name or a file's, `**` across folders, as in
    /// `photos/2*/**/*.jpg`. A relative one starts at the recipe's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glob: Option<String>,
    /// A tar file, or a pattern of them, whose photographs are read in place. A relative one starts at the recipe's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tar: Option<String>,
    /// A list of the photographs to take from `folder`: a text file with a path a line (or PASCAL VOC's names without
    /// suffix), or COCO's annotations, whose licences are kept. A relative path starts at the recipe's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
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

/// Limits of a sample's figures. Numbers that break one are drawn anew for the same photographs, `redraws` times; then the
/// pair of photographs is rejected and another one is drawn. Both are counted in the sample's line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Largest fraction of subpixels that clip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clipped: Option<Unit>,
    /// Range of the reflection's effective weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_beta: Option<Interval>,
    /// Least standard deviation of the reflection's luma, in [0, 1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contrast: Option<Unit>,
    /// How often numbers are drawn anew before the pair is rejected, at most 100; 0 rejects at once.
    #[serde(default = "some_redraws")]
    pub redraws: u32,
}

fn some_redraws() -> u32 {
    4
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

/// Pixels of a reduced photograph at most.
const MOST_PIXELS: f64 = 1e8;

impl Manifest for Recipe {
    const KIND: &'static str = "recipe";
    const VERSION: u32 = 1;

    fn check(&self) -> Result<(), CheckError> {
        let fail = |path: String, message: &str| Err(CheckError::new(path, message));
        if self.count == 0 {
            return fail("count".into(), "must be at least 1");
        }
        if self.sizes().is_empty() {
            return fail("sizes".into(), "lists no size");
        }
        let zoom = self.mix.zoom.map_or(1.0, |zoom| zoom.high);
        for (i, size) in self.sizes().iter().enumerate() {
            if f64::from(size.height) * f64::from(size.width) * zoom * zoom > MOST_PIXELS {
                return fail(
                    format!("sizes[{i}]"),
                    "makes pictures of more than 100 million pixels (times `zoom` squared)",
                );
            }
        }
        let s = &self.splits;
        if (s.train.get() + s.validation.get() + s.test.get() - 1.0).abs() > 1e-9 {
            return fail("splits".into(), "train, validation and test must sum to 1");
        }
        self.mix.check()?;
        let complement = self.mix.complement.unwrap_or(self.preset == Preset::Bdn && self.mix.alpha.is_none());
        if complement && self.mix.beta.is_some_and(|beta| beta.high > 1.0) {
            return fail("mix.beta".into(), "must lie within [0, 1], because alpha is 1 - beta here");
        }
        if let Some(limits) = &self.limits {
            if limits.clipped.is_none() && limits.effective_beta.is_none() && limits.contrast.is_none() {
                return fail("limits".into(), "limits none of `clipped`, `effective_beta` and `contrast`");
            }
            if limits.redraws > 100 {
                return fail("limits.redraws".into(), "must be at most 100");
            }
        }
        for (layer, sources) in [("backgrounds", &self.sources.backgrounds), ("reflections", &self.sources.reflections)]
        {
            if sources.is_empty() {
                return fail(format!("sources.{layer}"), "lists no source");
            }
            for (i, source) in sources.iter().enumerate() {
                let named = [&source.folder, &source.glob, &source.tar, &source.session];
                if named.into_iter().flatten().count() != 1 {
                    let message = "names one of `folder`, `glob`, `tar` and `session`";
                    return fail(format!("sources.{layer}[{i}]"), message);
                }
                if source.list.is_some() && source.folder.is_none() {
                    return fail(format!("sources.{layer}[{i}].list"), "names photographs of a `folder`");
                }
                if source.filter.is_some() && source.session.is_none() {
                    return fail(format!("sources.{layer}[{i}].filter"), "only a session's shots can be filtered");
                }
            }
        }
        Ok(())
    }
}
