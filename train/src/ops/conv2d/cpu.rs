//! Convolution on the CPU.

use std::ops::Range;

use candle_core::{CpuStorage, Layout, Result, Shape};
use rayon::prelude::*;

use super::Geometry;
use crate::ops::patches::{Images, Patches, conv_taps};
use crate::ops::product::{self, Matrix, Rows, transpose};
use crate::ops::real::{Real, slice, stored, uninit};
use crate::ops::simd::{prefetch, wide};
use crate::ops::strips::{self, Filters, Strips, Window};
use crate::ops::winograd::{self, F4x3, Order};

type Stored<'a> = (&'a CpuStorage, &'a Layout);

fn images<T>(d: Geometry, data: &[T]) -> Images<'_, T> {
    Images { data, samples: d.n, planes: d.c, height: d.h, width: d.w }
}

/// The gradient of the result.
fn gradients<T>(d: Geometry, data: &[T]) -> Images<'_, T> {
    Images { data, samples: d.n, planes: d.out, height: d.out_h(), width: d.out_w() }
}

fn patches<T: Real>(d: Geometry, x: &[T]) -> Patches<'_, T> {
    let padding = d.padding as isize;
    Patches::new(images(d, x), (d.out_h(), d.out_w()), conv_taps(d.c, d.kh, d.kw, padding, padding))
}

fn strips<T: Real>(d: Geometry, x: &[T]) -> Strips<T> {
    let (corner, out) = (-(d.padding as isize), (d.out_h(), d.out_w()));
    Strips::new(Window { images: images(d, x), origin: (corner, corner), out, taps: d.kh, further: 0 })
}

/// The filters by output channel.
fn matrix<T>(d: Geometry, w: &[T]) -> Matrix<'_, T> {
    Matrix(w, d.c * d.kh * d.kw)
}

pub(super) fn forward<T: Real>(
    d: Geometry,
    x: Stored<'_>,
    w: Stored<'_>,
    bias: Option<Stored<'_>>,
) -> Result<(CpuStorage, Shape)> {
    let bias = bias.map(|(bias, layout)| slice::<T>(bias, layout)).transpose()?;
    let (x, w) = (slice::<T>(x.0, x.1)?, slice::<T>(w.0, w.1)?);
    let y = match way::<T>(d, (d.c, d.out, d.out_h())) {
        Way::Tiles => Some(winograd::forward::<F4x3, T>(&planes(d, x), w, &order(d), d.out, bias)),
        Way::Strips => {
            let filters = Filters { rows: &matrix(d, w), count: d.out, turned: false, column: 0 };
            Some(strips(d, x).forward(&filters, bias))
        }
        Way::Plain => None,
    };
    let y = y.filter(|y| winograd::tame(y));
    let y = y.unwrap_or_else(|| product::forward(&matrix(d, w), d.out, bias, patches(d, x)));
    Ok(stored(y, (d.n, d.out, d.out_h(), d.out_w())))
}

/// How a product of x, the gradient and the filters is computed.
///
/// NaN, infinity or an overflow in a transform leaves results that are not finite, so that it is enough to look at the
/// smaller side of a product: what is not tame takes the plain sums.
#[derive(PartialEq)]
enum Way {
    /// In transformed tiles.
    Tiles,
    /// In strips transformed along y.
    Strips,
    Plain,
}

/// The shortest way for a product from `c` channels to `rows` whose planes are `height` high.
fn way<T: Real>(d: Geometry, (c, rows, height): (usize, usize, usize)) -> Way {
    if (d.kh, d.kw) == (3, 3) && winograd::pays::<F4x3, T>(d.n, d.c, d.out, (d.out_h(), d.out_w())) {
        Way::Tiles
    } else if strips::pays::<T>(c, rows, (d.kh, d.kw), height) {
        Way::Strips
    } else {
        Way::Plain
    }
}

fn planes<T: Real>(d: Geometry, x: &[T]) -> winograd::Planes<'_, T, impl Fn(usize) -> (isize, isize) + Sync> {
    let corner = -(d.padding as isize);
    let (samples, planes, out) = (d.n, d.c, (d.out_h(), d.out_w()));
    winograd::Planes { data: x, samples, planes, height: d.h, width: d.w, origin: move |_| (corner, corner), out }
}

/// The order of the filters themselves.
fn order(d: Geometry) -> Order {
    Order { row: 9 * d.c, plane: 9, taps: vec![std::array::from_fn(|tap| tap)] }
}

/// Filters with input and output channels exchanged: row `i` is (output channel, tap).
struct Exchanged<'a, T> {
    filters: &'a [T],
    channels: usize,
    area: usize,
}

