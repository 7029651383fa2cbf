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
    /// Limits that every sample keeps: numbers that break one are drawn anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Whether the layers are also written as they were before weights, blur and the rest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unscaled: bool,
}

fn paper_sizes() -> Vec<Size> {
    vec![Size { height: 224, width: 288 }, Size { height: 96, width: 160 }]
}

/// A published way of mixing. Numbers are those of its authors' code, or of the paper where that is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// CoRRN (Wan et al., TPAMI 2019), section 3: I = alpha B + beta R, alpha in U[0.8, 1], beta in
    /// U[0.1, 0.5], rotation by quarter turns, horizontal flip with probability 0.5.
    #[default]
    CorrnPaper,
    /// CoRRN's released code: (alpha, beta) one of (0.8, 0.7), (0.9, 0.8), (0.7, 0.9), blur sigma 0.4, both flips.
    CorrnReleased,
    /// As `corrn-paper`, with alpha and beta as real glass mixes: least squares on SIR2's 500 triplets.
    Sir2Fit,
    /// CEILNet (Fan et al., ICCV 2017): blur sigma 2 to 5, 1.3 times the mean excess over white taken off the reflection.
    Ceilnet,
    /// ERRNet (Wei et al., CVPR 2019): as `ceilnet`, a channel at a time, crops at scales 1 to 2.
    Errnet,
    /// BDN (Yang et al., ECCV 2018): (1 - beta) B + beta R, beta in U[0.2, 0.4], blur sigma up to 2.
    Bdn,
    /// Zhang et al., CVPR 2018: linear light, the mean excess taken off, a Gaussian vignette on the reflection.
    Zhang,
    /// DSRNet (Hu and Guo, ICCV 2023): alpha B + beta R - alpha beta B R, blur sigma 2 to 5.
    Dsrnet,
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
    /// Instead of ranges, pairs [alpha, beta] to choose from, each weight within [0, 2].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<Vec<[f64; 2]>>,
    /// Whether alpha is 1 - beta.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complement: Option<bool>,
    /// How the weighted layers combine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formation: Option<Formation>,
    /// In which values the layers combine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub light: Option<Encoding>,
    /// Range of the standard deviation in pixels of a Gaussian blur of the reflection, within [0, 20].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blur_sigma: Option<Interval>,
    /// Range of the radius in pixels of a disc that the reflection is defocused by, within [0, 20].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defocus_radius: Option<Interval>,
    /// The second surface of the glass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ghost: Option<Ghost>,
    /// The mean excess over white, taken off the reflection before the weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excess: Option<Excess>,
    /// Whether a Gaussian vignette lies on the reflection (Zhang et al., CVPR 2018).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vignette: Option<bool>,
    /// Range of scales, within [1, 8], at which a photograph covers the sample, which is a window of it. `[1, 1]`
    /// cuts as little as the shape allows. Left out, photographs are used whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoom: Option<Interval>,
    /// Whether each sample is turned by 0, 90, 180 or 270 degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate: Option<bool>,
    /// Probability of a horizontal flip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flip: Option<Unit>,
    /// Probability of a vertical flip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flip_vertical: Option<Unit>,
    /// Range of the exposure in stops, of both layers after their weights, within [-8, 8].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure_ev: Option<Interval>,
    /// The sensor's noise, in the values that layers combine in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
    /// What becomes of values brighter than white.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clipping: Option<Clipping>,
}

/// A sensor's noise: variance gain v + read^2 at value v in [0, 1] (Foi et al., IEEE TIP 2008). Each layer has the shot
/// noise of its own light and the background the read noise, so that I = B + R holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// Range of the shot noise's variance at white, within [0, 0.1].
    pub gain: Interval,
    /// Range of the read noise's standard deviation, within [0, 0.2].
    pub read: Interval,
}

/// What becomes of values brighter than white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Clipping {
    /// They are white, as on a sensor; how many is recorded.
    Cut,
    /// Both layers are dimmed until the brightest value is white.
    Scale,
}

/// How the weighted layers combine, b = alpha B and r = beta R in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Formation {
    /// b + r.
    Additive,
    /// b + r - b r, which never clips.
    Screen,
}

/// What the numbers of a picture mean while layers combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Display values, as files have them.
    Display,
    /// Light, display values to the power of 2.2.
    Gamma22,
    /// Light, through the curve of sRGB (IEC 61966-2-1).
    Srgb,
}

/// Ghosting: the glass's second surface reflects once more, displaced and weaker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ghost {
    /// Range of the glass's thickness in millimetres, within [0, 100].
    pub thickness_mm: Interval,
    /// Range of the angle of incidence in degrees, within [0, 89].
    pub angle_degrees: Interval,
    /// Range of the width in millimetres, at the reflected scene's depth, that a landscape picture covers, within
    /// [1, 100000].
    pub field_width_mm: Interval,
    /// Refractive index, 1 to 3.
    #[serde(default = "glass")]
    pub refractive_index: f64,
    /// Range of the absorption coefficient per metre, within [0, 1000].
    pub absorption_per_m: Interval,
}

fn glass() -> f64 {
    1.474
}

/// The mean excess over white, m, taken off the reflection: r = max(r - factor m, 0), m = mean of b + r where above 1,
/// less 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Excess {
    /// Range of the factor, within [0, 4].
    pub factor: Interval,
    /// Whether each channel has its own mean.
    pub per_channel: bool,
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
        self.mix.check()?;
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

impl Mix {
    fn check(&self) -> Result<(), CheckError> {
        let fail = |key: &str, message: String| Err(CheckError::new(format!("mix.{key}"), message));
        let ghost = self.ghost.as_ref();
        for (key, range, low, high) in [
            ("alpha", self.alpha, 0.0, 2.0),
            ("beta", self.beta, 0.0, 2.0),
            ("blur_sigma", self.blur_sigma, 0.0, 20.0),
            ("defocus_radius", self.defocus_radius, 0.0, 20.0),
            ("zoom", self.zoom, 1.0, 8.0),
            ("exposure_ev", self.exposure_ev, -8.0, 8.0),
            ("noise.gain", self.noise.map(|n| n.gain), 0.0, 0.1),
            ("noise.read", self.noise.map(|n| n.read), 0.0, 0.2),
            ("excess.factor", self.excess.map(|e| e.factor), 0.0, 4.0),
            ("ghost.thickness_mm", ghost.map(|g| g.thickness_mm), 0.0, 100.0),
            ("ghost.angle_degrees", ghost.map(|g| g.angle_degrees), 0.0, 89.0),
            ("ghost.field_width_mm", ghost.map(|g| g.field_width_mm), 1.0, 100_000.0),
            ("ghost.absorption_per_m", ghost.map(|g| g.absorption_per_m), 0.0, 1000.0),
        ] {
            if range.is_some_and(|r| r.low < low || r.high > high) {
                return fail(key, format!("must lie within [{low}, {high}]"));
            }
        }
        if ghost.is_some_and(|g| !(1.0..=3.0).contains(&g.refractive_index)) {
            return fail("ghost.refractive_index", "must be from 1 to 3".into());
        }
        match &self.pairs {
            Some(pairs) if pairs.is_empty() => fail("pairs", "lists no pair".into()),
            Some(pairs) if pairs.iter().flatten().any(|w| !(0.0..=2.0).contains(w)) => {
                fail("pairs", "each weight must lie within [0, 2]".into())
            }
            _ => Ok(()),
        }
    }
}
