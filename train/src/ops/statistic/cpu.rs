//! Maximum mean discrepancy, exact and spectral, and the loss built on it.

use std::f64::consts::PI;

use rayon::prelude::*;

use crate::ops::LUMA;
use crate::ops::simd::wide;

/// Widths of the Gaussian kernels, in standard deviations of the target.
const BANDWIDTHS: [f64; 3] = [0.5, 1.0, 2.0];
/// Floor of that standard deviation, for flat targets.
const MIN_SPREAD: f64 = 1e-3;
/// Intervals of the quadrature.
const NODES: usize = 96;
/// Samples whose phases turn together.
const LANES: usize = 16;

/// Squared maximum mean discrepancy (CoRRN, equation 9; Gretton et al. 2012, equation 5, biased) of two samples by the
/// double sum over all pairs, O((n + m)^2), under the mean of three Gaussian kernels of widths 0.5, 1 and 2 `spread`.
pub fn mmd_exact(x: &[f64], y: &[f64], spread: f64) -> f64 {
    let kernel = |d: f64| {
        let at = |c: &f64| (-d * d / (2.0 * (c * spread).powi(2))).exp();
        BANDWIDTHS.iter().map(at).sum::<f64>() / BANDWIDTHS.len() as f64
    };
    let mean = |u: &[f64], v: &[f64]| {
        let row = |u: &f64| v.iter().map(|v| kernel(u - v)).sum::<f64>();
        u.iter().map(row).sum::<f64>() / (u.len() * v.len()) as f64
    };
    mean(x, x) + mean(y, y) - 2.0 * mean(x, y)
}

/// The same quantity in O(n + m), by Bochner's theorem: a Gaussian kernel is the Fourier transform of a Gaussian, so it
/// is the integral over the frequency w of weight(w) |E exp(iwx) - E exp(iwy)|^2.
///
/// Trapezoid rule with 97 nodes on [0, 6 / narrowest width], which converges geometrically for samples within about 48
/// widths of each other.
pub fn mmd_spectral(x: &[f64], y: &[f64], spread: f64) -> f64 {
    let (fx, fy) = (characteristic(x, spread), characteristic(y, spread));
    weights().iter().zip(fx.iter().zip(&fy)).map(|(w, (x, y))| w * ((x.0 - y.0).powi(2) + (x.1 - y.1).powi(2))).sum()
}

/// Distance of two nodes, in radians a `spread`.
const STEP: f64 = 6.0 / BANDWIDTHS[0] / NODES as f64;

/// Weight of each node: the kernels' spectral density times the quadrature's.
fn weights() -> [f64; NODES + 1] {
    std::array::from_fn(|k| {
        let w = k as f64 * STEP;
        let density = |c: &f64| 2.0 * c / (2.0 * PI).sqrt() * (-0.5 * (w * c).powi(2)).exp();
        let end = if k == 0 { 0.5 } else { 1.0 };
        end * STEP * BANDWIDTHS.iter().map(density).sum::<f64>() / BANDWIDTHS.len() as f64
    })
}

/// Sine and cosine of the first node's phase of up to `LANES` samples; the further nodes' are powers of it.
#[inline(always)]
fn first_phases(x: &[f64], spread: f64) -> ([f64; LANES], [f64; LANES]) {
    let (mut sin, mut cos) = ([0.0; LANES], [1.0; LANES]);
    for (i, x) in x.iter().enumerate() {
        (sin[i], cos[i]) = (x / spread * STEP).sin_cos();
    }
    (sin, cos)
}

/// Adds every sample's cosine and sine at each node, by lanes.
#[inline(always)]
fn turn_and_sum((x, spread, sums): (&[f64], f64, &mut [([f64; LANES], [f64; LANES])])) {
    for block in x.chunks(LANES) {
        let (sin, cos) = first_phases(block, spread);
        // Lanes beyond the block's end count nothing.
        let (mut re, mut im) = ([0.0; LANES], [0.0; LANES]);
        re[..block.len()].fill(1.0);
        for (sum_re, sum_im) in sums.iter_mut() {
            for i in 0..LANES {
                sum_re[i] += re[i];
                sum_im[i] += im[i];
                (re[i], im[i]) = (re[i] * cos[i] - im[i] * sin[i], re[i] * sin[i] + im[i] * cos[i]);
            }
        }
    }
}

/// The derivative by each sample: the nodes' `slopes` (of cosine, of sine) at the sample's phases.
#[inline(always)]
fn turn_and_weigh((x, spread, slopes, gradient): (&[f64], f64, &[(f64, f64)], &mut [f64])) {
    for (block, out) in x.chunks(LANES).zip(gradient.chunks_mut(LANES)) {
        let (sin, cos) = first_phases(block, spread);
        let (mut re, mut im, mut sum) = ([1.0; LANES], [0.0; LANES], [0.0; LANES]);
        for (slope_re, slope_im) in slopes {
            for i in 0..LANES {
                sum[i] += slope_im * re[i] - slope_re * im[i];
                (re[i], im[i]) = (re[i] * cos[i] - im[i] * sin[i], re[i] * sin[i] + im[i] * cos[i]);
            }
        }
        out.copy_from_slice(&sum[..out.len()]);
    }
}

