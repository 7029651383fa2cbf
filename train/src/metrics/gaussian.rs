//! SSIM (eq. 4) and SI (eq. 7) of the CoRRN paper: 11x11 Gaussian, sigma 1.5, zero padding, biased moments, range 1,
//! mean of RGB.

use super::{Planes, Region};

const RADIUS: usize = 5;
const SIGMA: f64 = 1.5;
/// (0.01 x 1)^2.
const C1: f64 = 1e-4;
/// (0.03 x 1)^2.
const C2: f64 = 9e-4;

/// SSIM and SI at every pixel, as means over the channels.
pub(super) struct Maps {
    ssim: Vec<f64>,
    si: Vec<f64>,
}

impl Maps {
    pub(super) fn new(a: &Planes, b: &Planes) -> Self {
        let taps = taps();
        let n = a.height * a.width;
        let (mut ssim, mut si) = (vec![0.0; n], vec![0.0; n]);
        for c in 0..3 {
            let x: Vec<f64> = a.channels[c].iter().map(|v| v / 255.0).collect();
            let y: Vec<f64> = b.channels[c].iter().map(|v| v / 255.0).collect();
            let product = |u: &[f64], v: &[f64]| u.iter().zip(v).map(|(u, v)| u * v).collect::<Vec<f64>>();
            let mean = |v: &[f64]| blur(v, a.height, a.width, &taps);
            let (mx, my) = (mean(&x), mean(&y));
            let (xx, yy, xy) = (mean(&product(&x, &x)), mean(&product(&y, &y)), mean(&product(&x, &y)));
            for i in 0..n {
                let (vx, vy, cov) = (xx[i] - mx[i] * mx[i], yy[i] - my[i] * my[i], xy[i] - mx[i] * my[i]);
                let structure = (2.0 * cov + C2) / (vx + vy + C2);
                si[i] += structure / 3.0;
                ssim[i] += structure * (2.0 * mx[i] * my[i] + C1) / (mx[i] * mx[i] + my[i] * my[i] + C1) / 3.0;
            }
        }
        Self { ssim, si }
    }

    /// Means over the picture.
    pub(super) fn mean(&self) -> (f64, f64) {
        let mean = |map: &[f64]| map.iter().sum::<f64>() / map.len() as f64;
        (mean(&self.ssim), mean(&self.si))
    }

    /// Means over the pixels of a region, SSIM_r and SI_r; the windows around them are whole. None of an empty region.
    pub(super) fn mean_over(&self, region: &Region) -> Option<(f64, f64)> {
        let n = region.pixels();
        let inside = |map: &[f64]| map.iter().zip(region.inside()).filter(|(_, i)| **i).map(|(v, _)| v).sum::<f64>();
        (n > 0).then(|| (inside(&self.ssim) / n as f64, inside(&self.si) / n as f64))
    }
}

fn taps() -> [f64; 2 * RADIUS + 1] {
    let g: [f64; 2 * RADIUS + 1] = std::array::from_fn(|i| {
        let x = i as f64 - RADIUS as f64;
        (-x * x / (2.0 * SIGMA * SIGMA)).exp()
    });
    let sum: f64 = g.iter().sum();
    g.map(|v| v / sum)
}

/// Separable convolution with zeros around.
fn blur(v: &[f64], height: usize, width: usize, taps: &[f64]) -> Vec<f64> {
    let mut rows = vec![0.0; v.len()];
    for y in 0..height {
        for x in 0..width {
            let (from, to) = (x.saturating_sub(RADIUS), (x + RADIUS).min(width - 1));
            rows[y * width + x] = (from..=to).map(|i| taps[i + RADIUS - x] * v[y * width + i]).sum();
        }
    }
    let mut out = vec![0.0; v.len()];
    for y in 0..height {
        for i in y.saturating_sub(RADIUS)..=(y + RADIUS).min(height - 1) {
            let weight = taps[i + RADIUS - y];
            for x in 0..width {
                out[y * width + x] += weight * rows[i * width + x];
            }
        }
    }
    out
}
