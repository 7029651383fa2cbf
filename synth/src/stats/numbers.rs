//! The distribution of a number that comes one value after another, in memory that does not grow.

use manifests::{Interval, dataset::Sample};
use serde::Serialize;

use crate::mix::Model;

/// The distribution of one number.
#[derive(Debug, Serialize)]
pub struct Numbers {
    /// Its key.
    pub name: &'static str,
    /// The recipe's range, where it has one.
    pub asked: Option<[f64; 2]>,
    /// Smallest.
    pub min: f64,
    /// 5, 50 and 95 %, good to a 65,536th of the number's possible range.
    pub quantiles: [f64; 3],
    /// Mean.
    pub mean: f64,
    /// Largest.
    pub max: f64,
}

/// A number of every sample: one that the recipe draws, or one that the sample comes out as.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number {
    /// Its key.
    pub(crate) name: &'static str,
    /// The recipe's range, where it has one.
    asked: Option<Interval>,
    /// The largest magnitude that it can have.
    bound: f64,
    /// Takes it from a sample's line, where it is there.
    pub(crate) of: fn(&Sample) -> Option<f64>,
}

/// Every number that samples of a recipe have, those that say how good a sample is last.
pub(crate) fn numbers(model: &Model) -> Vec<Number> {
    let number = |name, asked, bound, of| Number { name, asked, bound, of };
    let tied = !model.pairs.is_empty();
    let (lens, glass) = (model.aperture, model.ghost.as_ref());
    let unit = Some(Interval { low: 0.0, high: 1.0 });
    let window = model.zoom.and(unit);
    let always = [
        number("alpha", (!tied && !model.complement).then_some(model.alpha), 2.0, |s| Some(s.drawn.alpha)),
        number("beta", (!tied).then_some(model.beta), 2.0, |s| Some(s.drawn.beta)),
        number("blur_sigma", lens.is_none().then_some(model.blur_sigma), 20.0, |s| Some(s.drawn.blur_sigma)),
        number("defocus_radius", lens.is_none().then_some(model.defocus_radius), 40.0, |s| {
            Some(s.drawn.defocus_radius)
        }),
        number("exposure_ev", Some(model.exposure_ev), 8.0, |s| Some(s.drawn.exposure_ev)),
        number("quarter_turns", None, 4.0, |s| Some(s.drawn.quarter_turns.into())),
        number("flip", None, 1.0, |s| Some(f64::from(u8::from(s.drawn.flip)))),
        number("flip_vertical", None, 1.0, |s| Some(f64::from(u8::from(s.drawn.flip_vertical)))),
    ];
    // None of these is negative but for an angle's sign.
    let drawn = |name, asked: Option<Interval>, of| asked.map(|range| number(name, Some(range), range.high, of));
    let centre = |name, of| model.vignette.then(|| number(name, None, 1.25, of));
    let where_asked = [
        drawn("f_number", lens.map(|a| a.f_number), |s| Some(s.drawn.aperture?.f_number)),
        drawn("focal_length_mm", lens.map(|a| a.focal_length_mm), |s| Some(s.drawn.aperture?.focal_length_mm)),
        drawn("focus_m", lens.map(|a| a.focus_m), |s| Some(s.drawn.aperture?.focus_m)),
        drawn("reflected_m", lens.map(|a| a.reflected_m), |s| Some(s.drawn.aperture?.reflected_m)),
        drawn("thickness_mm", glass.map(|g| g.thickness_mm), |s| Some(s.drawn.ghost?.thickness_mm)),
        drawn("angle_degrees", glass.map(|g| g.angle_degrees), |s| Some(s.drawn.ghost?.angle_degrees.abs())),
        drawn("field_width_mm", glass.map(|g| g.field_width_mm), |s| Some(s.drawn.ghost?.field_width_mm)),
        drawn("absorption_per_m", glass.map(|g| g.absorption_per_m), |s| Some(s.drawn.ghost?.absorption_per_m)),
        drawn("view_degrees", glass.and_then(|g| g.fresnel).map(|f| f.view_degrees), |s| s.drawn.ghost?.view_degrees),
        drawn("excess", model.excess.map(|e| e.factor), |s| Some(s.drawn.excess)),
        centre("vignette_down", |s| s.drawn.vignette.map(|[down, _]| down)),
        centre("vignette_along", |s| s.drawn.vignette.map(|[_, along]| along)),
        drawn("attenuation_least", model.attenuation.map(|a| a.least), |s| Some(s.drawn.attenuation?.least)),
        drawn("background_zoom", model.zoom, |s| Some(s.drawn.background_window?.zoom)),
        drawn("background_top", window, |s| Some(s.drawn.background_window?.top)),
        drawn("background_left", window, |s| Some(s.drawn.background_window?.left)),
        drawn("reflection_zoom", model.zoom, |s| Some(s.drawn.reflection_window?.zoom)),
        drawn("reflection_top", window, |s| Some(s.drawn.reflection_window?.top)),
        drawn("reflection_left", window, |s| Some(s.drawn.reflection_window?.left)),
        drawn(
            "blur_kernel",
            model.blur_kernel.map(|[low, high]| Interval { low: low.into(), high: high.into() }),
            |s| s.drawn.blur_kernel.map(f64::from),
        ),
        drawn("noise_gain", model.noise.map(|n| n.gain), |s| Some(s.drawn.noise?.gain)),
        drawn("noise_read", model.noise.map(|n| n.read), |s| Some(s.drawn.noise?.read)),
        drawn("jpeg_quality", model.jpeg_quality, |s| s.drawn.jpeg_quality.map(f64::from)),
    ];
    let outcome = [
        number("clipped", None, 1.0, |s| Some(s.clipped)),
        number("effective_beta", None, 4.0, |s| Some(s.quality?.effective_beta)),
        number("contrast", None, 1.0, |s| Some(s.quality?.contrast)),
    ];
    always.into_iter().chain(where_asked.into_iter().flatten()).chain(outcome).collect()
}