impl<T: Real> Rows<T> for Exchanged<'_, T> {
    fn fill(&self, row: usize, first: usize, out: &mut [T]) {
        let (o, begun) = (first / self.area, first % self.area);
        let filter = |o: usize| &self.filters[(o * self.channels + row) * self.area..][..self.area];
        let (head, out) = out.split_at_mut(((self.area - begun) % self.area).min(out.len()));
        head.copy_from_slice(&filter(o)[begun..][..head.len()]);
        let o = o + usize::from(begun > 0);
        for (i, to) in out.chunks_mut(self.area).enumerate() {
            let from = filter(o + i);
            // Lengths known here become a few moves: a call for nine values would take longer than the values.
            match to.len() {
                1 => to[0] = from[0],
                9 => to.copy_from_slice(&from[..9]),
                25 => to.copy_from_slice(&from[..25]),
                len => to.copy_from_slice(&from[..len]),
            }
        }
    }

    fn fill_transposed(&self, rows: Range<usize>, columns: Range<usize>, out: &mut [T], width: usize) {
        assert!(rows.len() <= width && out.len() >= columns.len() * width);
        let mut column = columns.start;
        while column < columns.end {
            // Taps of one output channel.
            let (o, tap) = (column / self.area, column % self.area);
            let taps = (self.area - tap).min(columns.end - column);
            let from = &self.filters[(o * self.channels + rows.start) * self.area + tap..];
            assert!(from.len() >= rows.len().saturating_sub(1) * self.area + taps);
            let to = &mut out[(column - columns.start) * width..];
            // SAFETY: both hold what was just asked of them.
            unsafe { transpose((rows.len(), taps), (from.as_ptr(), self.area), (to.as_mut_ptr(), width)) }
            column += taps;
        }
    }

    fn prefetch(&self, row: usize, columns: Range<usize>) {
        for o in columns.start / self.area..columns.end.div_ceil(self.area) {
            prefetch(&self.filters[(o * self.channels + row) * self.area..][..self.area]);
        }
    }
}

/// Filter tap (ky, kx) took x at y + ky - padding to the result at y; so x at y gets `g` at y + padding - ky back.
pub(super) fn input_gradient<T: Real>(d: Geometry, g: Stored<'_>, w: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let (data, w) = (slice::<T>(g.0, g.1)?, slice::<T>(w.0, w.1)?);
    let (filters, padding) = (Exchanged { filters: w, channels: d.c, area: d.kh * d.kw }, d.padding as isize);
    let gx = match way::<T>(d, (d.out, d.c, d.h)) {
        Way::Tiles => {
            // A convolution of the gradient by the filters turned round.
            let corner = d.padding as isize - 2;
            let (height, width, origin) = (d.out_h(), d.out_w(), |_| (corner, corner));
            let planes = winograd::Planes { data, samples: d.n, planes: d.out, height, width, origin, out: (d.h, d.w) };
            let order = Order { row: 9, plane: 9 * d.c, taps: vec![std::array::from_fn(|tap| 8 - tap)] };
            Some(winograd::forward::<F4x3, T>(&planes, w, &order, d.c, None))
        }
        Way::Strips => {
            let filters = Filters { rows: &filters, count: d.c, turned: true, column: 0 };
            let corner = padding + 1 - d.kh as isize;
            let (images, origin, out) = (gradients(d, data), (corner, corner), (d.h, d.w));
            let strips = Strips::new(Window { images, origin, out, taps: d.kh, further: 0 });
            Some(strips.forward(&filters, None))
        }
        Way::Plain => None,
    };
    let gx = gx.filter(|gx| winograd::tame(gx)).unwrap_or_else(|| {
        let mut taps = conv_taps(d.out, d.kh, d.kw, padding, padding);
        taps.iter_mut().for_each(|tap| (tap.dy, tap.dx) = (-tap.dy, -tap.dx));
        product::forward(&filters, d.c, None, Patches::new(gradients(d, data), (d.h, d.w), taps))
    });
    Ok(stored(gx, (d.n, d.c, d.h, d.w)))
}

/// Partial sums side by side, so that additions do not wait for each other. Fixed: it sets the order of the sums.
const LANES: usize = 16;

/// The sum of a plane, in an order that its length alone sets.
#[inline(always)]
fn sum<T: Real>(plane: &[T]) -> f64 {
    let mut sums = [0f64; LANES];
    for block in plane.chunks(LANES) {
        sums.iter_mut().zip(block).for_each(|(s, v)| *s += v.up());
    }
    sums.iter().sum()
}

/// The sum of each channel over samples and pixels, in `f64`.
pub(super) fn bias_gradient<T: Real>(g: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let (n, c, h, w) = g.1.shape().dims4()?;
    let g = slice::<T>(g.0, g.1)?;
    let plane = |sample: usize, channel: usize| &g[(sample * c + channel) * h * w..][..h * w];
    let channels = (0..c).into_par_iter().map(|channel| (0..n).map(|i| wide(sum, plane(i, channel))).sum::<f64>());
    Ok(stored::<f64>(channels.collect(), c))
}

pub(super) fn filter_gradient<T: Real>(d: Geometry, g: Stored<'_>, x: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let (g, x) = (slice::<T>(g.0, g.1)?, slice::<T>(x.0, x.1)?);
    let way = way::<T>(d, (d.c, d.out, d.out_h()));
    let way = if way == Way::Plain || (winograd::tame(g) && winograd::tame(x)) { way } else { Way::Plain };
    let gw = match way {
        Way::Tiles => {
            let mut gw = uninit(d.out * d.c * 9);
            winograd::filter_gradient::<F4x3, T>(&planes(d, x), g, &order(d), d.out, &mut gw);
            gw
        }
        Way::Strips => strips(d, x).filter_gradient(g, d.out),
        Way::Plain => product::filter_gradient(g, d.out, patches(d, x)),
    };
    Ok(stored(gw, (d.out, d.c, d.kh, d.kw)))
}
