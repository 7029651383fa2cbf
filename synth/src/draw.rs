//! From (seed, index) to every number of a sample.
//!
//! The generator is ChaCha with 8 rounds, keyed by seed and index, so a sample's numbers depend on no
//! other sample. All of them are drawn always and in this order, whether the recipe uses them or not:
//! changing one range leaves the other numbers as they are.

use manifests::{Interval, Seed, dataset::Drawn};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::mix::Model;

/// What there is to choose from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choices<'a> {
    /// Backgrounds of the sample's split.
    pub(crate) backgrounds: &'a [u32],
    /// Reflections of the sample's split.
    pub(crate) reflections: &'a [u32],
    /// Number of sizes.
    pub(crate) sizes: usize,
}

/// Draws sample `index`. Neither list of `choices` is empty.
pub(crate) fn draw(seed: Seed, index: u64, choices: Choices<'_>, model: &Model) -> Drawn {
    let mut key = *b"synth: seed, index, ............";
    key[16..24].copy_from_slice(&seed.0.to_le_bytes());
    key[24..].copy_from_slice(&index.to_le_bytes());
    let mut source = Source(ChaCha8Rng::from_seed(key));
    Drawn {
        background: choices.backgrounds[source.below(choices.backgrounds.len())],
        reflection: choices.reflections[source.below(choices.reflections.len())],
        size: source.below(choices.sizes) as u32,
        alpha: source.within(model.alpha),
        beta: source.within(model.beta),
        blur_sigma: source.within(model.blur_sigma),
        quarter_turns: source.below(4) as u8 * u8::from(model.rotate),
        flip: source.unit() < model.flip,
    }
}

struct Source(ChaCha8Rng);

impl Source {
    /// Uniform in [0, 1), 53 bits.
    fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
    /// Uniform in [low, high].
    fn within(&mut self, range: Interval) -> f64 {
        (range.low + (range.high - range.low) * self.unit()).clamp(range.low, range.high)
    }
    /// Uniform below `n` by multiplication (Lemire); `n` is far below 2^32, so the bias is below 2^-32.
    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }
}
