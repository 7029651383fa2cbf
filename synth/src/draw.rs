//! From (seed, index) to every number of a sample.
//!
//! The generator is ChaCha with 8 rounds, keyed by seed and index, so a sample's numbers depend on no
//! other sample. All of them are drawn always and in this order, whether the recipe uses them or not:
//! changing one range leaves the other numbers as they are.

use manifests::{
    Interval, Seed, Size,
    dataset::{Drawn, DrawnAperture, DrawnAttenuation, DrawnGhost, DrawnNoise, Window},
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::mix::{Model, aperture};

/// What there is to choose from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choices<'a> {
    /// Backgrounds of the sample's split.
    pub(crate) backgrounds: &'a [u32],
    /// Reflections of the sample's split.
    pub(crate) reflections: &'a [u32],
    /// The recipe's sizes.
    pub(crate) sizes: &'a [Size],
    /// The place of the sample's size among them, where it was drawn before.
    pub(crate) size: Option<u32>,
}

/// Draws sample `index` for the `attempt`th time, from 0. Neither list of `choices` is empty.
pub(crate) fn draw(seed: Seed, index: u64, attempt: u64, choices: Choices<'_>, model: &Model) -> Drawn {
    let mut key = *b"synth: seed, index, ............";
    key[16..24].copy_from_slice(&seed.0.to_le_bytes());
    key[24..].copy_from_slice(&index.to_le_bytes());
    let mut generator = ChaCha8Rng::from_seed(key);
    generator.set_stream(attempt);
    let mut source = Source(generator);
    let background = choices.backgrounds[source.below(choices.backgrounds.len())];
    let reflection = choices.reflections[source.below(choices.reflections.len())];
    let drawn = source.below(choices.sizes.len()) as u32;
    let size = choices.size.unwrap_or(drawn);
    let (alpha, beta) = (source.within(model.alpha), source.within(model.beta));
    let mut blur_sigma = source.within(model.blur_sigma);
    let (turns, flip) = (source.below(4) as u8, source.unit() < model.flip);
    let pair = source.below(model.pairs.len().max(1));
    let (alpha, beta) = match model.pairs.get(pair) {
        Some([alpha, beta]) => (*alpha, *beta),
        None if model.complement => (1.0 - beta, beta),
        None => (alpha, beta),
    };
    let mut defocus_radius = source.within(model.defocus_radius);
    let flip_vertical = source.unit() < model.flip_vertical;
    let glass = [(); 5].map(|()| source.unit());
    let mut ghost = model.ghost.as_ref().map(|g| DrawnGhost {
        thickness_mm: at(g.thickness_mm, glass[0]),
        angle_degrees: at(g.angle_degrees, glass[1]) * if glass[4] < 0.5 { -1.0 } else { 1.0 },
        field_width_mm: at(g.field_width_mm, glass[2]),
        absorption_per_m: at(g.absorption_per_m, glass[3]),
        view_degrees: None,
    });
    let factor = source.unit();
    let excess = model.excess.map_or(0.0, |e| at(e.factor, factor));
    // Zhang's windows lie within the mask, so the centre lies within a window's width of the picture's.
    let centre = [(); 2].map(|()| source.unit() * 1.1875 - 0.09375);
    let mut window = || {
        let [zoom, top, left] = [(); 3].map(|()| source.unit());
        model.zoom.map(|range| Window { zoom: at(range, zoom), top, left })
    };
    let (background_window, reflection_window) = (window(), window());
    let exposure_ev = source.within(model.exposure_ev);
    let sensor = [(); 2].map(|()| source.unit());
    let noise = model.noise.map(|n| DrawnNoise { gain: at(n.gain, sensor[0]), read: at(n.read, sensor[1]) });
    let lens = [(); 4].map(|()| source.unit());
    let aperture = model.aperture.map(|a| DrawnAperture {
        f_number: at(a.f_number, lens[0]),
        focal_length_mm: at(a.focal_length_mm, lens[1]),
        focus_m: at(a.focus_m, lens[2]),
        reflected_m: at(a.reflected_m, lens[3]),
    });
    if let (Some(known), Some(lens)) = (&model.aperture, &aperture) {
        let size = choices.sizes[size as usize];
        let radius = aperture::radius(lens, known.sensor_width_mm, f64::from(size.height.max(size.width)));
        (defocus_radius, blur_sigma) = aperture::blur(known.kernel, radius);
    }
    let view = source.unit();
    if let (Some(ghost), Some(fresnel)) = (&mut ghost, model.ghost.as_ref().and_then(|g| g.fresnel)) {
        ghost.view_degrees = Some(at(fresnel.view_degrees, view));
    }
    let (least, mask) = (source.unit(), Seed(source.bits()));
    let attenuation = model.attenuation.map(|a| DrawnAttenuation { least: at(a.least, least), seed: mask });
    let quality = source.unit();
    let side = source.unit();
    let blur_kernel = model.blur_kernel.map(|[low, high]| {
        let odd = (high - low) / 2 + 1;
        low + 2 * ((side * f64::from(odd)) as u32).min(odd - 1)
    });
    let jpeg_quality = model.jpeg_quality.map(|range| at(range, quality).round() as u8);
    Drawn {
        background,
        reflection,
        size,
        alpha,
        beta,
        blur_sigma,
        blur_kernel,
        quarter_turns: turns * u8::from(model.rotate),
        flip,
        flip_vertical,
        defocus_radius,
        ghost,
        excess,
        vignette: model.vignette.then_some(centre),
        background_window,
        reflection_window,
        exposure_ev,
        noise,
        aperture,
        attenuation,
        jpeg_quality,
    }
}

/// The point of a range that a fraction stands for.
fn at(range: Interval, fraction: f64) -> f64 {
    (range.low + (range.high - range.low) * fraction).clamp(range.low, range.high)
}

struct Source(ChaCha8Rng);

impl Source {
    fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }
    /// Uniform in [0, 1), 53 bits.
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
    /// Uniform in [low, high].
    fn within(&mut self, range: Interval) -> f64 {
        at(range, self.unit())
    }
    /// Uniform below `n` by multiplication (Lemire); `n` is far below 2^32, so the bias is below 2^-32.
    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }
}
