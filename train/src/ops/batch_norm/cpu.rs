//! Batch normalisation on the CPU: two passes over the data forward, two backward.

use candle_core::{CpuStorage, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{BatchNorm, InputGradient};
use crate::ops::real::{Real, slice, stored};
use crate::ops::simd::wide;

type Stored<'a> = (&'a CpuStorage, &'a Layout);

/// Partial sums side by side, so that additions do not wait for each other. Fixed: it sets the order of the sums.
const LANES: usize = 16;

/// Sums `f` over pairs of planes in an order that depends on their length alone.
#[inline(always)]
fn sum2<T: Real>(a: &[T], b: &[T], f: impl Fn(T, T) -> (f64, f64)) -> (f64, f64) {
    let (mut s, mut q) = ([0f64; LANES], [0f64; LANES]);
    let (blocks_a, blocks_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = blocks_a.remainder().iter().zip(blocks_b.remainder());
    for (a, b) in blocks_a.zip(blocks_b) {
        for i in 0..LANES {
            let (u, v) = f(a[i], b[i]);
            s[i] += u;
            q[i] += v;
        }
    }
    for (i, (a, b)) in rest.enumerate() {
        let (u, v) = f(*a, *b);
        s[i] += u;
        q[i] += v;
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
    let mut means = by_channel(extents, |_, at| {
        let plane = &x[at..at + area];
        wide(|| sum2(plane, plane, |v, _| (v.up(), 0.0)))
    });
    means.iter_mut().for_each(|v| *v /= count);
    // A second pass around the mean: the difference of two large sums would lose the variance of an offset channel.
    let spreads = by_channel(extents, |channel, at| {
        let (plane, mean) = (&x[at..at + area], means[channel]);
        wide(|| sum2(plane, plane, |v, _| ((v.up() - mean) * (v.up() - mean), 0.0)))
    });
    means.truncate(c);
    means.extend(spreads[..c].iter().map(|v| v / count));
    Ok(stored(means, 2 * c))
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
    let mut y = vec![T::ZERO; x.len()];
    y.par_chunks_mut(area.max(1)).zip(x.par_chunks(area.max(1))).enumerate().for_each(|(i, (y, x))| {
        let (mean, inverse) = normaliser[i % c];
        let scale = T::down(gamma[i % c].up() * inverse);
        let (mean, shift) = (T::down(mean), beta[i % c]);
        wide(|| {
            for (y, x) in y.iter_mut().zip(x) {
                let v = (*x - mean) * scale + shift;
                *y = if relu && v < T::ZERO { T::ZERO } else { v };
            }
        });
    });
    Ok(stored(y, shape))
}

/// The gradient after the ReLU's mask: 0 where the result is 0.
#[inline(always)]
fn masked<T: Real>(relu: bool, g: T, y: T) -> T {
    if relu && y <= T::ZERO { T::ZERO } else { g }
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
        wide(|| {
            let (mut s, mut q) = ([0f64; LANES], [0f64; LANES]);
            for ((g, x), y) in g.chunks(LANES).zip(x.chunks(LANES)).zip(y.chunks(LANES)) {
                for i in 0..g.len() {
                    let g = masked(relu, g[i], y[i]).up();
                    s[i] += g;
                    q[i] += g * (x[i].up() - mean);
                }
            }
            (s.iter().sum(), q.iter().sum())
        })
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
    let mut gx = vec![T::ZERO; x.len()];
    let size = area.max(1);
    gx.par_chunks_mut(size).zip(g.par_chunks(size)).enumerate().for_each(|(i, (gx, g))| {
        let (x, y, channel) = (&x[i * size..][..size], &y[i * size..][..size], i % c);
        let (mean, inverse) = normaliser[channel];
        let through = if op.norm.training { 1.0 / count } else { 0.0 };
        let scale = T::down(gamma[channel] * inverse);
        let (mean_g, slope) = (T::down(sums[channel] * through), T::down(sums[c + channel] * through * inverse));
        let mean = T::down(mean);
        wide(|| {
            for (((gx, g), x), y) in gx.iter_mut().zip(g).zip(x).zip(y) {
                *gx = scale * (masked(relu, *g, *y) - mean_g - (*x - mean) * slope);
            }
        });
    });
    Ok(stored(gx, shape))
}

fn f64_values(t: &Tensor) -> Result<Vec<f64>> {
    t.to_dtype(DType::F64)?.to_vec1()
}
