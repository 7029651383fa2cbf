//! Transposed convolution on the CPU.
//!
//! Along one axis output 2i + a receives x[i + d] times filter tap t for the pairs (d, t) of phase a: (-1, 3), (0, 1)
//! for a = 0 and (0, 2), (1, 0) for a = 1. Seen from the gradient, tap t of input i reads phase a of `g` at i - d.

use candle_core::{CpuStorage, Layout, Result, Shape};
use rayon::prelude::*;

use super::Geometry;
use crate::ops::patches::{Images, Patches, Tap};
use crate::ops::product::{self, Matrix};
use crate::ops::real::{Real, slice, stored, uninit};
use crate::ops::simd::wide;
use crate::ops::strips::{self, Filters, Strips, Window};
use crate::ops::winograd::{self, F3x2, Order, Planes};

type Stored<'a> = (&'a CpuStorage, &'a Layout);

/// (shift of the input, filter tap) of the two taps of each phase.
const PHASES: [[(isize, usize); 2]; 2] = [[(-1, 3), (0, 1)], [(0, 2), (1, 0)]];

pub(super) fn forward<T: Real>(d: Geometry, x: Stored<'_>, w: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let (x, w) = (slice::<T>(x.0, x.1)?, slice::<T>(w.0, w.1)?);
    let fast = strips::pays::<T>(d.c, d.out, (2, 2), d.h).then(|| through_strips(d, x, w));
    let y = fast.filter(|y| winograd::tame(y)).unwrap_or_else(|| {
        let filters = phase_filters(d, w);
        interleaved(d, |a, b| {
            let pairs = |k: usize| (PHASES[a][k / 2], PHASES[b][k % 2]);
            let tap = |t: usize| (t / 4, pairs(t % 4));
            let taps = (0..4 * d.c).map(tap).map(|(plane, ((dy, _), (dx, _)))| Tap { plane, dy, dx }).collect();
            let patches = Patches::new(images(d, x), (d.h, d.w), taps);
            product::forward(&phase(d, &filters, a, b), d.out, None, patches)
        })
    });
    Ok(stored(y, (d.n, d.out, 2 * d.h, 2 * d.w)))
}

/// The result through strips: NaN, infinity or an overflow in a transform leaves values that are not finite.
fn through_strips<T: Real>(d: Geometry, x: &[T], w: &[T]) -> Vec<T> {
    let filters = phase_filters(d, w);
    // Phases of one row see the same rows of x, one column apart.
    let strips = [0, 1].map(|a| {
        let origin = (PHASES[a][0].0, PHASES[0][0].0);
        Strips::new(Window { images: images(d, x), origin, out: (d.h, d.w), taps: 2, further: 1 })
    });
    interleaved(d, |a, b| {
        let rows = &phase(d, &filters, a, b);
        strips[a].forward(&Filters { rows, count: d.out, turned: false, column: b }, None)
    })
}

fn images<T>(d: Geometry, data: &[T]) -> Images<'_, T> {
    Images { data, samples: d.n, planes: d.c, height: d.h, width: d.w }
}

/// The filters of one phase, out of [`phase_filters`].
fn phase<T>(d: Geometry, filters: &[T], a: usize, b: usize) -> Matrix<'_, T> {
    Matrix(&filters[(a * 2 + b) * 4 * d.c..], 16 * d.c)
}

/// Puts the four phases of the result, each N x O x H x W, in their places: row 2i + a and column 2j + b.
fn interleaved<T: Real>(d: Geometry, phase: impl Fn(usize, usize) -> Vec<T>) -> Vec<T> {
    let area = (d.h * d.w).max(1);
    let mut y = uninit(d.n * d.out * 4 * d.h * d.w);
    for a in 0..2 {
        let [even, odd] = [0, 1].map(|b| phase(a, b));
        y.par_chunks_mut(4 * area).zip(even.par_chunks(area).zip(odd.par_chunks(area))).for_each(|(y, (even, odd))| {
            let rows = y.chunks_exact_mut(2 * d.w).skip(a).step_by(2);
            for (to, (even, odd)) in rows.zip(even.chunks_exact(d.w).zip(odd.chunks_exact(d.w))) {
                wide(interleave, (to, even, odd));
            }
        });
    }
    y
}

/// Whether a product of `planes` planes to `rows` goes through transformed tiles.
fn pays<T: Real>(d: Geometry, planes: usize, rows: usize) -> bool {
    winograd::pays::<F3x2, T>(d.n, planes, rows, (d.h, d.w))
}

#[inline(always)]
fn interleave<T: Real>((to, even, odd): (&mut [T], &[T], &[T])) {
    for ((to, even), odd) in to.chunks_exact_mut(2).zip(even).zip(odd) {
        (to[0], to[1]) = (*even, *odd);
    }
}

/// Output channels of a task of [`phase_filters`].
const SOME: usize = 16;

