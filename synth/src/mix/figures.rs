//! Figures of a sample's reflection: what limits are set on, and what a gallery is ordered by.

use manifests::dataset::SampleQuality;

use crate::pixels::Rgb8;

/// Whole-number sums over pixels, so that their order does not matter.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pixels: u64,
    /// Of layer times photograph and of the photograph's squares, over subpixels.
    products: u64,
    squares: u64,
    /// Of the layer's luma, in 256ths of a level, and of its squares.
    luma: u64,
    luma_squares: u64,
}

impl Figures {
    /// Of a whole layer beside the photograph that it comes from.
    pub(crate) fn of(layer: &Rgb8, photograph: &Rgb8) -> SampleQuality {
        let mut figures = Self::default();
        figures.add(&layer.data, &photograph.data);
        figures.quality()
    }

    /// Some pixels of the layer and of the photograph, 3 bytes each.
    pub(crate) fn add(&mut self, layer: &[u8], photograph: &[u8]) {
        // So few that sums of products fit 32 bits, which is what is fast.
        for (layer, photograph) in layer.chunks(3 * 1024).zip(photograph.chunks(3 * 1024)) {
            let product = |(a, b): (&u8, &u8)| u32::from(u16::from(*a) * u16::from(*b));
            self.products += u64::from(layer.iter().zip(photograph).map(product).sum::<u32>());
            self.squares += u64::from(photograph.iter().zip(photograph).map(product).sum::<u32>());
            self.pixels += layer.len() as u64 / 3;
            for pixel in layer.chunks_exact(3) {
                // BT.601's weights in 256ths.
                let luma = 77 * u32::from(pixel[0]) + 150 * u32::from(pixel[1]) + 29 * u32::from(pixel[2]);
                self.luma += u64::from(luma);
                self.luma_squares += u64::from(luma * luma);
            }
        }
    }

    /// The weight least squares gives, sum l p / sum p^2 (0 of a black photograph), and the contrast.
    pub(crate) fn quality(&self) -> SampleQuality {
        let ratio = |a: u64, b: u64| if b == 0 { 0.0 } else { a as f64 / b as f64 };
        let (mean, square) = (ratio(self.luma, self.pixels), ratio(self.luma_squares, self.pixels));
        let white = 255.0 * 256.0;
        SampleQuality {
            effective_beta: ratio(self.products, self.squares),
            contrast: (square - mean * mean).max(0.0).sqrt() / white,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_found_and_contrast_is_the_deviation() {
        let photograph = Rgb8 { height: 1, width: 2, data: vec![200, 200, 200, 100, 100, 100] };
        let layer = Rgb8 { height: 1, width: 2, data: vec![100, 100, 100, 50, 50, 50] };
        let quality = Figures::of(&layer, &photograph);
        assert_eq!(quality.effective_beta, 0.5);
        assert!((quality.contrast - 25.0 / 255.0).abs() < 1e-12, "{}", quality.contrast);
        let black = Rgb8::black(3, 3);
        assert_eq!(Figures::of(&black, &black), SampleQuality { effective_beta: 0.0, contrast: 0.0 });
    }
}
