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
