//! Small convolutions with fewer multiplications than taps.
//!
//! The output is cut into tiles. Tile by tile and channel by channel the input is transformed (see [`schemes`]); for each
//! of a tile's products over the channels there is one matrix product between transformed filters and transformed input;
//! its columns are transformed back into pixels. F(4 x 4, 3 x 3) takes 36 multiplications for 16 pixels instead of 144,
//! F(3 x 3, 2 x 2) 16 for 9 instead of 36. The filters' gradient is the adjoint of the same map.
//!
//! Sums are rounded differently from the plain ones (errors grow by about ten), and infinity meets values that it would
//! not meet otherwise: callers take this way in `f32` alone, and only where [`pays`] and [`tame`] agree.

mod filter_gradient;
mod forward;
mod input;
mod schemes;

use candle_core::DType;
use rayon::prelude::*;

use super::real::Real;
use super::simd::wide;

pub(super) use filter_gradient::filter_gradient;
pub(super) use forward::forward;
pub(super) use schemes::{F3x2, F4x3, Scheme};

/// Most tiles of a panel, the columns of the widest kernel.
const PANEL: usize = 32;

/// A batch of images under filters that step one pixel.
pub(super) struct Planes<'a, T, O> {
    /// `samples` x `planes` x `height` x `width` values.
    pub(super) data: &'a [T],
    pub(super) samples: usize,
    pub(super) planes: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    /// Row and column of each plane that the first tap sees at output pixel (0, 0); outside the image there are zeros.
    pub(super) origin: O,
    /// Height and width of the output.
    pub(super) out: (usize, usize),
}

/// Where the filters lie: tap t of the filter from plane c to output channel m at
/// `m * row + c / taps.len() * plane + taps[c % taps.len()][t]`.
pub(super) struct Order {
    pub(super) row: usize,
    pub(super) plane: usize,
    pub(super) taps: Vec<[usize; 9]>,
}

impl Order {
    #[inline(always)]
    fn of(&self, row: usize, plane: usize) -> (usize, &[usize; 9]) {
        let kinds = self.taps.len();
        (row * self.row + plane / kinds * self.plane, &self.taps[plane % kinds])
    }

    /// Panics unless every tap of these filters lies below `len`.
    fn check<S: Scheme>(&self, rows: usize, planes: usize, len: usize) {
        let last = self.taps.iter().flat_map(|taps| &taps[..S::TAPS * S::TAPS]).max();
        if rows > 0 && planes > 0 {
            let first = (rows - 1) * self.row + (planes - 1) / self.taps.len() * self.plane;
            assert!(last.is_some_and(|last| first + last < len), "filters beyond their memory");
        }
    }
}

impl<T, O> Planes<'_, T, O> {
    fn grid<S: Scheme>(&self) -> Grid {
        let (height, width) = self.out;
        Grid { samples: self.samples, rows: height.div_ceil(S::OUT), columns: width.div_ceil(S::OUT) }
    }
}

/// The tiles of a batch, counted along rows, then columns, then samples.
#[derive(Clone, Copy)]
struct Grid {
    samples: usize,
    rows: usize,
    columns: usize,
}

/// Tiles that lie side by side.
#[derive(Clone, Copy)]
struct Run {
    sample: usize,
    row: usize,
    column: usize,
    /// Tiles from the first of the panel.
    at: usize,
    len: usize,
}

impl Grid {
    fn tiles(self) -> usize {
        self.samples * self.rows * self.columns
    }

    /// The runs of up to `most` tiles from `first` on.
    fn runs(self, first: usize, most: usize) -> Vec<Run> {
        let (mut runs, mut at) = (Vec::new(), 0);
        let count = most.min(self.tiles() - first);
        while at < count {
            let (line, column) = ((first + at) / self.columns, (first + at) % self.columns);
            let len = (self.columns - column).min(count - at);
            runs.push(Run { sample: line / self.rows, row: line % self.rows, column, at, len });
            at += len;
        }
        runs
    }
}

/// Whether the way through transforms is the shorter one for `n` images, `c` channels to `rows`, of this output: it must
/// save about half of the multiplications, the transforms themselves and their memory being the other side.
pub(super) fn pays<S: Scheme, T: Real>(n: usize, c: usize, rows: usize, (height, width): (usize, usize)) -> bool {
    let tiles = n * height.div_ceil(S::OUT) * width.div_ceil(S::OUT);
    let columns = tiles.next_multiple_of(T::kernels().width / 2);
    T::DTYPE == DType::F32
        && c.min(rows) >= LEAST_CHANNELS
        && S::GAIN * S::PRODUCTS * columns <= 10 * S::TAPS * S::TAPS * n * height * width
}

/// Channels below which the transforms cost more than the products save.
const LEAST_CHANNELS: usize = 24;

