//! How the gradients of pictures are distributed (CoRRN paper, figure 10): reflections add gradients that backgrounds do not
//! have, and a network that blurs takes some away. Both show before a person sees them.

use image::RgbImage;
use serde::Serialize;

/// Largest difference of two neighbours, in levels.
const MOST: usize = 255;

/// Counts of the differences of neighbouring pixels along rows and columns, of luma (ITU-R BT.601, in whole levels): from -255
/// to 255.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gradients {
    counts: Vec<u64>,
}

impl Default for Gradients {
    fn default() -> Self {
        Self { counts: vec![0; 2 * MOST + 1] }
    }
}

impl Gradients {
    /// Counts another picture's differences too.
    pub fn add(&mut self, picture: &RgbImage) {
        let width = picture.width() as usize;
        let luma = |p: &image::Rgb<u8>| {
            let [r, g, b] = p.0.map(f64::from);
            (0.299 * r + 0.587 * g + 0.114 * b).round() as usize
        };
        let grey: Vec<usize> = picture.pixels().map(luma).collect();
        let mut count = |from: usize, to: usize| self.counts[MOST + to - from] += 1;
        for row in grey.chunks_exact(width.max(1)) {
            row.windows(2).for_each(|pair| count(pair[0], pair[1]));
        }
        grey.iter().zip(grey.iter().skip(width)).for_each(|(above, below)| count(*above, *below));
    }

    /// Level and share of each difference. One count is added to each of the 511: no share is 0, and none of some million
    /// differences moves by it.
    pub fn shares(&self) -> Vec<(f64, f64)> {
        let total = (self.counts.iter().sum::<u64>() + self.counts.len() as u64) as f64;
        let level = |i: usize| i as f64 - MOST as f64;
        self.counts.iter().enumerate().map(|(i, n)| (level(i), (n + 1) as f64 / total)).collect()
    }

    /// Kullback and Leibler's divergence from the truth's distribution P to this one, Q: the sum of P ln(P / Q), in nats. 0 of
    /// the same distribution.
    pub fn divergence_from(&self, truth: &Self) -> f64 {
        truth.shares().iter().zip(self.shares()).map(|((_, p), (_, q))| p * (p / q).ln()).sum()
    }
}

/// The distributions of a network's output (or what else is scored), of the truth and of the input.
#[derive(Debug, Clone, Default)]
pub struct Compared {
    /// Of the pictures that are scored.
    pub output: Gradients,
    /// Of the backgrounds.
    pub truth: Gradients,
    /// Of the mixtures.
    pub input: Gradients,
}

/// [`Compared`] in numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Divergences {
    /// From the truth to the output, in nats.
    pub kl_output: f64,
    /// From the truth to the input.
    pub kl_input: f64,
    /// Shares of the differences -255 to 255.
    pub output: Vec<f64>,
    /// As `output`.
    pub truth: Vec<f64>,
    /// As `output`.
    pub input: Vec<f64>,
}

impl Compared {
    /// Counts a picture that is scored, the background and the mixture.
    pub fn add(&mut self, output: &RgbImage, truth: &RgbImage, input: &RgbImage) {
        self.output.add(output);
        self.truth.add(truth);
        self.input.add(input);
    }

    /// In numbers.
    pub fn divergences(&self) -> Divergences {
        let shares = |g: &Gradients| g.shares().into_iter().map(|(_, share)| share).collect();
        Divergences {
            kl_output: self.output.divergence_from(&self.truth),
            kl_input: self.input.divergence_from(&self.truth),
            output: shares(&self.output),
            truth: shares(&self.truth),
            input: shares(&self.input),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row of 0 and 10 in turn over `width` columns, repeated: differences of 10 and -10 along rows, 0 along columns.
    fn stripes(level: u8) -> RgbImage {
        RgbImage::from_fn(65, 32, |x, _| image::Rgb([if x % 2 == 1 { level } else { 0 }; 3]))
    }

    #[test]
    fn stripes_have_the_shares_that_were_drawn() {
        let mut found = Gradients::default();
        found.add(&stripes(10));
        // 64 differences in each of 32 rows, half of them up; 65 in each of 31 pairs of rows.
        let (along, across, total) = (64 * 32, 65 * 31, (64 * 32 + 65 * 31 + 511) as f64);
        let share = |level: i32| found.shares()[(255 + level) as usize].1;
        assert_eq!(share(10), (along / 2 + 1) as f64 / total);
        assert_eq!(share(-10), share(10));
        assert_eq!(share(0), (across + 1) as f64 / total);
        assert_eq!(share(9), 1.0 / total);
        assert!((found.shares().iter().map(|(_, s)| s).sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_divergence_is_that_of_the_formula() {
        let of = |level| {
            let mut g = Gradients::default();
            g.add(&stripes(level));
            g
        };
        let (truth, output) = (of(10), of(20));
        assert_eq!(truth.divergence_from(&truth), 0.0);
        // Only four levels differ: p at 10 and -10 stands over 1 count of q, and the other way round at 20 and -20.
        let total = (64 * 32 + 65 * 31 + 511) as f64;
        let (p, q) = (1025.0 / total, 1.0 / total);
        let wanted = 2.0 * (p * (p / q).ln() + q * (q / p).ln());
        assert!((output.divergence_from(&truth) - wanted).abs() < 1e-12);
    }
}
