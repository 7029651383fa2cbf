//! Convolutions with large filters, two rows of output at a time.
//!
//! Along y a scheme F(2, r) takes r + 1 multiplications for two rows of output instead of 2 r; along x the sums stay plain.
//! Each of a strip's r + 1 products is a convolution with filters of one row, which [`super::sliding`]'s kernel takes from
//! the transformed images as they lie: 1.67 times fewer multiplications for 5 x 5 filters, 1.75 times for 7 x 7. The
//! filters' gradient is the adjoint of the same map.
//!
//! Sums are rounded differently from the plain ones (errors grow by up to ten), and infinity meets values that it would
//! not meet otherwise: callers take this way in `f32` alone, and only where it [`pays`] and values are
//! [tame](super::winograd::tame).

mod filter_gradient;
mod forward;
mod schemes;
mod steps;

use candle_core::DType;
use rayon::prelude::*;

use super::patches::{Images, Patches, Run, Tap};
use super::product::Rows;
use super::real::{Real, uninit};
use super::scratch::Shared;
use super::simd::{Loop, wide_loop};
use super::sliding;
use schemes::{F2x2, F2x3, F2x5, F2x7, Scheme};
use steps::{Input, LANES, apply};

/// Channels below which the transforms cost more than the products save.
const LEAST_CHANNELS: usize = 8;

/// Whether this is the shorter way for `c` channels to `rows` under filters of this height and width.
pub(super) fn pays<T: Real>(c: usize, rows: usize, (height, width): (usize, usize), out_h: usize) -> bool {
    T::DTYPE == DType::F32
        && T::kernels().width.is_multiple_of(LANES)
        && height == width
        && [F2x2::TAPS, F2x3::TAPS, F2x5::TAPS, F2x7::TAPS].contains(&height)
        && c >= LEAST_CHANNELS
        && sliding::suits::<T>(rows)
        // An odd last row takes as long as two.
        && 5 * out_h.next_multiple_of(2) <= 6 * out_h
}

/// Calls a function of a scheme that this number of taps has.
macro_rules! with_scheme {
    ($taps:expr, $scheme:ident => $call:expr) => {
        match $taps {
            2 => {
                type $scheme = F2x2;
                $call
            }
            3 => {
                type $scheme = F2x3;
                $call
            }
            5 => {
                type $scheme = F2x5;
                $call
            }
            _ => {
                type $scheme = F2x7;
                $call
            }
        }
    };
}

/// A batch of images under filters that step one pixel.
#[derive(Clone, Copy)]
pub(super) struct Window<'a, T> {
    pub(super) images: Images<'a, T>,
    /// Row and column of the images that the first tap sees at output pixel (0, 0); outside of them there are zeros.
    pub(super) origin: (isize, isize),
    /// Height and width of the output.
    pub(super) out: (usize, usize),
    /// Rows and columns of a filter.
    pub(super) taps: usize,
    /// Columns to the right of the origin at which other filters may start.
    pub(super) further: usize,
}

/// Filters and the way they are read.
pub(super) struct Filters<'a, R> {
    /// A row for each channel of the result: filters over the planes, taps row by row.
    pub(super) rows: &'a R,
    /// How many rows.
    pub(super) count: usize,
    /// Whether each filter is turned round, its last tap first.
    pub(super) turned: bool,
    /// Columns from the window's origin to the one that the first tap sees at output pixel (0, 0).
    pub(super) column: usize,
}

/// A batch of images, transformed along y. What the filters of one strip see lies together.
pub(super) struct Strips<T> {
    /// Samples x strips x products x planes x columns.
    data: Vec<T>,
    samples: usize,
    planes: usize,
    /// Strips of an image.
    count: usize,
    /// Columns that the filters see of an image, and as many more as fill the last vector.
    width: usize,
    taps: usize,
    /// Height and width of the output.
    out: (usize, usize),
}

