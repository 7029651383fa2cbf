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

type Stored<'a> = (&'a CpuStorage, &'a Layout);

/// (shift of the input, filter tap) of the two taps of each phase.
const PHASES: [[(isize, usize); 2]; 2] = [[(-1, 3), (0, 1)], [(0, 2), (1, 0)]];

pub(super) fn forward<T: Real>(d: Geometry, x: Stored<'_>, w: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let (x, w) = (slice::<T>(x.0, x.1)?, slice::<T>(w.0, w.1)?);
    let mut y = uninit(d.n * d.out * 4 * d.h * d.w);
    for phase in 0..4 {
        let (a, b) = (phase / 2, phase % 2);
        let (mut taps, mut filters) = (Vec::with_capacity(4 * d.c), vec![T::ZERO; d.out * d.c * 4]);
        for plane in 0..d.c {
            for (dy, ky) in PHASES[a] {
                for (dx, kx) in PHASES[b] {
                    for o in 0..d.out {
                        filters[o * d.c * 4 + taps.len()] = w[((plane * d.out + o) * 4 + ky) * 4 + kx];
                    }
                    taps.push(Tap { plane, dy, dx });
                }
            }
        }
        let width = d.w;
        let images = Images { data: x, samples: d.n, planes: d.c, height: d.h, width };
        let patches = Patches::new(images, (d.h, d.w), taps);
        let part = product::forward(&Matrix(&filters, d.c * 4), d.out, None, &patches);
        let area = (d.h * d.w).max(1);
        y.par_chunks_mut(4 * area).zip(part.par_chunks(area)).for_each(|(y, part)| {
            for (i, row) in part.chunks(width).enumerate() {
                let to = &mut y[(2 * i + a) * 2 * width..][..2 * width];
                to.iter_mut().skip(b).step_by(2).zip(row).for_each(|(t, v)| *t = *v);
            }
        });
    }
    Ok(stored(y, (d.n, d.out, 2 * d.h, 2 * d.w)))
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

pub(super) fn input_gradient<T: Real>(d: Geometry, g: Stored<'_>, w: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let split = split_phases(d, slice::<T>(g.0, g.1)?);
    let gx = product::forward(&Matrix(slice::<T>(w.0, w.1)?, d.out * 16), d.c, None, &gradient_patches(d, &split));
    Ok(stored(gx, (d.n, d.c, d.h, d.w)))
}

pub(super) fn filter_gradient<T: Real>(d: Geometry, g: Stored<'_>, x: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let split = split_phases(d, slice::<T>(g.0, g.1)?);
    let gw = product::filter_gradient(slice::<T>(x.0, x.1)?, d.c, &gradient_patches(d, &split));
    Ok(stored(gw, (d.c, d.out, 4, 4)))
}
