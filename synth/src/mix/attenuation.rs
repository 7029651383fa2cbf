//! A smooth mask on the reflection: what is reflected is seldom lit, nor seen, alike all over the glass. Masks that weigh
//! the layers pixel by pixel are those of Wen et al., "Single Image Reflection Removal Beyond Linearity", CVPR 2019,
//! section 3 (there guessed by a network).
//!
//! A square grid lies over the picture; at its points the mask has values drawn from [least, 1], and between the points
//!
//! ```text
//! m = lerp(lerp(m00, m01, s(x)), lerp(m10, m11, s(x)), s(y)),  s(t) = t^2 (3 - 2 t)
//! ```
//!
//! as in Perlin's value noise ("An Image Synthesizer", SIGGRAPH 1985): continuous, with a continuous slope.

use manifests::dataset::DrawnAttenuation;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// Multiplies an interleaved picture of `height` x `width` x 3 values by the mask, of `cells` squares along the long side.
pub(crate) fn attenuate(values: &mut [f32], height: usize, width: usize, drawn: &DrawnAttenuation, cells: u32) {
    let side = height.max(width) as f64 / f64::from(cells.max(1));
    // For each pixel along an axis the point of the grid before it, and how far it is on the way to the next.
    let places = |n: usize| -> Vec<(usize, f32)> {
        let place = |i: usize| {
            let at = (i as f64 + 0.5) / side;
            let t = at - at.floor();
            (at as usize, (t * t * (3.0 - 2.0 * t)) as f32)
        };
        (0..n).map(place).collect()
    };
    let (rows, columns) = (places(height), places(width));
    let points = cells as usize + 2;
    let mut key = *b"synth: mask of, ................";
    key[16..24].copy_from_slice(&drawn.seed.0.to_le_bytes());
    let mut source = ChaCha8Rng::from_seed(key);
    let mut value = || {
        let unit = (source.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        (drawn.least + (1.0 - drawn.least) * unit) as f32
    };
    let grid: Vec<f32> = (0..points * points).map(|_| value()).collect();
    let lerp = |a: f32, b: f32, t: f32| a + (b - a) * t;
    for (line, (row, down)) in values.chunks_exact_mut(width * 3).zip(&rows) {
        let (above, below) = (&grid[row * points..], &grid[(row + 1) * points..]);
        for (pixel, (column, along)) in line.chunks_exact_mut(3).zip(&columns) {
            let upper = lerp(above[*column], above[column + 1], *along);
            let lower = lerp(below[*column], below[column + 1], *along);
            let mask = lerp(upper, lower, *down);
            pixel.iter_mut().for_each(|v| *v *= mask);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifests::Seed;

    fn mask(least: f64, seed: u64, (height, width): (usize, usize), cells: u32) -> Vec<f32> {
        let mut values = vec![1.0; height * width * 3];
        attenuate(&mut values, height, width, &DrawnAttenuation { least, seed: Seed(seed) }, cells);
        values.iter().step_by(3).copied().collect()
    }

    #[test]
    fn a_mask_stays_in_its_range_is_smooth_and_is_its_seeds_own() {
        for size in [(60, 80), (80, 60), (1, 1), (3, 200)] {
            let values = mask(0.3, 5, size, 4);
            assert!(values.iter().all(|v| (0.3..=1.0).contains(v)));
        }
        let values = mask(0.3, 5, (60, 80), 4);
        let (least, most) = values.iter().fold((1.0f32, 0.0f32), |(a, b), v| (a.min(*v), b.max(*v)));
        assert!(most - least > 0.3, "{least} to {most}");
        // A cell is 20 pixels wide; the slope of s is at most 1.5.
        let steepest =
            values.windows(2).enumerate().filter(|(i, _)| (i + 1) % 80 != 0).map(|(_, w)| (w[0] - w[1]).abs());
        assert!(steepest.fold(0.0, f32::max) <= 0.7 * 1.5 / 20.0 + 1e-6);
        assert_eq!(values, mask(0.3, 5, (60, 80), 4));
        assert_ne!(values, mask(0.3, 6, (60, 80), 4));
        assert!(mask(1.0, 5, (60, 80), 32).iter().all(|v| *v == 1.0), "nothing is taken off");
    }
}
