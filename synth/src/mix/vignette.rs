//! A Gaussian vignette on the reflection: Zhang et al., "Single Image Reflection Separation with Perceptual Losses",
//! CVPR 2018, whose code cuts a 256-pixel window out of a 560-pixel Gaussian mask of standard deviation 132 pixels.

/// Standard deviation of the mask in units of the window: 560 / 6 pixels, times sqrt 2 for the root that the code
/// takes, over 256.
const SIGMA: f64 = 560.0 / 6.0 * std::f64::consts::SQRT_2 / 256.0;

/// Multiplies by a Gaussian of peak 1 around `centre`, in fractions of height and width.
pub(crate) fn vignette(values: &mut [f32], height: usize, width: usize, centre: [f64; 2]) {
    let profile = |n: usize, centre: f64| -> Vec<f32> {
        let at = |i: usize| ((i as f64 + 0.5) / n as f64 - centre) / SIGMA;
        (0..n).map(|i| libm::exp(-at(i) * at(i) / 2.0) as f32).collect()
    };
    let (rows, columns) = (profile(height, centre[0]), profile(width, centre[1]));
    for (line, row) in values.chunks_exact_mut(width * 3).zip(&rows) {
        for (pixel, column) in line.chunks_exact_mut(3).zip(&columns) {
            pixel.iter_mut().for_each(|v| *v *= row * column);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The window at row 100 and column 152 of the mask that the authors' code makes: the root of a 560-pixel binned Gaussian's
    /// products, over its maximum.
    #[test]
    fn the_mask_is_that_of_the_authors() {
        let mut mask = vec![1.0; 256 * 256 * 3];
        vignette(&mut mask, 256, 256, [180.0 / 256.0, 0.5]);
        for (row, column, expected) in
            [(0, 0, 0.247_338), (40, 200, 0.490_527), (128, 0, 0.579_901), (180, 128, 1.0), (255, 255, 0.531_136)]
        {
            let pixel = &mask[(row * 256 + column) * 3..][..3];
            // Its standard deviation is 560 / 6.0125 pixels before the root, not 560 / 6.
            assert!(pixel.iter().all(|v| (f64::from(*v) - expected).abs() < 0.004), "{row} {column}: {pixel:?}");
        }
    }
}
