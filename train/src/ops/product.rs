//! The two matrix products of a convolution.

use gemm::Parallelism;
use rayon::prelude::*;

use super::patches::Patches;
use super::real::Real;

/// Output pixels of one task.
const TILE: usize = 512;
/// Rows of the patch matrix of one task of the filter gradient.
const TAP_TILE: usize = 128;

/// A pointer that tasks writing disjoint parts may share.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T);
// SAFETY: every user writes a region no other task touches.
unsafe impl<T> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Shared<T> {}
impl<T> Shared<T> {
    fn get(&self) -> *mut T {
        self.0
    }
}

/// `out[s, m, p] = sum over k of a[m, k] * patches[k, (s, p)]`.
///
/// `a` is `rows` x taps; the result is samples x `rows` x pixels.
pub(super) fn forward<T: Real>(a: &[T], rows: usize, patches: &Patches<'_, T>) -> Vec<T> {
    let (taps, pixels) = (patches.taps.len(), patches.pixels());
    assert_eq!(a.len(), rows * taps);
    let mut out = vec![T::ZERO; patches.samples * rows * pixels];
    let shared = Shared(out.as_mut_ptr());
    let tiles = pixels.div_ceil(TILE);
    (0..patches.samples * tiles).into_par_iter().for_each_init(Vec::new, |columns, task| {
        let (sample, first) = (task / tiles, task % tiles * TILE);
        let n = TILE.min(pixels - first);
        columns.resize(taps * n, T::ZERO);
        for k in 0..taps {
            patches.fill(k, sample, first, &mut columns[k * n..][..n]);
        }
        // SAFETY: extents and strides stay inside `a`, `columns` and `out`; tasks write disjoint columns.
        unsafe {
            let c = shared.get().add(sample * rows * pixels + first);
            let (a, b) = (a.as_ptr(), columns.as_ptr());
            multiply((rows, n, taps), (c, pixels), false, (a, taps as isize, 1), (b, n as isize, 1));
        }
    });
    out
}

/// `out[m, k] = sum over s, p of g[s, m, p] * patches[k, (s, p)]`.
///
/// `g` is samples x `rows` x pixels; the result is `rows` x taps.
pub(super) fn filter_gradient<T: Real>(g: &[T], rows: usize, patches: &Patches<'_, T>) -> Vec<T> {
    let (taps, pixels) = (patches.taps.len(), patches.pixels());
    assert_eq!(g.len(), patches.samples * rows * pixels);
    let mut out = vec![T::ZERO; rows * taps];
    let shared = Shared(out.as_mut_ptr());
    (0..taps.div_ceil(TAP_TILE)).into_par_iter().for_each_init(Vec::new, |columns, task| {
        let low = task * TAP_TILE;
        let width = TAP_TILE.min(taps - low);
        for sample in 0..patches.samples {
            for first in (0..pixels).step_by(TILE) {
                let n = TILE.min(pixels - first);
                columns.resize(width * n, T::ZERO);
                for k in 0..width {
                    patches.fill(low + k, sample, first, &mut columns[k * n..][..n]);
                }
                // SAFETY: extents and strides stay inside `g`, `columns` and `out`; tasks write disjoint columns.
                unsafe {
                    let c = shared.get().add(low);
                    let a = g.as_ptr().add(sample * rows * pixels + first);
                    let b = columns.as_ptr();
                    multiply((rows, width, n), (c, taps), true, (a, pixels as isize, 1), (b, 1, n as isize));
                }
            }
        }
    });
    out
}

/// `c = a * b`, or `c += a * b`, for `(m, n, k)`; each matrix with its row stride, `a` and `b` with the column stride.
unsafe fn multiply<T: Real>(
    (m, n, k): (usize, usize, usize),
    (c, c_rows): (*mut T, usize),
    accumulate: bool,
    (a, a_rows, a_cols): (*const T, isize, isize),
    (b, b_rows, b_cols): (*const T, isize, isize),
) {
    // SAFETY: the caller's.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c,
            1,
            c_rows as isize,
            accumulate,
            a,
            a_cols,
            a_rows,
            b,
            b_cols,
            b_rows,
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
