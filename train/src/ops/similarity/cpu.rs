//! SSIM and structure index on the CPU, one plane a task.
//!
//! With f the window's weighted mean, the local statistics are m = f(a), f(aa), f(ab) and so on. The index is a
//! function of those five at each pixel, so its gradient is f (which is symmetric) of the five partial derivatives:
//! `db = f(dS/dm_b) + 2 b f(dS/df(bb)) + a f(dS/df(ab))`.

use rayon::prelude::*;

use crate::ops::simd::wide;

/// Stabilisers of SSIM for a dynamic range of 1.
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;
/// Half of the window's side less a half: 11 taps.
const RADIUS: usize = 5;
const SIGMA: f64 = 1.5;

#[derive(Clone, Copy)]
pub(super) enum Index {
    Ssim,
    Structure,
}

pub(super) struct Similarity {
    /// Mean over all pixels of all planes.
    pub(super) value: f64,
    pub(super) ga: Option<Vec<f64>>,
    pub(super) gb: Option<Vec<f64>>,
}

/// Value and gradients for `planes` planes of `h` x `w`.
pub(super) fn similarity(
    index: Index,
    (planes, h, w): (usize, usize, usize),
    a: &[f64],
    b: &[f64],
    wanted: (bool, bool),
) -> Similarity {
    let (area, scale) = (h * w, 1.0 / (planes * h * w) as f64);
    let parts: Vec<_> = (0..planes)
        .into_par_iter()
        .map(|i| {
            let (a, b) = (&a[i * area..][..area], &b[i * area..][..area]);
            plane((index, (h, w), a, b, wanted, scale))
        })
        .collect();
    let value = parts.iter().map(|p| p.0).sum::<f64>() * scale;
    let (mut ga, mut gb) = (wanted.0.then(Vec::new), wanted.1.then(Vec::new));
    for (_, part_a, part_b) in parts {
        ga.iter_mut().for_each(|g| g.extend_from_slice(&part_a));
        gb.iter_mut().for_each(|g| g.extend_from_slice(&part_b));
    }
    Similarity { value, ga, gb }
}

/// Sum of the index over one plane and, where wanted, `scale` times its gradients.
fn plane(
    (index, size, a, b, wanted, scale): (Index, (usize, usize), &[f64], &[f64], (bool, bool), f64),
) -> (f64, Vec<f64>, Vec<f64>) {
    let taps = window();
    let (ma, mb) = (wide(filter, (size, &taps, a)), wide(filter, (size, &taps, b)));
    let [aa, bb, ab] = [(a, a), (b, b), (a, b)].map(|(u, v)| {
        let product: Vec<f64> = u.iter().zip(v).map(|(u, v)| u * v).collect();
        wide(filter, (size, &taps, product.as_slice()))
    });
    let mut sum = 0.0;
    // Partial derivatives with respect to the window means of a, b, and of aa and bb (one and the same), and ab.
    let mut partials = [vec![0.0; a.len()], vec![0.0; a.len()], vec![0.0; a.len()], vec![0.0; a.len()]];
    for i in 0..a.len() {
        let (ma, mb) = (ma[i], mb[i]);
        let (va, vb, cov) = (aa[i] - ma * ma, bb[i] - mb * mb, ab[i] - ma * mb);
        let (n2, d2) = (2.0 * cov + C2, va + vb + C2);
        let (n1, d1) = match index {
            Index::Ssim => (2.0 * ma * mb + C1, ma * ma + mb * mb + C1),
            Index::Structure => (1.0, 1.0),
        };
        let s = n1 * n2 / (d1 * d2);
        sum += s;
        let by_ab = 2.0 * n1 / (d1 * d2);
        let by_square = -s / d2;
        // Through the variance and the covariance, whose products of means are functions of the means too.
        let by_mean = |own: f64, other: f64| -by_ab * other - 2.0 * by_square * own;
        let by_luminance = |own: f64, other: f64| match index {
            Index::Ssim => 2.0 * other * n2 / (d1 * d2) - 2.0 * own * s / d1,
            Index::Structure => 0.0,
        };
        partials[0][i] = by_mean(ma, mb) + by_luminance(ma, mb);
        partials[1][i] = by_mean(mb, ma) + by_luminance(mb, ma);
        partials[2][i] = by_square;
        partials[3][i] = by_ab;
    }
    if wanted == (false, false) {
        return (sum, Vec::new(), Vec::new());
    }
    let (squares, cross) =
        (wide(filter, (size, &taps, partials[2].as_slice())), wide(filter, (size, &taps, partials[3].as_slice())));
    let gradient = |by_mean: &[f64], own: &[f64], other: &[f64]| -> Vec<f64> {
        let mean = wide(filter, (size, &taps, by_mean));
        (0..own.len()).map(|i| scale * (mean[i] + 2.0 * own[i] * squares[i] + other[i] * cross[i])).collect()
    };
    let ga = if wanted.0 { gradient(&partials[0], a, b) } else { Vec::new() };
    let gb = if wanted.1 { gradient(&partials[1], b, a) } else { Vec::new() };
    (sum, ga, gb)
}

/// One side of the separable window; it sums to 1.
fn window() -> [f64; 2 * RADIUS + 1] {
    let weight = |i: usize| (-(i as f64 - RADIUS as f64).powi(2) / (2.0 * SIGMA * SIGMA)).exp();
    let raw: [f64; 2 * RADIUS + 1] = std::array::from_fn(weight);
    let total: f64 = raw.iter().sum();
    raw.map(|w| w / total)
}

/// The window's weighted mean around each pixel, zero outside: along rows, then along columns.
#[inline(always)]
fn filter(((h, w), taps, x): ((usize, usize), &[f64; 2 * RADIUS + 1], &[f64])) -> Vec<f64> {
    let (mut rows, mut out) = (vec![0.0; h * w], vec![0.0; h * w]);
    let mut padded = vec![0.0; w + 2 * RADIUS];
    for (row, to) in x.chunks_exact(w).zip(rows.chunks_exact_mut(w)) {
        padded[RADIUS..RADIUS + w].copy_from_slice(row);
        for (k, tap) in taps.iter().enumerate() {
            for (to, v) in to.iter_mut().zip(&padded[k..k + w]) {
                *to += tap * v;
            }
        }
    }
    for (y, to) in out.chunks_exact_mut(w).enumerate() {
        for from in y.saturating_sub(RADIUS)..(y + RADIUS + 1).min(h) {
            let tap = taps[from + RADIUS - y];
            for (to, v) in to.iter_mut().zip(&rows[from * w..][..w]) {
                *to += tap * v;
            }
        }
    }
    out
}
