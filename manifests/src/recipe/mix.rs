//! `mix` in a recipe: the models that two layers pass, each with its ranges.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CheckError, Interval, Unit};

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
    /// With `light: camera`, the camera's curve as measured: points [display value, light], both rising from 0 to 1, as
    /// `[[0, 0], [0.5, 0.21], [1, 1]]`. Between them it is straight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera_curve: Option<Vec<[f64; 2]>>,
    /// Range of the standard deviation in pixels of a Gaussian blur of the reflection, within [0, 20].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blur_sigma: Option<Interval>,
    /// Range of the side in pixels of the blur's kernel, odd numbers within [1, 121]. Left out, it reaches 3 standard deviations
    /// to each side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blur_kernel: Option<[u32; 2]>,
    /// Range of the radius in pixels of a disc that the reflection is defocused by, within [0, 20].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defocus_radius: Option<Interval>,
    /// Instead of `blur_sigma` and `defocus_radius`, the lens that the reflection is out of focus in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aperture: Option<Aperture>,
    /// The sheet of glass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ghost: Option<Ghost>,
    /// The mean excess over white, taken off the reflection before the weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excess: Option<Excess>,
    /// Whether a Gaussian vignette lies on the reflection (Zhang et al., CVPR 2018).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vignette: Option<bool>,
    /// A smooth mask on the reflection, different for each sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attenuation: Option<Attenuation>,
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
    /// Range of the quality, within [1, 100], at which the mixture is compressed as JPEG and decompressed, last of all. Of
    /// such a sample I is what that makes of B + R.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jpeg_quality: Option<Interval>,
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
    /// Light, through the curve of the camera, `camera_curve`: for photographs that one camera developed.
    Camera,
}

/// The lens that the reflection is out of focus in: a thin lens gives the radius of its blur (see the line's `aperture`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Aperture {
    /// Range of f-numbers, within [0.7, 64].
    pub f_number: Interval,
    /// Range of focal lengths in millimetres, within [1, 2000].
    pub focal_length_mm: Interval,
    /// Range of the distance in metres from the lens to what is in focus, within [0.1, 100000] and at least twice the
    /// focal length.
    pub focus_m: Interval,
    /// Range of the distance in metres that light travels from what is reflected to the lens, within [0.1, 100000].
    pub reflected_m: Interval,
    /// Millimetres of the sensor that a sample's long side covers, 1 to 100; by default those of an APS-C camera.
    #[serde(default = "aps_c")]
    pub sensor_width_mm: f64,
    /// What a point becomes.
    #[serde(default)]
    pub kernel: Kernel,
}

fn aps_c() -> f64 {
    23.5
}

/// What a point becomes that is out of focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// A disc, as geometrical optics has it.
    #[default]
    Disc,
    /// A Gaussian of the disc's variance: sigma is half its radius.
    Gaussian,
}

/// A smooth mask that the reflection is multiplied by: values from `least` to 1 at the points of a grid, and between them
/// as in Perlin's noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attenuation {
    /// Range of the least value that the mask of a sample may have, within [0, 1].
    pub least: Interval,
    /// Squares of the grid along the sample's long side, 1 to 32.
    #[serde(default = "four_cells")]
    pub cells: u32,
}

fn four_cells() -> u32 {
    4
}

/// A sheet of glass. Its second surface reflects once more, displaced and weaker; of thickness 0, nothing is displaced.
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
    /// Whether reflection and background also differ over the picture, by the angle at which each pixel sees the glass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresnel: Option<Fresnel>,
}

/// Fresnel's reflectance of both surfaces on the reflection, and what the glass lets through on the background, pixel by
/// pixel. The glass stands upright; `angle_degrees` is the angle in the middle of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fresnel {
    /// Range of the angle in degrees that the long side covers, within [1, 120]; with half of it the angle of incidence
    /// stays below 89.
    pub view_degrees: Interval,
    /// Whether the weights are multiplied by what the glass reflects and lets through. Otherwise alpha and beta hold in
    /// the middle of the picture.
    #[serde(default)]
    pub absolute: bool,
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

