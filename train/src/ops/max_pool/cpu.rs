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

pub(super) fn forward<T: Real>(x: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let (n, c, h, w) = x.1.shape().dims4()?;
    let (x, out_h, out_w) = (slice::<T>(x.0, x.1)?, h / 2, w / 2);
    let mut y = uninit(n * c * out_h * out_w);
    y.par_chunks_mut(out_h * out_w).zip(x.par_chunks(h * w)).for_each(|(y, x)| {
        wide(|| {
            for (row, y) in y.chunks_exact_mut(out_w).enumerate() {
                let (top, bottom) = (&x[2 * row * w..][..2 * out_w], &x[(2 * row + 1) * w..][..2 * out_w]);
                for ((y, t), b) in y.iter_mut().zip(top.chunks_exact(2)).zip(bottom.chunks_exact(2)) {
                    let upper = if beats(t[1], t[0]) { t[1] } else { t[0] };
                    let lower = if beats(b[1], b[0]) { b[1] } else { b[0] };
                    *y = if beats(lower, upper) { lower } else { upper };
                }
            }
        });
    });
    Ok(stored(y, (n, c, out_h, out_w)))
}

pub(super) fn input_gradient<T: Real>(x: Stored<'_>, g: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let (n, c, h, w) = x.1.shape().dims4()?;
    let (x, g, out_h, out_w) = (slice::<T>(x.0, x.1)?, slice::<T>(g.0, g.1)?, h / 2, w / 2);
    // An odd last row or column, which no block covers, keeps its zeros.
    let mut gx = if h % 2 == 0 && w % 2 == 0 { uninit(x.len()) } else { vec![T::ZERO; x.len()] };
    gx.par_chunks_mut(h * w).zip(x.par_chunks(h * w)).zip(g.par_chunks(out_h * out_w)).for_each(|((gx, x), g)| {
        wide(|| {
            for (row, g) in g.chunks_exact(out_w).enumerate() {
                let (top, bottom) = (&x[2 * row * w..][..2 * out_w], &x[(2 * row + 1) * w..][..2 * out_w]);
                let (to_top, to_bottom) = gx[2 * row * w..][..2 * w].split_at_mut(w);
                let blocks = top.chunks_exact(2).zip(bottom.chunks_exact(2));
                let targets = to_top.chunks_exact_mut(2).zip(to_bottom.chunks_exact_mut(2));
                for ((g, (t, b)), (to_t, to_b)) in g.iter().zip(blocks).zip(targets) {
                    let (right_t, right_b) = (beats(t[1], t[0]), beats(b[1], b[0]));
                    let upper = if right_t { t[1] } else { t[0] };
                    let lower = if right_b { b[1] } else { b[0] };
                    let low = beats(lower, upper);
                    let pick = |taken: bool| if taken { *g } else { T::ZERO };
                    (to_t[0], to_t[1]) = (pick(!low & !right_t), pick(!low & right_t));
                    (to_b[0], to_b[1]) = (pick(low & !right_b), pick(low & right_b));
                }
            }
        });
    });
    Ok(stored(gx, (n, c, h, w)))
}
