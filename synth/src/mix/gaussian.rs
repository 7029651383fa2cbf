//! Gaussian blur: a reflection that is out of focus, R convolved with G(sigma), as CEILNet draws it (Fan et al., ICCV 2017,
//! section 3.2) and, after it, BDN (Yang et al., ECCV 2018), Zhang et al. (CVPR 2018), ERRNet (Wei et al., CVPR 2019) and
//! DSRNet (Hu and Guo, ICCV 2023), each with its own range of sigma.

/// Blurs an interleaved picture of `height` x `width` x 3 values in place, standard deviation `sigma` pixels.
///
/// Separable; the kernel has `side` x `side` pixels, or reaches 3 sigma where that is none, and sums to 1; beyond the border the
/// border's values repeat.
pub(crate) fn blur(values: &mut [f32], height: usize, width: usize, sigma: f64, side: Option<u32>) {
    if sigma <= 0.0 {
        return;
    }
    let kernel = kernel(sigma, side);
    let mut between = vec![0.0; values.len()];
    convolve(values, &mut between, &kernel, |y, x| (y * width + x) * 3, height, width, true);
    convolve(&between, values, &kernel, |y, x| (y * width + x) * 3, height, width, false);
}

/// Weights at -radius..=radius. `libm` gives the same bits on every machine, the system's `exp` does not.
fn kernel(sigma: f64, side: Option<u32>) -> Vec<f32> {
    let radius = side.map_or((3.0 * sigma).ceil() as i32, |side| side as i32 / 2);
    let weights: Vec<f64> = (-radius..=radius).map(|i| libm::exp(-f64::from(i * i) / (2.0 * sigma * sigma))).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| (w / sum) as f32).collect()
}

fn convolve(
    from: &[f32],
    to: &mut [f32],
    kernel: &[f32],
    at: impl Fn(usize, usize) -> usize,
    height: usize,
    width: usize,
    along_rows: bool,
) {
    let radius = kernel.len() / 2;
    for y in 0..height {
        for x in 0..width {
            let mut sum = [0.0f32; 3];
            for (k, weight) in kernel.iter().enumerate() {
                let tap = if along_rows {
                    at(y, (x + k).saturating_sub(radius).min(width - 1))
                } else {
                    at((y + k).saturating_sub(radius).min(height - 1), x)
                };
                for c in 0..3 {
                    sum[c] += weight * from[tap + c];
                }
            }
            let out = at(y, x);
            to[out..out + 3].copy_from_slice(&sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_becomes_the_gaussian_and_a_plane_stays() {
        let (h, w, sigma) = (41, 41, 2.5);
        let mut point = vec![0.0; h * w * 3];
        point[(20 * w + 20) * 3] = 1.0;
        blur(&mut point, h, w, sigma, None);
        for (dy, dx) in [(0i32, 0i32), (1, 0), (2, 3), (-4, 1)] {
            let expected = (-f64::from(dy * dy + dx * dx) / (2.0 * sigma * sigma)).exp()
                / (2.0 * std::f64::consts::PI * sigma * sigma);
            let at = (((20 + dy) as usize) * w + (20 + dx) as usize) * 3;
            // The kernel is cut at 3 sigma: 0.5 % of its mass is spread over the rest.
            assert!((f64::from(point[at]) - expected).abs() < 0.006 * expected + 1e-6, "{dy} {dx}");
            assert_eq!(point[at + 1], 0.0, "channels stay apart");
        }
        let mut plane = vec![0.25; h * w * 3];
        blur(&mut plane, h, w, sigma, Some(11));
        assert!(plane.iter().all(|v| (v - 0.25).abs() < 1e-6));
        // MATLAB's fspecial('gaussian', 3, 5), its middle row's sum over its outer ones': exp(1 / 50).
        let three = kernel(5.0, Some(3));
        assert!(three.len() == 3 && (f64::from(three[1] / three[0]) - 1f64.exp().powf(0.02)).abs() < 1e-6);
    }
}