impl Mix {
    pub(super) fn check(&self) -> Result<(), CheckError> {
        let fail = |key: &str, message: String| Err(CheckError::new(format!("mix.{key}"), message));
        let ghost = self.ghost.as_ref();
        for (key, range, low, high) in [
            ("alpha", self.alpha, 0.0, 2.0),
            ("beta", self.beta, 0.0, 2.0),
            ("blur_sigma", self.blur_sigma, 0.0, 20.0),
            ("defocus_radius", self.defocus_radius, 0.0, 20.0),
            ("aperture.f_number", self.aperture.map(|a| a.f_number), 0.7, 64.0),
            ("aperture.focal_length_mm", self.aperture.map(|a| a.focal_length_mm), 1.0, 2000.0),
            ("aperture.focus_m", self.aperture.map(|a| a.focus_m), 0.1, 100_000.0),
            ("aperture.reflected_m", self.aperture.map(|a| a.reflected_m), 0.1, 100_000.0),
            ("attenuation.least", self.attenuation.map(|a| a.least), 0.0, 1.0),
            ("zoom", self.zoom, 1.0, 8.0),
            ("exposure_ev", self.exposure_ev, -8.0, 8.0),
            ("jpeg_quality", self.jpeg_quality, 1.0, 100.0),
            ("noise.gain", self.noise.map(|n| n.gain), 0.0, 0.1),
            ("noise.read", self.noise.map(|n| n.read), 0.0, 0.2),
            ("excess.factor", self.excess.map(|e| e.factor), 0.0, 4.0),
            ("ghost.thickness_mm", ghost.map(|g| g.thickness_mm), 0.0, 100.0),
            ("ghost.angle_degrees", ghost.map(|g| g.angle_degrees), 0.0, 89.0),
            ("ghost.field_width_mm", ghost.map(|g| g.field_width_mm), 1.0, 100_000.0),
            ("ghost.fresnel.view_degrees", ghost.and_then(|g| g.fresnel).map(|f| f.view_degrees), 1.0, 120.0),
            ("ghost.absorption_per_m", ghost.map(|g| g.absorption_per_m), 0.0, 1000.0),
        ] {
            if range.is_some_and(|r| r.low < low || r.high > high) {
                return fail(key, format!("must lie within [{low}, {high}]"));
            }
        }
        if ghost.is_some_and(|g| !(1.0..=3.0).contains(&g.refractive_index)) {
            return fail("ghost.refractive_index", "must be from 1 to 3".into());
        }
        if let (Some(g), Some(f)) = (ghost, ghost.and_then(|g| g.fresnel))
            && g.angle_degrees.high + f.view_degrees.high / 2.0 >= 89.0
        {
            let message = "with the largest ghost.angle_degrees, part of a picture would look past the glass: half of it \
                           and that angle must stay below 89";
            return fail("ghost.fresnel.view_degrees", message.into());
        }
        self.check_aperture()?;
        self.check_curve()?;
        if self.attenuation.is_some_and(|a| !(1..=32).contains(&a.cells)) {
            return fail("attenuation.cells", "must be from 1 to 32".into());
        }
        for (key, range) in [("alpha", self.alpha), ("beta", self.beta)] {
            if range.is_some() && self.pairs.is_some() {
                return fail(key, "the pairs say which weights there are: leave this or `pairs` out".into());
            }
        }
        if self
            .blur_kernel
            .is_some_and(|[low, high]| low > high || high > 121 || low.min(high) % 2 == 0 || high % 2 == 0)
        {
            return fail("blur_kernel", "must be a range of two odd numbers within [1, 121]".into());
        }
        if self.complement == Some(true) && self.alpha.is_some() {
            return fail("alpha", "is 1 - beta with `complement`: leave one of them out".into());
        }
        match &self.pairs {
            Some(pairs) if pairs.is_empty() => fail("pairs", "lists no pair".into()),
            Some(pairs) if pairs.iter().flatten().any(|w| !(0.0..=2.0).contains(w)) => {
                fail("pairs", "each weight must lie within [0, 2]".into())
            }
            _ => Ok(()),
        }
    }
    fn check_aperture(&self) -> Result<(), CheckError> {
        let Some(aperture) = self.aperture else { return Ok(()) };
        let fail = |key: &str, message: &str| Err(CheckError::new(format!("mix.{key}"), message));
        for (key, range) in [("blur_sigma", self.blur_sigma), ("defocus_radius", self.defocus_radius)] {
            if range.is_some() {
                return fail(
                    key,
                    "the aperture says how far out of focus the reflection is: leave this or `aperture` out",
                );
            }
        }
        if aperture.focus_m.low * 1000.0 < 2.0 * aperture.focal_length_mm.high {
            return fail(
                "aperture.focus_m",
                "must be at least twice the focal length: nothing nearer comes into focus",
            );
        }
        if !(1.0..=100.0).contains(&aperture.sensor_width_mm) {
            return fail("aperture.sensor_width_mm", "must be from 1 to 100");
        }
        Ok(())
    }

    fn check_curve(&self) -> Result<(), CheckError> {
        let fail = |message: &str| Err(CheckError::new("mix.camera_curve".to_owned(), message));
        match (&self.camera_curve, self.light) {
            (None, Some(Encoding::Camera)) => {
                let message = "camera needs the camera's curve: add `camera_curve: [[0, 0], ..., [1, 1]]`";
                Err(CheckError::new("mix.light".to_owned(), message))
            }
            (None, _) => Ok(()),
            (Some(_), light) if light != Some(Encoding::Camera) => fail("is used with `light: camera` only"),
            (Some(points), _) => {
                let ends = points.first() == Some(&[0.0, 0.0]) && points.last() == Some(&[1.0, 1.0]);
                let rises = points.windows(2).all(|w| w[1][0] > w[0][0] && w[1][1] > w[0][1]);
                if !ends || !rises {
                    return fail("must rise in both numbers, from [0, 0] to [1, 1]");
                }
                if points.len() > 4096 {
                    return fail("has more than 4096 points");
                }
                Ok(())
            }
        }
    }
}
