//! Max pooling on the CPU.

use candle_core::{CpuStorage, Layout, Result, Shape};
use rayon::prelude::*;

use crate::ops::real::{Real, slice, stored, uninit};
use crate::ops::simd::{Loop, wide, wide_loop};

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

/// Blocks handled side by side.
const LANES: usize = 16;

/// The gradients of [`LANES`] blocks or fewer from their four values: upper left, upper right, lower left, lower right.
#[inline(always)]
fn unpool<T: Real>(values: [[T; LANES]; 4], g: [T; LANES]) -> [[T; LANES]; 4] {
    let mut gradients = [[T::ZERO; LANES]; 4];
    for i in 0..LANES {
        let (upper, right_of_upper) = larger(values[0][i], values[1][i]);
        let (lower, right_of_lower) = larger(values[2][i], values[3][i]);
        let (_, low) = larger(upper, lower);
        let pick = |taken: bool| if taken { g[i] } else { T::ZERO };
        gradients[0][i] = pick(!low & !right_of_upper);
        gradients[1][i] = pick(!low & right_of_upper);
        gradients[2][i] = pick(low & !right_of_lower);
        gradients[3][i] = pick(low & right_of_lower);
    }
    gradients
}

/// The gradient of one plane, `w` columns wide.
struct Unpool<'a, T> {
    gx: &'a mut [T],
    x: &'a [T],
    g: &'a [T],
    w: usize,
}

impl<T: Real> Loop<()> for Unpool<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Self { gx, x, g, w } = self;
        let out_w = w / 2;
        for (row, g) in g.chunks_exact(out_w).enumerate() {
            let rows = [&x[2 * row * w..][..2 * out_w], &x[(2 * row + 1) * w..][..2 * out_w]];
            let (to_top, to_bottom) = gx[2 * row * w..][..2 * w].split_at_mut(w);
            let to = [&mut to_top[..2 * out_w], &mut to_bottom[..2 * out_w]];
            let whole = out_w / LANES * LANES;
            for at in (0..whole).step_by(LANES) {
                let mut values = [[T::ZERO; LANES]; 4];
                for (half, from) in rows.iter().enumerate() {
                    let from = &from[2 * at..][..2 * LANES];
                    for i in 0..LANES {
                        (values[2 * half][i], values[2 * half + 1][i]) = (from[2 * i], from[2 * i + 1]);
                    }
                }
                let gradients = unpool(values, std::array::from_fn(|i| g[at..][..LANES][i]));
                for half in 0..2 {
                    let to = &mut to[half][2 * at..][..2 * LANES];
                    for i in 0..LANES {
                        (to[2 * i], to[2 * i + 1]) = (gradients[2 * half][i], gradients[2 * half + 1][i]);
                    }
                }
            }
            for at in whole..out_w {
                let value = |i: usize| [rows[i / 2][2 * at + i % 2]; LANES];
                let gradients = unpool([value(0), value(1), value(2), value(3)], [g[at]; LANES]);
                (0..4).for_each(|i| to[i / 2][2 * at + i % 2] = gradients[i][0]);
            }
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
        wide_loop::<(), _>(Unpool { gx, x, g, w });
    });
    Ok(stored(gx, (n, c, h, w)))
}
