//! From two photographs and the numbers drawn to a mixture and its two layers.
//!
//! Whatever the model, three 8-bit pictures come out, and `mixture = background + reflection` holds
//! exactly wherever nothing clips: the mixture is written from the quantised layers, so that what a
//! network is asked to separate is what it is shown. Where layers do not add in display values (light,
//! screen) the reflection is what the glass added to the picture: I - B.

mod defocus;
mod excess;
mod gaussian;
mod ghost;
mod light;
mod preset;
mod vignette;

use manifests::{
    dataset::Drawn,
    recipe::{Encoding, Formation},
};

use crate::pixels::Rgb8;
use light::Curve;
pub(crate) use preset::Model;

/// A mixture and the layers that it is the sum of.
pub(crate) struct Mixed {
    pub(crate) mixture: Rgb8,
    pub(crate) background: Rgb8,
    pub(crate) reflection: Rgb8,
    /// Fraction of subpixels where the sum exceeded white.
    pub(crate) clipped: f64,
}

/// Mixes two equally large pictures.
pub(crate) fn mix(background: &Rgb8, reflection: &Rgb8, drawn: &Drawn, model: &Model) -> Mixed {
    let additive = model.light == Encoding::Display && model.formation == Formation::Additive;
    let optics = drawn.blur_sigma > 0.0
        || drawn.defocus_radius > 0.0
        || drawn.ghost.is_some()
        || drawn.excess > 0.0
        || drawn.vignette.is_some();
    if additive && !optics {
        return add(table(background, drawn.alpha), table(reflection, drawn.beta));
    }
    let (height, width) = (background.height, background.width);
    let curve = Curve::of(model.light);
    let decode = |p: &Rgb8| -> Vec<f32> { p.data.iter().map(|v| curve.decode(*v)).collect() };
    let (mut b, mut r) = (decode(background), decode(reflection));
    optics_of(&b, &mut r, height, width, drawn, model);
    b.iter_mut().for_each(|v| *v *= drawn.alpha as f32);
    r.iter_mut().for_each(|v| *v *= drawn.beta as f32);
    let picture = |data: Vec<u8>| Rgb8 { height, width, data };
    let encode = |values: &[f32]| picture(values.iter().map(|v| curve.encode(*v)).collect());
    if additive {
        return add(encode(&b), encode(&r));
    }
    let mut over = 0usize;
    let combined = b.iter().zip(&r).map(|(b, r)| match model.formation {
        Formation::Additive => b + r,
        Formation::Screen => b + r - b * r,
    });
    let data: Vec<u8> = combined
        .map(|v| {
            over += usize::from(v > 1.0);
            curve.encode(v)
        })
        .collect();
    let (mixture, background) = (picture(data), encode(&b));
    // Never negative: both formations and every curve are monotone.
    let added = mixture.data.iter().zip(&background.data).map(|(i, b)| i.saturating_sub(*b)).collect();
    let clipped = over as f64 / mixture.data.len() as f64;
    Mixed { mixture, background, reflection: picture(added), clipped }
}

/// What lens and glass do to the reflection, in the order of the light: lens, second surface, then what authors add.
fn optics_of(b: &[f32], r: &mut Vec<f32>, height: usize, width: usize, drawn: &Drawn, model: &Model) {
    gaussian::blur(r, height, width, drawn.blur_sigma);
    defocus::defocus(r, height, width, drawn.defocus_radius);
    if let (Some(glass), Some(known)) = (&drawn.ghost, &model.ghost) {
        let (pixels, weight) = ghost::second_surface(glass, known.refractive_index, height.max(width));
        ghost::ghost(r, height, width, pixels, weight);
    }
    if let Some(excess) = &model.excess {
        excess::subtract(b, r, drawn.excess, excess.per_channel);
    }
    if let Some(centre) = drawn.vignette {
        vignette::vignette(r, height, width, centre);
    }
}

/// I = alpha B + beta R of display values (Wan et al., TPAMI 2019, eq. 1), from the quantised layers.
fn add(background: Rgb8, reflection: Rgb8) -> Mixed {
    let mut over = 0usize;
    let sums = background.data.iter().zip(&reflection.data).map(|(b, r)| {
        over += usize::from(b.checked_add(*r).is_none());
        b.saturating_add(*r)
    });
    let data: Vec<u8> = sums.collect();
    let clipped = over as f64 / data.len() as f64;
    let mixture = Rgb8 { height: background.height, width: background.width, data };
    Mixed { mixture, background, reflection, clipped }
}

/// `weight` times a picture, rounded to 8 bits.
fn table(picture: &Rgb8, weight: f64) -> Rgb8 {
    let table: [u8; 256] = std::array::from_fn(|v| (v as f64 * weight + 0.5).floor().clamp(0.0, 255.0) as u8);
    let data = picture.data.iter().map(|v| table[usize::from(*v)]).collect();
    Rgb8 { height: picture.height, width: picture.width, data }
}