impl<T: Real> Strips<T> {
    pub(super) fn new(x: Window<'_, T>) -> Self {
        let Images { samples, planes, .. } = x.images;
        let count = x.out.0.div_ceil(2);
        let width = (x.out.1 + x.taps - 1 + x.further).next_multiple_of(LANES);
        let mut data: Vec<T> = uninit(samples * count * (x.taps + 1) * planes * width);
        let to = Shared(data.as_mut_ptr());
        (0..samples * planes).into_par_iter().for_each(|plane| {
            let plane = Plane { x, plane, count, width, to };
            with_scheme!(x.taps, S => wide_loop::<S, _>(plane));
        });
        Self { data, samples, planes, count, width, taps: x.taps, out: x.out }
    }

    /// `out[s, m, y, x] = start[m] + sum of filters[m, c, i, j] * window[s, c, y + i, x + j]`.
    pub(super) fn forward<R: Rows<T>>(&self, filters: &Filters<'_, R>, start: Option<&[T]>) -> Vec<T> {
        with_scheme!(self.taps, S => forward::forward::<S, T, R>(self, filters, start))
    }

    /// `out[m, c, i, j] = sum over s, y, x of g[s, m, y, x] * window[s, c, y + i, x + j]` of `rows` rows m.
    pub(super) fn filter_gradient(&self, g: &[T], rows: usize) -> Vec<T> {
        with_scheme!(self.taps, S => filter_gradient::filter_gradient::<S, T>(self, g, rows))
    }

    /// Values of one product of a strip.
    fn product(&self) -> usize {
        self.planes * self.width
    }

    /// The patches that the first product's filters see from a column on, a sample for each strip: taps of plane c in
    /// column order at c taps.
    fn patches(&self, column: usize) -> Patches<'_, T> {
        let tap = |i: usize| Tap { plane: i / self.taps, dy: 0, dx: (column + i % self.taps) as isize };
        let taps = (0..self.planes * self.taps).map(tap).collect();
        let (samples, planes) = (self.samples * self.count, (self.taps + 1) * self.planes);
        let images = Images { data: &self.data, samples, planes, height: 1, width: self.width };
        Patches::new(images, (1, self.out.1), taps)
    }

    /// Sample and first row of output of a run of [`Self::patches`].
    fn place(&self, run: &Run) -> (usize, usize) {
        (run.sample() / self.count, 2 * (run.sample() % self.count))
    }
}

/// The transforms of one plane of one sample.
struct Plane<'a, T> {
    x: Window<'a, T>,
    plane: usize,
    count: usize,
    width: usize,
    to: Shared<T>,
}

impl<S: Scheme, T: Real> Loop<S> for Plane<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Self { x: Window { images, origin: (top, left), .. }, plane, count, width, to } = self;
        // The plane with its border: the rows that the strips see.
        let height = 2 * count + S::TAPS - 1;
        let mut bordered = vec![T::ZERO; height * width];
        let image = &images.data[plane * images.height * images.width..][..images.height * images.width];
        let (cut, left) = (left.max(0) as usize, (-left).max(0) as usize);
        let len = images.width.saturating_sub(cut).min(width.saturating_sub(left));
        for (y, row) in bordered.chunks_exact_mut(width).enumerate() {
            let y = y as isize + top;
            if y >= 0 && y < images.height as isize && len > 0 {
                row[left..left + len].copy_from_slice(&image[y as usize * images.width + cut..][..len]);
            }
        }
        let (sample, plane) = (plane / images.planes, plane % images.planes);
        let product = images.planes * width;
        for strip in 0..count {
            let rows = &bordered[2 * strip * width..][..S::PRODUCTS * width];
            let first = (sample * count + strip) * S::PRODUCTS * product + plane * width;
            for at in (0..width).step_by(LANES) {
                // SAFETY: the rows hold whole vectors; nobody else writes this plane's columns of this sample's strips.
                unsafe {
                    let (from, to) = (rows.as_ptr().add(at), to.get().add(first + at));
                    apply::<S, Input, T>((from, width as isize), (to, product));
                }
            }
        }
    }
}
