//! One sample: numbers drawn until the recipe's limits are kept, then two photographs mixed.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicBool, Ordering},
};

use manifests::{
    Size,
    dataset::{Drawn, SampleQuality, Split, Window},
    recipe::{Limits, Recipe},
};

use super::Mixer;
use crate::{
    draw::{Choices, draw},
    error::Error,
    mix::{Mixed, Model, compressed, mix, turned},
    pixels::{Rgb8, Spare},
    reduce::cut,
    split,
};

/// A sample in memory: three pictures of one size, 8-bit display values, H x W x 3.
#[derive(Debug, Clone)]
pub struct MixedSample {
    /// Its index.
    pub index: u64,
    /// The split: that of both its sources.
    pub split: Split,
    /// Every number drawn.
    pub drawn: Drawn,
    /// The mixture I.
    pub mixture: Rgb8,
    /// The background as the mixture holds it, alpha B.
    pub background: Rgb8,
    /// The reflection as the mixture holds it, beta R; I = B + R wherever nothing clips (before compression, where the recipe
    /// has some).
    pub reflection: Rgb8,
    /// Background and reflection before weights and optics, where the recipe asks for them.
    pub unscaled: Option<[Rgb8; 2]>,
    /// Fraction of subpixels where the sum exceeded white.
    pub clipped: f64,
    /// What the pictures came out as.
    pub quality: SampleQuality,
    /// How often numbers were drawn anew because of the recipe's limits.
    pub redrawn: u32,
    /// How many pairs of photographs were rejected because of them.
    pub rejected: u32,
}

impl Mixer {
    /// The numbers of sample `index` as drawn for the `attempt`th time.
    pub(super) fn attempt(&self, index: u64, split: Split, attempt: u64) -> Drawn {
        let recipe = &self.dataset.recipe;
        let [backgrounds, reflections] = &self.by_split[split as usize];
        let draw = |attempt, size| {
            let choices = Choices { backgrounds, reflections, sizes: recipe.sizes(), size };
            draw(recipe.seed, index, attempt, choices, &self.model)
        };
        let first = draw(0, None);
        if attempt == 0 {
            return first;
        }
        // Whoever asked for the sample's outline has made room for it.
        Drawn { quarter_turns: first.quarter_turns, ..draw(attempt, Some(first.size)) }
    }

    /// Mixes sample `index`.
    ///
    /// # Errors
    /// When the scratch file cannot be read, or nothing that is drawn keeps the recipe's limits.
    pub fn sample(&self, index: u64) -> Result<MixedSample, Error> {
        self.sample_in(index, &mut Spare::default(), &AtomicBool::new(false))
    }

    /// As [`Mixer::sample`], in memory of samples before where there is some; [`Error::Interrupted`] where it takes several
    /// draws and `stop` is set.
    pub(crate) fn sample_in(&self, index: u64, spare: &mut Spare, stop: &AtomicBool) -> Result<MixedSample, Error> {
        let split = split::of_sample(index, &self.dataset.recipe.splits);
        let limits = self.dataset.recipe.limits;
        let draws = limits.map_or(1, |limits| u64::from(limits.redraws) + 1);
        let mut broken = String::new();
        for attempt in 0..MOST_PAIRS * draws {
            let (pair, redrawn) = (attempt / draws, attempt - attempt / draws);
            let mut drawn = self.attempt(index, split, attempt);
            if !attempt.is_multiple_of(draws) {
                let first = self.attempt(index, split, pair * draws);
                (drawn.background, drawn.reflection) = (first.background, first.reflection);
            }
            if attempt > 0 && stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            let at = drawn.size as usize;
            let background = self.store.get(&self.backgrounds[drawn.background as usize][at])?;
            let reflection = self.store.get(&self.reflections[drawn.reflection as usize][at])?;
            let sample =
                combine(index, split, drawn, background, reflection, &self.dataset.recipe, &self.model, spare)?;
            match limits.and_then(|limits| breaks(&limits, &sample)) {
                None => return Ok(MixedSample { redrawn: redrawn as u32, rejected: pair as u32, ..sample }),
                Some(which) => broken = which,
            }
            sample.leave(spare);
        }
        Err(Error::BadInput(format!(
            "sample {index}: none of {MOST_PAIRS} pairs of photographs keeps the recipe's limits (last, {broken}); widen \
             `limits`"
        )))
    }
}

impl MixedSample {
    /// Ends, and leaves the memory of its pictures to those of the next sample.
    pub(crate) fn leave(self, spare: &mut Spare) {
        let unscaled = self.unscaled.into_iter().flatten();
        [self.mixture, self.background, self.reflection].into_iter().chain(unscaled).for_each(|p| spare.keep(p));
    }
}

/// Pairs of photographs that are tried for one sample.
const MOST_PAIRS: u64 = 100;

/// The first limit that a sample breaks, in words.
fn breaks(limits: &Limits, sample: &MixedSample) -> Option<String> {
    let SampleQuality { effective_beta, contrast } = sample.quality;
    let clipped = limits.clipped.filter(|most| sample.clipped > most.get());
    let weight = limits.effective_beta.filter(|range| !range.contains(effective_beta));
    let flat = limits.contrast.filter(|least| contrast < least.get());
    clipped
        .map(|most| format!("clipped {:.4} above {most}", sample.clipped))
        .or(weight.map(|r| format!("effective_beta {effective_beta:.4} outside [{}, {}]", r.low, r.high)))
        .or(flat.map(|least| format!("contrast {contrast:.4} below {least}")))
}

/// Mixes two reduced photographs.
///
/// A reflection of the other orientation is turned by a quarter: whole, never cropped.
pub(crate) fn combine(
    index: u64,
    split: Split,
    drawn: Drawn,
    background: Cow<'_, Rgb8>,
    reflection: Cow<'_, Rgb8>,
    recipe: &Recipe,
    model: &Model,
    spare: &mut Spare,
) -> Result<MixedSample, Error> {
    let size = recipe.sizes()[drawn.size as usize];
    let background = window_of(background, size, drawn.background_window)?;
    let reflection = window_of(reflection, size, drawn.reflection_window)?;
    let across = u8::from(background.height != reflection.height);
    let Mixed { mixture, background: alpha_b, reflection: beta_r, clipped, quality } =
        mix(&background, &reflection, across, &drawn, model, recipe.seed, index, spare);
    let mixture = match drawn.jpeg_quality {
        None => mixture,
        Some(quality) => compressed(&mixture, quality).map_err(|e| Error::Damaged(format!("sample {index}: {e}")))?,
    };
    let unscaled = recipe.writes_unscaled().then(|| {
        let reflection = reflection.into_owned().turned(across, false);
        [turned(background.into_owned(), &drawn), turned(reflection, &drawn)]
    });
    Ok(MixedSample {
        index,
        split,
        drawn,
        mixture,
        background: alpha_b,
        reflection: beta_r,
        unscaled,
        clipped,
        quality,
        redrawn: 0,
        rejected: 0,
    })
}

/// The window of a picture that a sample is, or all of it.
fn window_of(picture: Cow<'_, Rgb8>, size: Size, window: Option<Window>) -> Result<Cow<'_, Rgb8>, Error> {
    match window {
        None => Ok(picture),
        Some(window) => cut(&picture, size, window).map(Cow::Owned).map_err(Error::Damaged),
    }
}
