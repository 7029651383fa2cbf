//! Batch normalisation on the CPU: two passes over the data forward, two backward.

use candle_core::{CpuStorage, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{BatchNorm, InputGradient};
use crate::ops::real::{Real, slice, stored, uninit};
use crate::ops::simd::wide;

type Stored<'a> = (&'a CpuStorage, &'a Layout);

/// Partial sums side by side, so that additions do not wait for each other. Fixed: it sets the order of the sums.
const LANES: usize = 16;

/// Sums of the distances from `shift` and of their squares over a plane, in an order that its length alone sets.
#[inline(always)]
fn sum_around<T: Real>((plane, shift): (&[T], f64)) -> (f64, f64) {
    let (mut s, mut q) = ([0f64; LANES], [0f64; LANES]);
    let blocks = plane.chunks_exact(LANES);
    let rest = blocks.remainder();
    for block in blocks {
        for i in 0..LANES {
            let v = block[i].up() - shift;
            s[i] += v;
            q[i] += v * v;
        }
    }
    for (i, v) in rest.iter().enumerate() {
        let v = v.up() - shift;
        s[i] += v;
        q[i] += v * v;
    }
    (s.iter().sum(), q.iter().sum())
}

/// Adds `plane(start of the plane)` over the samples of each channel; 2C values, first sums then second sums.
fn by_channel((n, c, area): (usize, usize, usize), plane: impl Fn(usize, usize) -> (f64, f64) + Sync) -> Vec<f64> {
    let pairs: Vec<(f64, f64)> = (0..c)
        .into_par_iter()
        .map(|channel| {
            (0..n).fold((0.0, 0.0), |(s, q), sample| {
                let (u, v) = plane(channel, (sample * c + channel) * area);
                (s + u, q + v)
            })
        })
        .collect();
    pairs.iter().map(|p| p.0).chain(pairs.iter().map(|p| p.1)).collect()
}

fn extents(layout: &Layout) -> Result<(usize, usize, usize)> {
    let (n, c, h, w) = layout.shape().dims4()?;
    Ok((n, c, h * w))
}

pub(super) fn moments<T: Real>(x: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let (extents, x) = (extents(x.1)?, slice::<T>(x.0, x.1)?);
    let (n, c, area) = extents;
    let count = (n * area) as f64;
    // Sums around the channel's first value: around 0 an offset channel would lose its variance in the difference.
    let sums = by_channel(extents, |channel, at| {
        let (plane, shift) = (&x[at..at + area], x[channel * area].up());
        wide(sum_around, (plane, shift))
    });
    let (means, squares) = sums.split_at(c);
    let mean = |(channel, s): (usize, &f64)| x[channel * area].up() + s / count;
    // Rounding may leave a constant channel's variance just below 0; NaN stays.
    let variance = |(s, q): (&f64, &f64)| {
        let v = q / count - (s / count) * (s / count);
        if v < 0.0 { 0.0 } else { v }
    };
    let stats: Vec<f64> = means.iter().enumerate().map(mean).chain(means.iter().zip(squares).map(variance)).collect();
    Ok(stored(stats, 2 * c))
}

/// Mean and 1 / sqrt(var + eps) of each channel.
fn normaliser(norm: &BatchNorm) -> Result<Vec<(f64, f64)>> {
    let stats = norm.stats.to_vec1::<f64>()?;
    let (mean, var) = stats.split_at(stats.len() / 2);
    Ok(mean.iter().zip(var).map(|(m, v)| (*m, 1.0 / (v + norm.eps).sqrt())).collect())
}

pub(super) fn forward<T: Real>(
    norm: &BatchNorm,
    x: Stored<'_>,
    gamma: Stored<'_>,
    beta: Stored<'_>,
) -> Result<(CpuStorage, Shape)> {
    let (_, c, area) = extents(x.1)?;
    let shape = x.1.shape().clone();
    let (x, gamma, beta) = (slice::<T>(x.0, x.1)?, slice::<T>(gamma.0, gamma.1)?, slice::<T>(beta.0, beta.1)?);
    let (normaliser, relu) = (normaliser(norm)?, norm.relu);
    let mut y = uninit(x.len());
    y.par_chunks_mut(area.max(1)).zip(x.par_chunks(area.max(1))).enumerate().for_each(|(i, (y, x))| {
        let (mean, inverse) = normaliser[i % c];
        let scale = T::down(gamma[i % c].up() * inverse);
        let (mean, shift) = (T::down(mean), beta[i % c]);
        wide(normalise, (y, x, (mean, scale, shift), relu));
    });
    Ok(stored(y, shape))
}

/// The gradient after the ReLU's mask: 0 where the result is 0.
#[inline(always)]
fn masked<T: Real>(relu: bool, g: T, y: T) -> T {
    if relu && y <= T::ZERO { T::ZERO } else { g }
}

#[inline(always)]
fn normalise<T: Real>((y, x, (mean, scale, shift), relu): (&mut [T], &[T], (T, T, T), bool)) {
    for (y, x) in y.iter_mut().zip(x) {
        let v = (*x - mean) * scale + shift;
        *y = if relu && v < T::ZERO { T::ZERO } else { v };
    }
}

/// Sums of the masked gradient and of its products with x less the mean.
#[inline(always)]
fn masked_sums<T: Real>((g, x, y, mean, relu): (&[T], &[T], &[T], f64, bool)) -> (f64, f64) {
    let (mut s, mut q) = ([0f64; LANES], [0f64; LANES]);
    let mut add = |i: usize, g: T, x: T, y: T| {
        let g = masked(relu, g, y).up();
        s[i] += g;
        q[i] += g * (x.up() - mean);
    };
    for ((g, x), y) in g.chunks_exact(LANES).zip(x.chunks_exact(LANES)).zip(y.chunks_exact(LANES)) {
        for i in 0..LANES {
            add(i, g[i], x[i], y[i]);
        }
    }
    let whole = g.len() / LANES * LANES;
    for i in whole..g.len() {
        add(i - whole, g[i], x[i], y[i]);
    }
    (s.iter().sum(), q.iter().sum())
}

#[inline(always)]
fn through_statistics<T: Real>(
    ((gx, g, x, y), (scale, mean_g, mean, slope), relu): ((&mut [T], &[T], &[T], &[T]), (T, T, T, T), bool),
) {
    for (((gx, g), x), y) in gx.iter_mut().zip(g).zip(x).zip(y) {
        *gx = scale * (masked(relu, *g, *y) - mean_g - (*x - mean) * slope);
    }
}

pub(super) fn gradient_sums<T: Real>(
    norm: &BatchNorm,
    g: Stored<'_>,
    x: Stored<'_>,
    y: Stored<'_>,
) -> Result<(CpuStorage, Shape)> {
    let extents = extents(x.1)?;
    let (_, c, area) = extents;
    let (g, x, y) = (slice::<T>(g.0, g.1)?, slice::<T>(x.0, x.1)?, slice::<T>(y.0, y.1)?);
    let (normaliser, relu) = (normaliser(norm)?, norm.relu);
    let mut sums = by_channel(extents, |channel, at| {
        let (g, x, y) = (&g[at..at + area], &x[at..at + area], &y[at..at + area]);
        let mean = normaliser[channel].0;
        wide(masked_sums, (g, x, y, mean, relu))
    });
    for (q, (_, inverse)) in sums[c..].iter_mut().zip(&normaliser) {
        *q *= inverse;
    }
    Ok(stored(sums, 2 * c))
}

/// Ioffe and Szegedy 2015, section 3, solved for the gradient of x:
/// `gamma / sigma (g - mean(g) - xhat mean(g xhat))`; without the means where the statistics are constants.
pub(super) fn input_gradient<T: Real>(
    op: &InputGradient<'_>,
    g: Stored<'_>,
    x: Stored<'_>,
    y: Stored<'_>,
) -> Result<(CpuStorage, Shape)> {
    let (n, c, area) = extents(x.1)?;
    let shape = x.1.shape().clone();
    let (g, x, y) = (slice::<T>(g.0, g.1)?, slice::<T>(x.0, x.1)?, slice::<T>(y.0, y.1)?);
    let (normaliser, relu) = (normaliser(op.norm)?, op.norm.relu);
    let gamma: Vec<f64> = f64_values(op.gamma)?;
    let sums = f64_values(op.sums)?;
    let count = (n * area) as f64;
    let mut gx = uninit(x.len());
    let size = area.max(1);
    gx.par_chunks_mut(size).zip(g.par_chunks(size)).enumerate().for_each(|(i, (gx, g))| {
        let (x, y, channel) = (&x[i * size..][..size], &y[i * size..][..size], i % c);
        let (mean, inverse) = normaliser[channel];
        let through = if op.norm.training { 1.0 / count } else { 0.0 };
        let scale = T::down(gamma[channel] * inverse);
        let (mean_g, slope) = (T::down(sums[channel] * through), T::down(sums[c + channel] * through * inverse));
        let mean = T::down(mean);
        wide(through_statistics, ((gx, g, x, y), (scale, mean_g, mean, slope), relu));
    });
    Ok(stored(gx, shape))
}

fn f64_values(t: &Tensor) -> Result<Vec<f64>> {
    t.to_dtype(DType::F64)?.to_vec1()
}