/// Counts one number in equal bins over all that it can be.
pub(super) struct Counter {
    number: Number,
    bins: Vec<u64>,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Counter {
    const BINS: usize = 65_536;

    pub(super) fn new(number: Number) -> Self {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { number, bins: vec![0; 2 * Self::BINS], count: 0, sum: 0.0, min, max }
    }

    /// For numbers up to `bound` that come from elsewhere than samples.
    pub(super) fn of_values(name: &'static str, bound: f64) -> Self {
        Self::new(Number { name, asked: None, bound, of: |_| None })
    }

    /// Adds the number of a sample, if it has it.
    pub(super) fn count(&mut self, sample: &Sample) {
        (self.number.of)(sample).into_iter().for_each(|value| self.add(value));
    }

    pub(super) fn add(&mut self, value: f64) {
        let all = Self::BINS as f64;
        // A line may hold any number.
        let bin = (value / self.number.bound.max(f64::MIN_POSITIVE) * all).round().clamp(-all, all - 1.0) + all;
        self.bins[bin as usize] += 1;
        self.count += 1;
        self.sum += value;
        (self.min, self.max) = (self.min.min(value), self.max.max(value));
    }

    /// Whether nothing was counted: a data set of an older program need not have every number.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The distribution of what was counted; it must not be empty.
    pub(super) fn numbers(&self) -> Numbers {
        let quantile = |q: f64| {
            let rank = (q * self.count.saturating_sub(1) as f64).round() as u64;
            let mut below = 0;
            let bin = self.bins.iter().position(|n| {
                below += n;
                below > rank
            });
            let value = (bin.unwrap_or(0) as f64 - Self::BINS as f64) / Self::BINS as f64 * self.number.bound;
            value.clamp(self.min, self.max)
        };
        Numbers {
            name: self.number.name,
            asked: self.number.asked.map(|range| [range.low, range.high]),
            min: self.min,
            quantiles: [0.05, 0.5, 0.95].map(quantile),
            mean: self.sum / self.count.max(1) as f64,
            max: self.max,
        }
    }
}
