//! From two photographs and the numbers drawn to a mixture and its two layers.
//!
//! Whatever the model, three 8-bit pictures come out, and `mixture = background + reflection` holds
//! exactly wherever nothing clips: the mixture is written from the quantised layers, so that what a
//! network is asked to separate is what it is shown.

mod gaussian;

use manifests::{
    Interval,
    dataset::Drawn,
    recipe::{Preset, Recipe},
};

use crate::pixels::Rgb8;

/// The ranges in effect: the preset's, and what the recipe replaces.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) alpha: Interval,
    pub(crate) beta: Interval,
    pub(crate) blur_sigma: Interval,
    pub(crate) rotate: bool,
    pub(crate) flip: f64,
}

impl Model {
    /// The ranges that a recipe asks for.
    pub(crate) fn of(recipe: &Recipe) -> Self {
        let range = |low, high| Interval { low, high };
        let (alpha, beta) = match recipe.preset {
            // Wan et al., TPAMI 2019, section 3.
            Preset::CorrnPaper => (range(0.8, 1.0), range(0.1, 0.5)),
            // 5 % to 95 % of least-squares fits of display values on SIR2's 500 triplets, over its three parts.
            Preset::Sir2Fit => (range(0.79, 1.0), range(0.25, 0.80)),
        };
        let mix = &recipe.mix;
        Self {
            alpha: mix.alpha.unwrap_or(alpha),
            beta: mix.beta.unwrap_or(beta),
            blur_sigma: mix.blur_sigma.unwrap_or(range(0.0, 0.0)),
            rotate: mix.rotate.unwrap_or(true),
            flip: mix.flip.map_or(0.5, |p| p.get()),
        }
    }
}

/// A mixture and the layers that it is the sum of.
pub(crate) struct Mixed {
    pub(crate) mixture: Rgb8,
    pub(crate) background: Rgb8,
    pub(crate) reflection: Rgb8,
    /// Fraction of subpixels where the sum exceeded 255.
    pub(crate) clipped: f64,
}

/// I = alpha B + beta R of display values (Wan et al., TPAMI 2019, eq. 1); both pictures are equally large.
pub(crate) fn mix(background: &Rgb8, reflection: &Rgb8, drawn: &Drawn) -> Mixed {
    let background = scaled(background, drawn.alpha, 0.0);
    let reflection = scaled(reflection, drawn.beta, drawn.blur_sigma);
    let mut over = 0usize;
    let sum = background.data.iter().zip(&reflection.data).map(|(b, r)| {
        let (value, clipped) = b.overflowing_add(*r);
        over += usize::from(clipped);
        if clipped { 255 } else { value }
    });
    let data: Vec<u8> = sum.collect();
    let clipped = over as f64 / data.len() as f64;
    let mixture = Rgb8 { height: background.height, width: background.width, data };
    let done = |p: Rgb8| p.turned(drawn.quarter_turns, drawn.flip);
    Mixed { mixture: done(mixture), background: done(background), reflection: done(reflection), clipped }
}

/// `weight` times a picture, blurred, rounded to 8 bits.
fn scaled(picture: &Rgb8, weight: f64, sigma: f64) -> Rgb8 {
    let round = |v: f64| (v + 0.5).floor().clamp(0.0, 255.0) as u8;
    let data = if sigma > 0.0 {
        let mut values: Vec<f32> = picture.data.iter().map(|v| f32::from(*v)).collect();
        gaussian::blur(&mut values, picture.height, picture.width, sigma);
        values.iter().map(|v| round(f64::from(*v) * weight)).collect()
    } else {
        let table: Vec<u8> = (0..=255u8).map(|v| round(f64::from(v) * weight)).collect();
        picture.data.iter().map(|v| table[usize::from(*v)]).collect()
    };
    Rgb8 { height: picture.height, width: picture.width, data }
}
