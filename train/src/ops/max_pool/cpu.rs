//! Max pooling on the CPU.

use candle_core::{CpuStorage, Layout, Result, Shape};
use rayon::prelude::*;

use crate::ops::real::{Real, slice, stored, uninit};
use crate::ops::simd::wide;

type Stored<'a> = (&'a CpuStorage, &'a Layout);

/// Whether a later value takes the place of the maximum so far; NaN always does.
#[inline(always)]
fn beats<T: Real>(value: T, best: T) -> bool {
    value > best || is_nan(value)
}

#[inline(always)]
fn is_nan<T: Real>(value: T) -> bool {
    value.partial_cmp(&value).is_none()
}

/// The larger of two values, and whether it is the second.
#[inline(always)]
fn larger<T: Real>(first: T, second: T) -> (T, bool) {
    let later = beats(second, first);
    (if later { second } else { first }, later)
}

#[inline(always)]
fn pool_plane<T: Real>((y, x, (w, out_w)): (&mut [T], &[T], (usize, usize))) {
    for (row, y) in y.chunks_exact_mut(out_w).enumerate() {
        let (top, bottom) = (&x[2 * row * w..][..2 * out_w], &x[(2 * row + 1) * w..][..2 * out_w]);
        for i in 0..out_w {
            let (upper, _) = larger(top[2 * i], top[2 * i + 1]);
            let (lower, _) = larger(bottom[2 * i], bottom[2 * i + 1]);
            y[i] = larger(upper, lower).0;
        }
    }
}

#[inline(always)]
fn unpool_plane<T: Real>((gx, x, g, (w, out_w)): (&mut [T], &[T], &[T], (usize, usize))) {
    for (row, g) in g.chunks_exact(out_w).enumerate() {
        let (top, bottom) = (&x[2 * row * w..][..2 * out_w], &x[(2 * row + 1) * w..][..2 * out_w]);
        let (to_top, to_bottom) = gx[2 * row * w..][..2 * w].split_at_mut(w);
        let (to_top, to_bottom) = (&mut to_top[..2 * out_w], &mut to_bottom[..2 * out_w]);
        for i in 0..out_w {
            let (upper, right_of_upper) = larger(top[2 * i], top[2 * i + 1]);
            let (lower, right_of_lower) = larger(bottom[2 * i], bottom[2 * i + 1]);
            let (_, low) = larger(upper, lower);
            let pick = |taken: bool| if taken { g[i] } else { T::ZERO };
            (to_top[2 * i], to_top[2 * i + 1]) = (pick(!low & !right_of_upper), pick(!low & right_of_upper));
            (to_bottom[2 * i], to_bottom[2 * i + 1]) = (pick(low & !right_of_lower), pick(low & right_of_lower));
        }
    }
}

pub(super) fn forward<T: Real>(x: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let (n, c, h, w) = x.1.shape().dims4()?;
    let (x, out_h, out_w) = (slice::<T>(x.0, x.1)?, h / 2, w / 2);
    let mut y = uninit(n * c * out_h * out_w);
    y.par_chunks_mut(out_h * out_w).zip(x.par_chunks(h * w)).for_each(|(y, x)| {
        wide(pool_plane, (y, x, (w, out_w)));
    });
    Ok(stored(y, (n, c, out_h, out_w)))
}

pub(super) fn input_gradient<T: Real>(x: Stored<'_>, g: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let (n, c, h, w) = x.1.shape().dims4()?;
    let (x, g, out_h, out_w) = (slice::<T>(x.0, x.1)?, slice::<T>(g.0, g.1)?, h / 2, w / 2);
    // An odd last row or column, which no block covers, keeps its zeros.
    let mut gx = if h % 2 == 0 && w % 2 == 0 { uninit(x.len()) } else { vec![T::ZERO; x.len()] };
    gx.par_chunks_mut(h * w).zip(x.par_chunks(h * w)).zip(g.par_chunks(out_h * out_w)).for_each(|((gx, x), g)| {
        wide(unpool_plane, (gx, x, g, (w, out_w)));
    });
    Ok(stored(gx, (n, c, h, w)))
}
