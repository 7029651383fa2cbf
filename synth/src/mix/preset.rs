//! The ranges in effect: a published recipe's, and what the user replaces.

use manifests::{
    Interval,
    recipe::{Aperture, Attenuation, Clipping, Encoding, Excess, Formation, Ghost, Noise, Preset, Recipe},
};

/// Everything that a sample is drawn from, but its sources and sizes.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) alpha: Interval,
    pub(crate) beta: Interval,
    pub(crate) pairs: Vec<[f64; 2]>,
    pub(crate) complement: bool,
    pub(crate) formation: Formation,
    pub(crate) light: Encoding,
    pub(crate) camera_curve: Vec<[f64; 2]>,
    pub(crate) blur_sigma: Interval,
    /// Sides of the blur's kernel, two odd numbers.
    pub(crate) blur_kernel: Option<[u32; 2]>,
    pub(crate) defocus_radius: Interval,
    pub(crate) aperture: Option<Aperture>,
    pub(crate) ghost: Option<Ghost>,
    pub(crate) excess: Option<Excess>,
    pub(crate) vignette: bool,
    pub(crate) attenuation: Option<Attenuation>,
    pub(crate) zoom: Option<Interval>,
    pub(crate) rotate: bool,
    pub(crate) flip: f64,
    pub(crate) flip_vertical: f64,
    pub(crate) exposure_ev: Interval,
    pub(crate) noise: Option<Noise>,
    pub(crate) clipping: Clipping,
    pub(crate) jpeg_quality: Option<Interval>,
}

const fn range(low: f64, high: f64) -> Interval {
    Interval { low, high }
}

/// Plain addition with weights of 1 and no augmentation: what presets start from.
const PLAIN: Model = Model {
    alpha: range(1.0, 1.0),
    beta: range(1.0, 1.0),
    pairs: Vec::new(),
    complement: false,
    formation: Formation::Additive,
    light: Encoding::Display,
    camera_curve: Vec::new(),
    blur_sigma: range(0.0, 0.0),
    blur_kernel: None,
    defocus_radius: range(0.0, 0.0),
    aperture: None,
    ghost: None,
    excess: None,
    vignette: false,
    attenuation: None,
    zoom: None,
    rotate: false,
    flip: 0.0,
    flip_vertical: 0.0,
    exposure_ev: range(0.0, 0.0),
    noise: None,
    clipping: Clipping::Cut,
    jpeg_quality: None,
};

impl Model {
    /// A published recipe; the sources of its numbers are at [`Preset`]'s variants.
    fn preset(preset: Preset) -> Self {
        let excess = |low, high, per_channel| Some(Excess { factor: range(low, high), per_channel });
        match preset {
            Preset::CorrnPaper => {
                Self { alpha: range(0.8, 1.0), beta: range(0.1, 0.5), rotate: true, flip: 0.5, ..PLAIN }
            }
            // 5 % to 95 % of fits of display values on SIR2's 500 triplets, over its three parts.
            Preset::Sir2Fit => {
                Self { alpha: range(0.79, 1.0), beta: range(0.25, 0.80), rotate: true, flip: 0.5, ..PLAIN }
            }
            Preset::CorrnReleased => Self {
                pairs: vec![[0.8, 0.7], [0.9, 0.8], [0.7, 0.9]],
                blur_sigma: range(0.4, 0.4),
                flip: 0.5,
                flip_vertical: 0.5,
                jpeg_quality: Some(range(75.0, 75.0)),
                ..PLAIN
            },
            // 224 pixels cut from VOC's 500 x 375: the shorter side is 1.67 times the window's.
            Preset::Ceilnet => Self {
                blur_sigma: range(2.0, 5.0),
                blur_kernel: Some([11, 11]),
                excess: excess(1.3, 1.3, false),
                zoom: Some(range(1.67, 1.67)),
                ..PLAIN
            },
            // The shorter side is scaled to 224 to 448 pixels, then 224 are cut.
            Preset::Errnet => Self {
                blur_sigma: range(2.0, 5.0),
                blur_kernel: Some([11, 11]),
                excess: excess(1.3, 1.3, true),
                zoom: Some(range(1.0, 2.0)),
                flip: 0.5,
                ..PLAIN
            },
            Preset::Bdn => Self {
                beta: range(0.2, 0.4),
                complement: true,
                blur_sigma: range(0.0, 2.0),
                blur_kernel: Some([3, 7]),
                zoom: Some(range(1.0, 1.0)),
                ..PLAIN
            },
            Preset::Zhang => Self {
                alpha: range(0.8, 1.0),
                light: Encoding::Gamma22,
                blur_sigma: range(1.0, 5.0),
                excess: excess(1.08, 1.18, true),
                vignette: true,
                ..PLAIN
            },
            Preset::Dsrnet => Self {
                alpha: range(0.8, 1.0),
                beta: range(0.4, 1.0),
                formation: Formation::Screen,
                blur_sigma: range(2.0, 5.0),
                blur_kernel: Some([5, 11]),
                zoom: Some(range(1.0, 1.0)),
                rotate: true,
                flip: 0.5,
                ..PLAIN
            },
        }
    }

    /// Whether layers add in display values.
    pub(crate) fn is_additive(&self) -> bool {
        self.light == Encoding::Display && self.formation == Formation::Additive
    }

    /// The ranges that a recipe asks for.
    pub(crate) fn of(recipe: &Recipe) -> Self {
        let (base, mix) = (Self::preset(recipe.preset), &recipe.mix);
        // A range of its own for a weight ends what the preset ties the weights by.
        let own = mix.alpha.is_some() || mix.beta.is_some();
        // A lens takes the place of a preset's blur.
        let blur = |given: Option<Interval>, base| {
            given.unwrap_or(if mix.aperture.is_some() { range(0.0, 0.0) } else { base })
        };
        let pairs = mix.pairs.clone().unwrap_or(if own { Vec::new() } else { base.pairs });
        Self {
            alpha: mix.alpha.unwrap_or(base.alpha),
            beta: mix.beta.unwrap_or(base.beta),
            pairs,
            complement: mix.complement.unwrap_or(base.complement && mix.alpha.is_none()),
            formation: mix.formation.unwrap_or(base.formation),
            light: mix.light.unwrap_or(base.light),
            camera_curve: mix.camera_curve.clone().unwrap_or_default(),
            blur_sigma: blur(mix.blur_sigma, base.blur_sigma),
            // A preset's kernel is that of its own range.
            blur_kernel: mix
                .blur_kernel
                .or(base.blur_kernel.filter(|_| mix.blur_sigma.is_none() && mix.aperture.is_none())),
            defocus_radius: blur(mix.defocus_radius, base.defocus_radius),
            aperture: mix.aperture,
            ghost: mix.ghost.clone().or(base.ghost),
            excess: mix.excess.or(base.excess),
            vignette: mix.vignette.unwrap_or(base.vignette),
            attenuation: mix.attenuation,
            zoom: mix.zoom.or(base.zoom),
            rotate: mix.rotate.unwrap_or(base.rotate),
            flip: mix.flip.map_or(base.flip, |p| p.get()),
            flip_vertical: mix.flip_vertical.map_or(base.flip_vertical, |p| p.get()),
            exposure_ev: mix.exposure_ev.unwrap_or(base.exposure_ev),
            noise: mix.noise.or(base.noise),
            clipping: mix.clipping.unwrap_or(base.clipping),
            jpeg_quality: mix.jpeg_quality.or(base.jpeg_quality),
        }
    }
}
