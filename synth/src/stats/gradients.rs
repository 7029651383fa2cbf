//! Distributions of gradients: what tells soft reflections from sharp backgrounds, and synthetic pictures from real ones
//! (their heavy tails: Levin and Weiss, "User Assisted Separation of Reflections from a Single Image", TPAMI 2007).

use serde::Serialize;

use crate::pixels::Rgb8;

/// The distribution of a layer's gradients: differences of neighbours along rows and columns, of luma (ITU-R BT.601), as
/// magnitudes in levels, 0 to 255.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gradients {
    /// Of which layer: mixture, background or reflection.
    pub layer: &'static str,
    /// Pictures that were measured.
    pub pictures: u64,
    /// Mean.
    pub mean: f64,
    /// 50, 95 and 99 %.
    pub quantiles: [u8; 3],
    /// How far the distribution of the real pairs is from this one, in levels: the earth mover's distance, the area between
    /// the two cumulative distributions.
    pub from_real: Option<f64>,
}

/// How often each magnitude is found.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    bins: [u64; 256],
    pictures: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { bins: [0; 256], pictures: 0 }
    }
}

impl Histogram {
    pub(super) fn of(picture: &Rgb8) -> Self {
        let luma = |p: &[u8]| ((77 * u32::from(p[0]) + 150 * u32::from(p[1]) + 29 * u32::from(p[2]) + 128) >> 8) as u8;
        let grey: Vec<u8> = picture.data.chunks_exact(3).map(luma).collect();
        let mut bins = [0; 256];
        for row in grey.chunks_exact(picture.width) {
            row.windows(2).for_each(|pair| bins[usize::from(pair[0].abs_diff(pair[1]))] += 1);
        }
        let below = grey.iter().skip(picture.width);
        grey.iter().zip(below).for_each(|(a, b)| bins[usize::from(a.abs_diff(*b))] += 1);
        Self { bins, pictures: 1 }
    }

    pub(super) fn plus(mut self, other: &Self) -> Self {
        self.bins.iter_mut().zip(&other.bins).for_each(|(a, b)| *a += b);
        self.pictures += other.pictures;
        self
    }

    /// The share of magnitudes up to each one.
    fn cumulative(&self) -> [f64; 256] {
        let (total, mut sum) = (self.bins.iter().sum::<u64>().max(1) as f64, 0);
        self.bins.map(|n| {
            sum += n;
            sum as f64 / total
        })
    }

    /// In numbers, beside the same layer of real pairs; none where no picture was measured.
    pub(super) fn gradients(&self, layer: &'static str, real: Option<&Self>) -> Option<Gradients> {
        if self.pictures == 0 {
            return None;
        }
        let own = self.cumulative();
        let area = |other: [f64; 256]| own.iter().zip(&other).map(|(a, b)| (a - b).abs()).sum();
        Some(Gradients {
            layer,
            pictures: self.pictures,
            mean: own.iter().map(|share| 1.0 - share).sum(),
            quantiles: [0.5, 0.95, 0.99].map(|q| own.iter().position(|share| *share >= q).unwrap_or(255) as u8),
            from_real: real.filter(|real| real.pictures > 0).map(|real| area(real.cumulative())),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Columns of black and of `level` in turn: half of all differences (those along rows) are `level`.
    fn stripes(level: u8) -> Rgb8 {
        let data = (0..64 * 65).flat_map(|i| [if i % 65 % 2 == 0 { 0 } else { level }; 3]).collect();
        Rgb8 { height: 64, width: 65, data }
    }

    #[test]
    fn stripes_have_the_gradients_that_were_drawn() {
        let weak = Histogram::of(&stripes(10));
        let strong = Histogram::of(&stripes(50)).plus(&Histogram::of(&stripes(50)));
        // 64 x 64 differences along rows, 63 x 65 along columns, which are 0.
        let along = 4096.0 / (4096.0 + 4095.0);
        let gradients = weak.gradients("mixture", Some(&strong)).unwrap();
        assert!((gradients.mean - 10.0 * along).abs() < 1e-9, "{gradients:?}");
        assert_eq!((gradients.pictures, gradients.quantiles), (1, [10, 10, 10]));
        // Every difference of 10 has to move by 40.
        assert!((gradients.from_real.unwrap() - 40.0 * along).abs() < 1e-9, "{gradients:?}");
        assert_eq!(strong.gradients("mixture", Some(&strong)).unwrap().from_real, Some(0.0));
        assert!(Histogram::default().gradients("mixture", None).is_none());
    }
}
