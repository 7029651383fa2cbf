//! Figures of a sample's reflection: what limits are set on, and what a gallery is ordered by.

use manifests::dataset::SampleQuality;
use multiversion::multiversion;

use crate::pixels::Rgb8;

/// Whole-number sums over pixels, so that their order does not matter.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pixels: u64,
    /// Of layer times photograph and of the photograph's squares, over subpixels.
    products: u64,
    squares: u64,
    /// Of the layer's luma, in 16ths of a level, and of its squares.
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
        // So few that sums fit 32 bits, which is what is fast.
        for (layer, photograph) in layer.chunks(3 * 256).zip(photograph.chunks(3 * 256)) {
            let [products, squares] = products(layer, photograph);
            self.add_products(products.into(), squares.into());
        }
        self.add_luma(layer);
    }

    /// The products that were taken of some pixels: layer times photograph, and the photograph's squares.
    pub(crate) fn add_products(&mut self, products: u64, squares: u64) {
        self.products += products;
        self.squares += squares;
    }

    /// What is of the layer's luma alone, of some pixels.
    fn add_luma(&mut self, layer: &[u8]) {
        for layer in layer.chunks(3 * 256) {
            let [luma, luma_squares] = lumas(layer);
            self.add_luma_sums(layer.len() as u64 / 3, luma.into(), luma_squares.into());
        }
    }

    /// The sums that were taken of some pixels' luma, in 16ths of a level, and of its squares.
    pub(crate) fn add_luma_sums(&mut self, pixels: u64, luma: u64, luma_squares: u64) {
        self.pixels += pixels;
        self.luma += luma;
        self.luma_squares += luma_squares;
    }

    /// The weight least squares gives, sum l p / sum p^2 (0 of a black photograph), and the contrast.
    pub(crate) fn quality(&self) -> SampleQuality {
        let ratio = |a: u64, b: u64| if b == 0 { 0.0 } else { a as f64 / b as f64 };
        let (mean, square) = (ratio(self.luma, self.pixels), ratio(self.luma_squares, self.pixels));
        let white = 255.0 * 16.0;
        SampleQuality {
            effective_beta: ratio(self.products, self.squares),
            contrast: (square - mean * mean).max(0.0).sqrt() / white,
        }
    }
}

/// Of at most 256 pixels: layer times photograph and the photograph's squares.
#[multiversion(targets("x86_64+avx2"))]
fn products(layer: &[u8], photograph: &[u8]) -> [u32; 2] {
    let product = |a: &u8, b: &u8| (i32::from(*a) * i32::from(*b)) as u32;
    let products = layer.iter().zip(photograph).map(|(l, p)| product(l, p)).sum();
    [products, photograph.iter().map(|p| product(p, p)).sum()]
}

/// Of at most 256 pixels: the luma and its squares.
#[multiversion(targets("x86_64+avx2"))]
fn lumas(layer: &[u8]) -> [u32; 2] {
    let mut lumas = [0u16; 256];
    for (pixel, luma) in layer.chunks_exact(3).zip(&mut lumas) {
        // BT.601's weights in 256ths; the sum is 256 and fits 16 bits.
        *luma = (77 * u16::from(pixel[0]) + 150 * u16::from(pixel[1]) + 29 * u16::from(pixel[2])) >> 4;
    }
    let luma = lumas.iter().map(|v| u32::from(*v)).sum();
    [luma, lumas.iter().map(|v| u32::from(*v) * u32::from(*v)).sum()]
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
