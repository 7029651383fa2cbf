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

use super::patches::{Images, Patches, Tap};
use super::product;
use super::real::{Real, uninit};
use super::simd::{Loop, wide_loop};
use super::sliding;
use schemes::{F2x5, F2x7, Scheme};
use steps::{Input, LANES, apply};

/// Channels below which the transforms cost more than the products save.
const LEAST_CHANNELS: usize = 8;

/// Whether this is the shorter way for `c` channels to `rows` under filters of this height and width.
pub(super) fn pays<T: Real>(c: usize, rows: usize, (height, width): (usize, usize), out_h: usize) -> bool {
    T::DTYPE == DType::F32
        && T::kernels().width.is_multiple_of(LANES)
        && height == width
        && [F2x5::TAPS, F2x7::TAPS].contains(&height)
        && c >= LEAST_CHANNELS
        && sliding::suits::<T>(rows)
        // An odd last row takes as long as two.
        && 5 * out_h.next_multiple_of(2) <= 6 * out_h
}

/// A batch of images under filters of one size that step one pixel.
#[derive(Clone, Copy)]
pub(super) struct Padded<'a, T> {
    pub(super) images: Images<'a, T>,
    /// Rows and columns of zeros on every side; less than 0: those that no filter sees.
    pub(super) padding: isize,
    /// Rows and columns of a filter.
    pub(super) taps: usize,
}

/// Filters and the way they are read.
pub(super) struct Filters<'a, R> {
    /// A row for each channel of the result: filters over the planes, taps row by row.
    pub(super) rows: &'a R,
    /// How many rows.
    pub(super) count: usize,
    /// Whether each filter is turned round, its last tap first.
    pub(super) turned: bool,
}

/// `out[s, m, y, x] = start[m] + sum of filters[m, c, i, j] * x[s, c, y + i - padding, x + j - padding]`.
pub(super) fn forward<T: Real, R: product::Rows<T>>(
    x: Padded<'_, T>,
    filters: &Filters<'_, R>,
    start: Option<&[T]>,
) -> Vec<T> {
    if x.taps == F2x5::TAPS {
        forward::forward::<F2x5, T, R>(&Strips::new(x), filters, start)
    } else {
        forward::forward::<F2x7, T, R>(&Strips::new(x), filters, start)
    }
}

/// `out[m, c, i, j] = sum over s, y, x of g[s, m, y, x] * x[s, c, y + i - padding, x + j - padding]` of `rows` rows m.
pub(super) fn filter_gradient<T: Real>(x: Padded<'_, T>, g: &[T], rows: usize) -> Vec<T> {
    if x.taps == F2x5::TAPS {
        filter_gradient::filter_gradient::<F2x5, T>(&Strips::new(x), g, rows)
    } else {
        filter_gradient::filter_gradient::<F2x7, T>(&Strips::new(x), g, rows)
    }
}

/// A batch of images, transformed along y.
struct Strips<T> {
    /// Samples x products x planes x strips x columns.
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
    fn new(x: Padded<'_, T>) -> Self {
        let Images { samples, planes, .. } = x.images;
        let size = |n: usize| (n as isize + 2 * x.padding) as usize + 1 - x.taps;
        let out = (size(x.images.height), size(x.images.width));
        let (count, width) = (out.0.div_ceil(2), (out.1 + x.taps - 1).next_multiple_of(LANES));
        let (area, products) = (count * width, x.taps + 1);
        let mut data: Vec<T> = uninit(samples * products * planes * area);
        for (sample, data) in data.chunks_mut((products * planes * area).max(1)).enumerate() {
            // Product p of plane c is part p planes + c.
            let mut parts: Vec<Vec<&mut [T]>> = (0..planes).map(|_| Vec::with_capacity(products)).collect();
            data.chunks_exact_mut(area.max(1)).enumerate().for_each(|(i, part)| parts[i % planes].push(part));
            parts.into_par_iter().enumerate().for_each(|(plane, to)| {
                let plane = Plane { x, plane: sample * planes + plane, count, width, to };
                if x.taps == F2x5::TAPS { wide_loop::<F2x5, _>(plane) } else { wide_loop::<F2x7, _>(plane) }
            });
        }
        Self { data, samples, planes, count, width, taps: x.taps, out }
    }

    /// Values of one product's planes.
    fn product(&self) -> usize {
        self.planes * self.count * self.width
    }

    /// The patches that the first product's filters see: taps of plane c in column order at c taps.
    fn patches(&self) -> Patches<'_, T> {
        let tap = |i: usize| Tap { plane: i / self.taps, dy: 0, dx: (i % self.taps) as isize };
        let taps = (0..self.planes * self.taps).map(tap).collect();
        let planes = (self.taps + 1) * self.planes;
        let images = Images { data: &self.data, samples: self.samples, planes, height: self.count, width: self.width };
        Patches::new(images, (self.count, self.out.1), taps)
    }
}

/// One plane's transforms, a part of the result for each product.
struct Plane<'a, T> {
    x: Padded<'a, T>,
    plane: usize,
    count: usize,
    width: usize,
    to: Vec<&'a mut [T]>,
}

impl<S: Scheme, T: Real> Loop<S> for Plane<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Self { x: Padded { images, padding, .. }, plane, count, width, mut to } = self;
        // The plane with its border: the rows that the strips see.
        let height = 2 * count + S::TAPS - 1;
        let mut bordered = vec![T::ZERO; height * width];
        let image = &images.data[plane * images.height * images.width..][..images.height * images.width];
        let (cut, left) = ((-padding).max(0) as usize, padding.max(0) as usize);
        let len = images.width.saturating_sub(cut).min(width.saturating_sub(left));
        for (y, row) in bordered.chunks_exact_mut(width).enumerate() {
            let y = y as isize - padding;
            if y >= 0 && y < images.height as isize && len > 0 {
                row[left..left + len].copy_from_slice(&image[y as usize * images.width + cut..][..len]);
            }
        }
        let mut block = [T::ZERO; 8 * LANES];
        for strip in 0..count {
            let rows = &bordered[2 * strip * width..][..S::PRODUCTS * width];
            for at in (0..width).step_by(LANES) {
                // SAFETY: the rows hold whole vectors, as does the block.
                unsafe {
                    let from = (rows.as_ptr().add(at), width as isize);
                    apply::<S, Input, T>(from, (block.as_mut_ptr(), LANES));
                }
                for (to, values) in to.iter_mut().zip(block.chunks_exact(LANES)) {
                    to[strip * width + at..][..LANES].copy_from_slice(values);
                }
            }
        }
    }
}
