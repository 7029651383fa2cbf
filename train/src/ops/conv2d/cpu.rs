//! Convolution on the CPU.

use candle_core::{CpuStorage, Layout, Result, Shape};

use super::Geometry;
use crate::ops::patches::{Images, Patches, conv_taps};
use crate::ops::product::{self, Matrix, Rows};
use crate::ops::real::{Real, slice, stored};

type Stored<'a> = (&'a CpuStorage, &'a Layout);

fn patches<T: Real>(d: Geometry, x: &[T]) -> Patches<'_, T> {
    let padding = d.padding as isize;
    let images = Images { data: x, samples: d.n, planes: d.c, height: d.h, width: d.w };
    Patches::new(images, (d.out_h(), d.out_w()), conv_taps(d.c, d.kh, d.kw, padding, padding))
}

pub(super) fn forward<T: Real>(
    d: Geometry,
    x: Stored<'_>,
    w: Stored<'_>,
    bias: Option<Stored<'_>>,
) -> Result<(CpuStorage, Shape)> {
    let bias = bias.map(|(bias, layout)| slice::<T>(bias, layout)).transpose()?;
    let filters = Matrix(slice::<T>(w.0, w.1)?, d.c * d.kh * d.kw);
    let y = product::forward(&filters, d.out, bias, &patches(d, slice::<T>(x.0, x.1)?));
    Ok(stored(y, (d.n, d.out, d.out_h(), d.out_w())))
}

/// Filters with input and output channels exchanged: row `i` is (output channel, tap).
struct Exchanged<'a, T> {
    filters: &'a [T],
    channels: usize,
    area: usize,
}

impl<T: Real> Rows<T> for Exchanged<'_, T> {
    fn fill(&self, row: usize, first: usize, out: &mut [T]) {
        let (mut o, mut e, mut done) = (first / self.area, first % self.area, 0);
        while done < out.len() {
            let len = (self.area - e).min(out.len() - done);
            let from = &self.filters[(o * self.channels + row) * self.area + e..][..len];
            // A call for a few values would take longer than the values.
            out[done..done + len].iter_mut().zip(from).for_each(|(t, f)| *t = *f);
            (o, e, done) = (o + 1, 0, done + len);
        }
    }
}

/// Filter tap (ky, kx) took x at y + ky - padding to the result at y; so x at y gets `g` at y + padding - ky back.
pub(super) fn input_gradient<T: Real>(d: Geometry, g: Stored<'_>, w: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let filters = Exchanged { filters: slice::<T>(w.0, w.1)?, channels: d.c, area: d.kh * d.kw };
    let padding = d.padding as isize;
    let mut taps = conv_taps(d.out, d.kh, d.kw, padding, padding);
    taps.iter_mut().for_each(|tap| (tap.dy, tap.dx) = (-tap.dy, -tap.dx));
    let data = slice::<T>(g.0, g.1)?;
    let images = Images { data, samples: d.n, planes: d.out, height: d.out_h(), width: d.out_w() };
    let patches = Patches::new(images, (d.h, d.w), taps);
    Ok(stored(product::forward(&filters, d.c, None, &patches), (d.n, d.c, d.h, d.w)))
}

pub(super) fn filter_gradient<T: Real>(d: Geometry, g: Stored<'_>, x: Stored<'_>) -> Result<(CpuStorage, Shape)> {
    let gw = product::filter_gradient(slice::<T>(g.0, g.1)?, d.out, &patches(d, slice::<T>(x.0, x.1)?));
    Ok(stored(gw, (d.out, d.c, d.kh, d.kw)))
}