/// The filters by output channel, phase, input channel and tap of the phase: O x 4 x C x 4 values.
fn phase_filters<T: Real>(d: Geometry, w: &[T]) -> Vec<T> {
    let mut filters = uninit(w.len());
    // Some output channels at a time: they lie side by side under every input channel.
    filters.par_chunks_mut((SOME * 16 * d.c).max(1)).enumerate().for_each(|(some, to)| {
        for plane in 0..d.c {
            let from = &w[(plane * d.out + some * SOME) * 16..];
            for (to, from) in to.chunks_exact_mut(16 * d.c).zip(from.chunks_exact(16)) {
                for phase in 0..4 {
                    let part = &mut to[(phase * d.c + plane) * 4..][..4];
                    for (k, to) in part.iter_mut().enumerate() {
                        *to = from[PHASES[phase / 2][k / 2].1 * 4 + PHASES[phase % 2][k % 2].1];
                    }
                }
            }
        }
    });
    filters
}

/// The gradient of the result, N x O x 2H x 2W, as N x (O, 2, 2) x H x W: its phases as planes.
fn split_phases<T: Real>(d: Geometry, g: &[T]) -> Vec<T> {
    let area = (d.h * d.w).max(1);
    let mut out = uninit(g.len());
    out.par_chunks_mut(area).enumerate().for_each(|(i, plane)| {
        let (a, b) = (i % 4 / 2, i % 2);
        let source = &g[i / 4 * 4 * area..][..4 * area];
        for (y, row) in plane.chunks_mut(d.w).enumerate() {
            let from = &source[(2 * y + a) * 2 * d.w..][..2 * d.w];
            row.iter_mut().zip(from.iter().skip(b).step_by(2)).for_each(|(t, v)| *t = *v);
        }
    });
    out
}

/// The split gradient as patches whose rows follow the filters' order: output channel, row, column.
fn gradient_patches<T: Real>(d: Geometry, split: &[T]) -> Patches<'_, T> {
    // Tap k of the filter belongs to phase (k + 1) % 2 and reads it with the opposite of the forward shift.
    let axis = |k: usize| {
        let phase = (k + 1) % 2;
        let shift = PHASES[phase].iter().find(|(_, tap)| *tap == k).map_or(0, |(shift, _)| -shift);
        (phase, shift)
    };
    let mut taps = Vec::with_capacity(16 * d.out);
    for o in 0..d.out {
        for ky in 0..4 {
            for kx in 0..4 {
                let ((a, dy), (b, dx)) = (axis(ky), axis(kx));
                taps.push(Tap { plane: o * 4 + a * 2 + b, dy, dx });
            }
        }
    }
    let images = Images { data: split, samples: d.n, planes: 4 * d.out, height: d.h, width: d.w };
    Patches::new(images, (d.h, d.w), taps)
}

/// Where a filter starts in each plane.
type Origin = fn(usize) -> (isize, isize);

/// The split gradient's planes and the order of the filters under them: each phase sees its own 2 x 2 taps.
fn gradient_planes<T: Real>(d: Geometry, split: &[T]) -> (Planes<'_, T, Origin>, Order) {
    // The forward pass's shifts backwards: the last one is the first to be seen.
    let origin: Origin = |plane| (-PHASES[plane % 4 / 2][1].0, -PHASES[plane % 2][1].0);
    let tap = |phase: usize, k: usize| PHASES[phase / 2][1 - k / 2 % 2].1 * 4 + PHASES[phase % 2][1 - k % 2].1;
    let taps = (0..4).map(|phase| std::array::from_fn(|k| tap(phase, k))).collect();
    let (samples, planes, out) = (d.n, 4 * d.out, (d.h, d.w));
    let planes = Planes { data: split, samples, planes, height: d.h, width: d.w, origin, out };
    (planes, Order { row: 16 * d.out, plane: 16, taps })
}

pub(super) fn input_gradient<T: Real>(d: Geometry, g: Stored<'_>, w: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let (split, w) = (split_phases(d, slice::<T>(g.0, g.1)?), slice::<T>(w.0, w.1)?);
    let fast = pays::<T>(d, 4 * d.out, d.c).then(|| {
        let (planes, order) = gradient_planes(d, &split);
        winograd::forward::<F3x2, T>(&planes, w, &order, d.c, None)
    });
    let plain = || product::forward(&Matrix(w, d.out * 16), d.c, None, gradient_patches(d, &split));
    let gx = fast.filter(|gx| winograd::tame(gx)).unwrap_or_else(plain);
    Ok(stored(gx, (d.n, d.c, d.h, d.w)))
}

pub(super) fn filter_gradient<T: Real>(d: Geometry, g: Stored<'_>, x: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let (split, x) = (split_phases(d, slice::<T>(g.0, g.1)?), slice::<T>(x.0, x.1)?);
    let gw = if pays::<T>(d, 4 * d.out, d.c) && winograd::tame(&split) && winograd::tame(x) {
        let (planes, order) = gradient_planes(d, &split);
        let mut gw = uninit(d.c * d.out * 16);
        winograd::filter_gradient::<F3x2, T>(&planes, x, &order, d.c, &mut gw);
        gw
    } else {
        product::filter_gradient(x, d.c, gradient_patches(d, &split))
    };
    Ok(stored(gw, (d.c, d.out, 4, 4)))
}