/// Whether all values are finite and so small that no transform of them overflows.
pub(super) fn tame<T: Real>(values: &[T]) -> bool {
    values.par_chunks(1 << 16).all(|part| wide(tame_part, part))
}

#[inline(always)]
fn tame_part<T: Real>(values: &[T]) -> bool {
    let limit = T::down(1e15);
    // Counted side by side instead of left at the first, so that it runs in vectors; a NaN is below nothing.
    let tame = |v: T| u32::from(v < limit) & u32::from(v > T::ZERO - limit);
    let mut counts = [0; 16];
    let blocks = values.chunks_exact(counts.len());
    let rest: u32 = blocks.remainder().iter().map(|v| tame(*v)).sum();
    for block in blocks {
        counts.iter_mut().zip(block).for_each(|(count, v)| *count += tame(*v));
    }
    (rest + counts.iter().sum::<u32>()) as usize == values.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: usize, seed: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 7919 + seed * 104_729) % 1013) as f64 / 506.0 - 1.0).collect()
    }

    /// Both products against plain sums, with origins that differ from plane to plane and sizes that leave part tiles.
    fn check<S: Scheme>(n: usize, c: usize, rows: usize, (height, width): (usize, usize)) {
        let origin = |plane: usize| if plane.is_multiple_of(2) { (-1, -1) } else { (0, -1) };
        let out = (height + 1 - S::TAPS + 1, width + 2 - S::TAPS + 1);
        let x = values(n * c * height * width, 1);
        let area = S::TAPS * S::TAPS;
        let filters = values(rows * c.next_multiple_of(2) * area, 2);
        // Turned round, and two kinds of planes.
        let taps = |kind: usize| std::array::from_fn(|tap| kind * area + (area - 1).saturating_sub(tap));
        let order = Order { row: c.next_multiple_of(2) * area, plane: 2 * area, taps: vec![taps(0), taps(1)] };
        let index = |row: usize, plane: usize, tap: usize| {
            let (at, taps) = order.of(row, plane);
            at + taps[tap]
        };
        let at = |sample: usize, plane: usize, y: usize, x_: usize, tap: usize| {
            let (top, left) = origin(plane);
            let (y, x_) = ((y + tap / S::TAPS) as isize + top, (x_ + tap % S::TAPS) as isize + left);
            let inside = (0..height as isize).contains(&y) && (0..width as isize).contains(&x_);
            if inside { x[((sample * c + plane) * height + y as usize) * width + x_ as usize] } else { 0.0 }
        };
        let planes = Planes { data: &x, samples: n, planes: c, height, width, origin, out };
        let start = values(rows, 3);
        let found = forward::<S, f64>(&planes, &filters, &order, rows, Some(&start));
        let g = values(n * rows * out.0 * out.1, 4);
        let mut gradient = vec![0.0; filters.len()];
        filter_gradient::<S, f64>(&planes, &g, &order, rows, &mut gradient);
        let pixel = |s: usize, row: usize, y: usize, x: usize| ((s * rows + row) * out.0 + y) * out.1 + x;
        let mut expected = vec![0.0; filters.len()];
        for (s, row, y, x) in places(n, rows, out.0, out.1) {
            let mut sum = start[row];
            for plane in 0..c {
                for tap in 0..area {
                    sum += filters[index(row, plane, tap)] * at(s, plane, y, x, tap);
                    expected[index(row, plane, tap)] += g[pixel(s, row, y, x)] * at(s, plane, y, x, tap);
                }
            }
            let found = found[pixel(s, row, y, x)];
            assert!((found - sum).abs() < 1e-10, "output {s} {row} {y} {x}: {found} instead of {sum}");
        }
        for (found, expected) in gradient.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "gradient {found} instead of {expected}");
        }
    }

    /// Every sample, row and pixel.
    fn places(n: usize, rows: usize, h: usize, w: usize) -> impl Iterator<Item = (usize, usize, usize, usize)> {
        (0..n * rows * h * w).map(move |i| (i / (rows * h * w), i / (h * w) % rows, i / w % h, i % w))
    }

    #[test]
    fn products_are_the_plain_sums() {
        check::<F4x3>(2, 3, 5, (7, 10));
        check::<F4x3>(1, 150, 33, (9, 5));
        check::<F3x2>(1, 2, 40, (6, 21));
        check::<F3x2>(3, 17, 4, (5, 3));
        // More tiles than one pass takes.
        check::<F4x3>(1, 2, 3, (61, 90));
    }

    #[test]
    fn tame_values() {
        let mut values = vec![1f32; 100_000];
        assert!(tame(&values));
        for hostile in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e16, -1e16] {
            values[70_000] = hostile;
            assert!(!tame(&values), "{hostile}");
        }
    }
}
