//! From two photographs and the numbers drawn to a mixture and its two layers.
//!
//! Whatever the model, three 8-bit pictures come out, and `mixture = background + reflection` holds
//! exactly wherever nothing clips: the mixture is written from the quantised layers, so that what a
//! network is asked to separate is what it is shown. Where layers do not add in display values (light,
//! screen) the reflection is what the glass added to the picture: I - B. Where a recipe has the mixture compressed, the
//! mixture is what that makes of the sum.

pub(crate) mod aperture;
mod attenuation;
mod defocus;
mod excess;
mod exposure;
mod figures;
mod fresnel;
mod gaussian;
mod ghost;
mod jpeg;
mod light;
mod noise;
mod preset;
mod screen;
mod vignette;
mod weigh;

use manifests::{
    Seed,
    dataset::{Drawn, SampleQuality},
    recipe::{Clipping, Formation},
};

use crate::pixels::{Rgb8, Spare};
use figures::Figures;
pub(crate) use jpeg::compressed;
pub(crate) use light::Curve;
pub(crate) use preset::Model;

/// A mixture and the layers that it is the sum of.
pub(crate) struct Mixed {
    pub(crate) mixture: Rgb8,
    pub(crate) background: Rgb8,
    pub(crate) reflection: Rgb8,
    /// Fraction of subpixels where the sum exceeded white.
    pub(crate) clipped: f64,
    pub(crate) quality: SampleQuality,
}

/// Mixes two pictures, equally large once the reflection is turned by `across` quarters, and turns the outcome. Turns and
/// flips come last, so that the optics know which way is up. The pictures take memory of `spare` where they can.
pub(crate) fn mix(
    background: &Rgb8,
    reflection: &Rgb8,
    across: u8,
    drawn: &Drawn,
    model: &Model,
    seed: Seed,
    index: u64,
    spare: &mut Spare,
) -> Mixed {
    if plain(drawn, model) {
        return weigh::weigh(background, reflection, across, drawn, spare);
    }
    let upright;
    let reflection = match across {
        0 => reflection,
        _ => {
            upright = reflection.clone().turned(across, false);
            &upright
        }
    };
    let layers = expose(background, reflection, drawn, model, seed, index);
    let quality = Figures::of(&layers.reflection, reflection);
    let turn = |picture| turned(picture, drawn);
    let (mixture, background) = (turn(layers.mixture), turn(layers.background));
    Mixed { mixture, background, reflection: turn(layers.reflection), clipped: layers.clipped, quality }
}

/// A picture as the sample has it.
pub(crate) fn turned(picture: Rgb8, drawn: &Drawn) -> Rgb8 {
    let (quarters, flip) = turns(drawn);
    picture.turned(quarters, flip)
}

/// Quarter turns and flip left to right; top to bottom is half a turn and left to right.
fn turns(drawn: &Drawn) -> (u8, bool) {
    if drawn.flip_vertical { (drawn.quarter_turns + 2, !drawn.flip) } else { (drawn.quarter_turns, drawn.flip) }
}

/// Whether weights are all there is.
fn plain(drawn: &Drawn, model: &Model) -> bool {
    model.is_additive()
        && model.clipping == Clipping::Cut
        && drawn.blur_sigma == 0.0
        && drawn.defocus_radius == 0.0
        && drawn.ghost.is_none()
        && drawn.excess == 0.0
        && drawn.vignette.is_none()
        && drawn.attenuation.is_none()
        && drawn.exposure_ev == 0.0
        && drawn.noise.is_none()
}

/// The pictures of [`Mixed`], not turned yet.
struct Layers {
    mixture: Rgb8,
    background: Rgb8,
    reflection: Rgb8,
    clipped: f64,
}

/// Everything beyond weights, in the values that the model's layers combine in.
fn expose(background: &Rgb8, reflection: &Rgb8, drawn: &Drawn, model: &Model, seed: Seed, index: u64) -> Layers {
    let (height, width) = (background.height, background.width);
    let curve = Curve::of(model.light, &model.camera_curve);
    let decode = |p: &Rgb8| -> Vec<f32> { p.data.iter().map(|v| curve.decode(*v)).collect() };
    let (mut b, mut r) = (decode(background), decode(reflection));
    optics_of(&mut b, &mut r, height, width, drawn, model);
    let gain = exposure::gain(drawn.exposure_ev);
    b.iter_mut().for_each(|v| *v *= drawn.alpha as f32 * gain);
    r.iter_mut().for_each(|v| *v *= drawn.beta as f32 * gain);
    if model.clipping == Clipping::Scale {
        exposure::fit(&mut b, &mut r, model.formation);
    }
    if let Some(noise) = &drawn.noise {
        noise::add(&mut b, &mut r, noise, seed, index);
    }
    let picture = |data: Vec<u8>| Rgb8 { height, width, data };
    let encode = |values: &[f32]| picture(values.iter().map(|v| curve.encode(*v)).collect());
    if model.is_additive() {
        let level = |v: f32| (v * 255.0 + 0.5).floor();
        let over = b.iter().zip(&r).filter(|(b, r)| level(**b) + level(**r) > 255.0).count();
        return add(encode(&b), encode(&r), over);
    }
    let mut over = 0usize;
    let combined = b.iter().zip(&r).map(|(b, r)| {
        let (sum, white) = match model.formation {
            Formation::Additive => (b + r, 1.0),
            Formation::Screen => (screen::combine(*b, *r), b.max(*r)),
        };
        over += usize::from(sum > 1.0 || white > 1.0);
        sum
    });
    let data: Vec<u8> = combined.map(|v| curve.encode(v)).collect();
    let (mixture, background) = (picture(data), encode(&b));
    // Never negative: both formations of values from 0 on, and every curve, are monotone.
    let added = mixture.data.iter().zip(&background.data).map(|(i, b)| i.saturating_sub(*b)).collect();
    let clipped = over as f64 / mixture.data.len() as f64;
    Layers { mixture, background, reflection: picture(added), clipped }
}

/// What lens and glass do to the reflection: lens, second surface, what authors add; then how both layers differ over the
/// picture.
fn optics_of(b: &mut [f32], r: &mut Vec<f32>, height: usize, width: usize, drawn: &Drawn, model: &Model) {
    gaussian::blur(r, height, width, drawn.blur_sigma, drawn.blur_kernel);
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
    if let (Some(mask), Some(known)) = (&drawn.attenuation, &model.attenuation) {
        attenuation::attenuate(r, height, width, mask, known.cells);
    }
    if let (Some(glass), Some(known)) = (&drawn.ghost, &model.ghost) {
        fresnel::pane(b, r, height, width, glass, known);
    }
}

/// The sum of quantised layers, of which `over` values exceeded white before they were cut.
fn add(background: Rgb8, reflection: Rgb8, over: usize) -> Layers {
    let data: Vec<u8> = background.data.iter().zip(&reflection.data).map(|(b, r)| b.saturating_add(*r)).collect();
    let clipped = over as f64 / data.len() as f64;
    let mixture = Rgb8 { height: background.height, width: background.width, data };
    Layers { mixture, background, reflection, clipped }
}