/// The samples' characteristic function, (Re, Im) at each node.
fn characteristic(x: &[f64], spread: f64) -> Vec<(f64, f64)> {
    let mut sums = vec![([0.0; LANES], [0.0; LANES]); NODES + 1];
    wide(turn_and_sum, (x, spread, sums.as_mut_slice()));
    let n = x.len() as f64;
    sums.iter().map(|(re, im)| (re.iter().sum::<f64>() / n, im.iter().sum::<f64>() / n)).collect()
}

/// [`mmd_spectral`] and its gradient in x.
fn mmd_with_gradient(x: &[f64], y: &[f64], spread: f64) -> (f64, Vec<f64>) {
    let (fx, fy, weights) = (characteristic(x, spread), characteristic(y, spread), weights());
    let mut value = 0.0;
    // Derivative of the k-th term by a sample's phase: re * (-sin) + im * cos, times these.
    let mut slopes = [(0.0, 0.0); NODES + 1];
    for k in 0..=NODES {
        let (re, im) = (fx[k].0 - fy[k].0, fx[k].1 - fy[k].1);
        value += weights[k] * (re * re + im * im);
        let factor = 2.0 * weights[k] * (k as f64 * STEP) / (spread * x.len() as f64);
        slopes[k] = (factor * re, factor * im);
    }
    let mut gradient = vec![0.0; x.len()];
    wide(turn_and_weigh, (x, spread, slopes.as_slice(), gradient.as_mut_slice()));
    (value, gradient)
}

/// Which neighbour a pixel is subtracted from.
#[derive(Clone, Copy)]
enum Direction {
    Horizontal,
    Vertical,
}

impl Direction {
    /// Positions (of the pixel, of its neighbour) of each difference, in row-major order.
    fn pairs(self, h: usize, w: usize) -> Vec<(usize, usize)> {
        let (rows, columns, step) = match self {
            Self::Horizontal => (h, w - 1, 1),
            Self::Vertical => (h - 1, w, w),
        };
        (0..rows * columns).map(|i| i / columns * w + i % columns).map(|p| (p, p + step)).collect()
    }
}

/// Loss and, if wanted, its gradient in `a`; both images N x 3 x `h` x `w`.
pub(super) fn loss(
    (n, h, w): (usize, usize, usize),
    a: &[f64],
    target: &[f64],
    wanted: bool,
) -> (f64, Option<Vec<f64>>) {
    let area = h * w;
    let parts: Vec<(f64, Vec<f64>)> = (0..n)
        .into_par_iter()
        .map(|i| sample((h, w), &a[i * 3 * area..][..3 * area], &target[i * 3 * area..][..3 * area], wanted))
        .collect();
    let mean = 1.0 / n as f64;
    let value = parts.iter().map(|p| p.0).sum::<f64>() * mean;
    let gradient = wanted.then(|| {
        let by_channel = |luma: &f64, weight: f64| luma * weight * mean;
        let planes = parts.iter().flat_map(|(_, g)| LUMA.iter().map(move |weight| (g, *weight)));
        planes.flat_map(|(g, weight)| g.iter().map(move |v| by_channel(v, weight))).collect()
    });
    (value, gradient)
}

/// Loss of one image and, if wanted, its gradient in the image's luma.
fn sample((h, w): (usize, usize), a: &[f64], target: &[f64], wanted: bool) -> (f64, Vec<f64>) {
    let luma =
        |img: &[f64]| -> Vec<f64> { (0..h * w).map(|i| (0..3).map(|c| LUMA[c] * img[c * h * w + i]).sum()).collect() };
    let (la, lt) = (luma(a), luma(target));
    let (mut total, mut gradient) = (0.0, vec![0.0; if wanted { h * w } else { 0 }]);
    for direction in [Direction::Horizontal, Direction::Vertical] {
        let pairs = direction.pairs(h, w);
        let samples = |l: &[f64]| softmax_samples(pairs.iter().map(|(p, q)| l[*q] - l[*p]).collect());
        let (x, y) = (samples(&la), samples(&lt));
        let spread = standard_deviation(&y);
        let spread = if spread < MIN_SPREAD { MIN_SPREAD } else { spread };
        if !wanted {
            total += mmd_spectral(&x, &y, spread);
            continue;
        }
        let (value, by_sample) = mmd_with_gradient(&x, &y, spread);
        total += value;
        // Back through x = n softmax - 1: with s = x + 1 (n times the softmax), s (g - mean(s g)).
        let mean = x.iter().zip(&by_sample).map(|(x, g)| (x + 1.0) * g).sum::<f64>() / x.len() as f64;
        for (((p, q), x), g) in pairs.iter().zip(&x).zip(&by_sample) {
            let d = (x + 1.0) * (g - mean);
            gradient[*q] += d;
            gradient[*p] -= d;
        }
    }
    (total, gradient)
}

/// n times the softmax over all values, less 1.
fn softmax_samples(mut d: Vec<f64>) -> Vec<f64> {
    let largest = d.iter().copied().fold(f64::NEG_INFINITY, |m, v| if v > m || v.is_nan() { v } else { m });
    d.iter_mut().for_each(|v| *v = (*v - largest).exp());
    let scale = d.len() as f64 / d.iter().sum::<f64>();
    d.iter_mut().for_each(|v| *v = *v * scale - 1.0);
    d
}

/// Biased standard deviation.
fn standard_deviation(v: &[f64]) -> f64 {
    let n = v.len() as f64;
    let mean = v.iter().sum::<f64>() / n;
    (v.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt()
}
