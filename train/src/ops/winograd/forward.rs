//! The convolution.

use std::ops::Range;

use rayon::prelude::*;

use super::input::{self, Target};
use super::{Order, PANEL, Planes, Run, Scheme};
use crate::ops::kernel::ROW;
use crate::ops::product::tiles;
use crate::ops::real::{Real, uninit};
use crate::ops::scratch::{Shared, with_scratch};
use crate::ops::simd::{Loop, wide_loop};

/// Bytes of transformed input held at a time: they are written by some tasks and read by others, so the last cache
/// should hold them.
const HELD: usize = 8 << 20;
/// Output channels of one task.
const ROWS: usize = 28;
/// Channels of transformed filters that a task holds, so that they stay in the second-level cache.
const CHANNELS: usize = 128;
/// Panels of one task.
const PANELS: usize = 4;

/// `out[s, m, y, x] = start[m] + sum over planes and taps of filters[m, plane, tap] * input`, the filters in `order`.
///
/// The result is samples x `rows` x height x width of the output. Without `start` the sums start at 0.
pub(in crate::ops) fn forward<S: Scheme, T: Real>(
    planes: &Planes<'_, T, impl Fn(usize) -> (isize, isize) + Sync>,
    filters: &[T],
    order: &Order,
    rows: usize,
    start: Option<&[T]>,
) -> Vec<T> {
    let (grid, width, channels) = (planes.grid::<S>(), T::kernels().width, planes.planes);
    order.check::<S>(rows, channels, filters.len());
    let mut out = uninit(planes.samples * rows * planes.out.0 * planes.out.1);
    let panel = S::PRODUCTS * channels * width;
    let panels = grid.tiles().div_ceil(width);
    let held = (HELD / size_of::<T>() / panel.max(1)).clamp(1, panels.max(1));
    let mut transformed: Vec<T> = uninit(held * panel);
    let to = Shared(out.as_mut_ptr());
    for first in (0..panels).step_by(held) {
        let some = held.min(panels - first);
        let runs: Vec<Vec<Run>> = (0..some).map(|i| grid.runs((first + i) * width, width)).collect();
        let v = Shared(transformed.as_mut_ptr());
        let blocks = channels.div_ceil(16);
        (0..some * blocks).into_par_iter().for_each(|task| {
            let (i, mine) = (task / blocks, task % blocks * 16..(task % blocks * 16 + 16).min(channels));
            let mut block = input::zeros();
            for plane in mine {
                // SAFETY: this plane's row of every product of this panel, which no other task writes.
                unsafe {
                    let start = v.get().add(i * panel + plane * width);
                    let target = Target { start, product: channels * width, width };
                    input::transform::<S, T, _>(planes, plane, &runs[i], &mut block, target);
                }
            }
        });
        let shares: Vec<Range<usize>> = tiles(0..rows, ROWS).collect();
        let groups = some.div_ceil(PANELS);
        (0..shares.len() * groups).into_par_iter().for_each(|task| {
            let (rows_, group) = (shares[task / groups].clone(), task % groups * PANELS);
            let runs = &runs[group..(group + PANELS).min(some)];
            // SAFETY: the panels were written above.
            let v = unsafe { v.get().add(group * panel) };
            let part = Part { channels, rows, size: planes.out, filters, order, mine: rows_, runs, v, out: to };
            part.run::<S>(start);
        });
    }
    out
}

/// Some output channels of some panels.
struct Part<'a, T> {
    channels: usize,
    rows: usize,
    size: (usize, usize),
    filters: &'a [T],
    order: &'a Order,
    mine: Range<usize>,
    runs: &'a [Vec<Run>],
    /// Transformed input: panel, product, channel, tile.
    v: *const T,
    out: Shared<T>,
}

impl<T: Real> Part<'_, T> {
    fn run<S: Scheme>(&self, start: Option<&[T]>) {
        let (kernels, count) = (T::kernels(), self.mine.len());
        let width = kernels.width;
        let zeros = [T::ZERO; ROWS];
        let sizes = [S::PRODUCTS * count * ROW, self.runs.len() * S::PRODUCTS * count * width, 0];
        with_scratch(sizes, |[u, m, _]: [&mut [T]; 3]| {
            for low in (0..self.channels).step_by(CHANNELS) {
                let depth = CHANNELS.min(self.channels - low);
                for (r, row) in self.mine.clone().enumerate() {
                    let (to, product) = (&mut u[r * ROW..], count * ROW);
                    let Self { filters, order, .. } = *self;
                    wide_loop::<S, _>(Filters { filters, order, row, planes: low..low + depth, to, product });
                }
                for product in 0..S::PRODUCTS {
                    for (panel, runs) in self.runs.iter().enumerate() {
                        let n = runs.last().map_or(0, |run| run.at + run.len);
                        let at = panel * S::PRODUCTS + product;
                        for tile in tiles(0..count, kernels.height()) {
                            // SAFETY: `u` holds `depth` steps of `count` rows, `v` the panels, `m` whole panels.
                            unsafe {
                                let a = u.as_ptr().add((product * count + tile.start) * ROW);
                                let b = self.v.add((at * self.channels + low) * width);
                                let c = m.as_mut_ptr().add((at * count + tile.start) * width);
                                let from = if low == 0 { zeros.as_ptr() } else { std::ptr::null() };
                                kernels.tile(tile.len(), n)(depth, a, b, c, width, from);
                            }
                        }
                    }
                }
            }
            for (panel, runs) in self.runs.iter().enumerate() {
                for (r, row) in self.mine.clone().enumerate() {
                    let m = &m[(panel * S::PRODUCTS * count + r) * width..];
                    let first = start.map_or(T::ZERO, |s| s[row]);
                    let mut pixels = [[T::ZERO; 4 * PANEL]; 4];
                    wide_loop::<S, _>(Pixels { m, product: count * width, first, pixels: &mut pixels });
                    for run in runs {
                        self.place::<S>(row, run, &pixels);
                    }
                }
            }
        });
    }

    /// Copies a run's pixels to the result, those beyond its border left out.
    fn place<S: Scheme>(&self, row: usize, run: &Run, pixels: &[[T; 4 * PANEL]; 4]) {
        let (height, width) = self.size;
        let (top, left) = (run.row * S::OUT, run.column * S::OUT);
        let len = (run.len * S::OUT).min(width - left);
        for (i, line) in pixels.iter().enumerate().take(S::OUT.min(height - top)) {
            let at = ((run.sample * self.rows + row) * height + top + i) * width + left;
            // SAFETY: pixels of this task's rows and tiles, inside the result.
            unsafe {
                let from = line.as_ptr().add(run.at * S::OUT);
                std::ptr::copy_nonoverlapping(from, self.out.get().add(at), len);
            }
        }
    }
}

/// G g G^T of one output channel's filters from `planes`; product p of the k-th goes to p `product` + k.
struct Filters<'a, T> {
    filters: &'a [T],
    /// Checked: every tap lies inside.
    order: &'a Order,
    row: usize,
    planes: Range<usize>,
    to: &'a mut [T],
    product: usize,
}

impl<S: Scheme, T: Real> Loop<S> for Filters<'_, T> {
    #[inline(always)]
    fn run(self) {
        const LANES: usize = 16;
        let Self { filters, order, row, planes, to, product } = self;
        for low in (0..planes.len()).step_by(LANES) {
            let mut g = [[T::ZERO; LANES]; 9];
            for k in 0..LANES.min(planes.len() - low) {
                let (at, taps) = order.of(row, planes.start + low + k);
                // SAFETY: `forward` checked that every tap lies inside.
                (0..S::TAPS * S::TAPS).for_each(|tap| g[tap][k] = unsafe { *filters.get_unchecked(at + taps[tap]) });
            }
            let mut columns = [[[T::ZERO; LANES]; 3]; 6];
            for j in 0..S::TAPS {
                for k in 0..LANES {
                    let d = std::array::from_fn(|i| if i < S::TAPS { g[i * S::TAPS + j][k] } else { T::ZERO });
                    let u = S::filter(d);
                    (0..S::SIDE).for_each(|i| columns[i][j][k] = u[i]);
                }
            }
            for i in 0..S::SIDE {
                let mut products = [[T::ZERO; LANES]; 6];
                for k in 0..LANES {
                    let u = S::filter(std::array::from_fn(|j| columns[i][j][k]));
                    (0..S::SIDE).for_each(|j| products[j][k] = u[j]);
                }
                for (j, values) in products.iter().enumerate().take(S::SIDE) {
                    to[(i * S::SIDE + j) * product + low..][..LANES].copy_from_slice(values);
                }
            }
        }
    }
}

/// A^T p A of one output channel's panel, plus `first`: row i of tile t at `pixels[i][t * OUT..]`.
struct Pixels<'a, T> {
    m: &'a [T],
    product: usize,
    first: T,
    pixels: &'a mut [[T; 4 * PANEL]; 4],
}

impl<S: Scheme, T: Real> Loop<S> for Pixels<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Self { m, product, first, pixels } = self;
        const LANES: usize = 16;
        let width = T::kernels().width;
        for low in (0..width).step_by(LANES) {
            let count = LANES.min(width - low);
            let mut columns = [[[T::ZERO; LANES]; 6]; 4];
            for j in 0..S::SIDE {
                let mut p = [[T::ZERO; LANES]; 6];
                for (i, p) in p.iter_mut().enumerate().take(S::SIDE) {
                    p[..count].copy_from_slice(&m[(i * S::SIDE + j) * product + low..][..count]);
                }
                for t in 0..LANES {
                    let y = S::output(std::array::from_fn(|i| p[i][t]));
                    (0..S::OUT).for_each(|i| columns[i][j][t] = y[i]);
                }
            }
            for i in 0..S::OUT {
                let mut y = [[T::ZERO; LANES]; 4];
                for t in 0..LANES {
                    let values = S::output(std::array::from_fn(|j| columns[i][j][t]));
                    (0..S::OUT).for_each(|j| y[j][t] = values[j] + first);
                }
                let line = &mut pixels[i][low * S::OUT..][..LANES * S::OUT];
                for t in 0..LANES {
                    (0..S::OUT).for_each(|j| line[t * S::OUT + j] = y[j][t]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Grid;

    #[test]
    fn runs_cover_the_grid() {
        let grid = Grid { samples: 2, rows: 3, columns: 5 };
        let mut seen = Vec::new();
        for first in (0..grid.tiles()).step_by(8) {
            for run in grid.runs(first, 8) {
                seen.extend((0..run.len).map(|i| (run.sample * 3 + run.row) * 5 + run.column + i));
            }
        }
        assert_eq!(seen, (0..30).collect::<Vec<_>>());
    }
}
