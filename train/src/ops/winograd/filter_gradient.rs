//! The gradient of the filters: the adjoint of the convolution, seen as a map of its filters.
//!
//! With V the transformed input and P = A g A^T the output's gradient taken through the adjoint of the last transform, the
//! gradient of the transformed filters is, product by product, the sum over all tiles of P V^T; G^T . G takes it back.

use std::ops::Range;

use rayon::prelude::*;

use super::input::{self, Target};
use super::{Grid, Order, PANEL, Planes, Run, Scheme};
use crate::ops::kernel::{DEPTH, ROW};
use crate::ops::product::{tiles, transpose};
use crate::ops::real::{Real, uninit};
use crate::ops::scratch::{Shared, with_scratch};
use crate::ops::simd::{Loop, wide_loop};

/// Planes of one task.
const ROWS: usize = 56;

/// Writes `out[m, plane, tap]`, in `order`: the sum over samples and pixels of `g[s, m]` times the input under the tap.
///
/// `g` is samples x `rows` x height x width of the output.
pub(in crate::ops) fn filter_gradient<S: Scheme, T: Real>(
    planes: &Planes<'_, T, impl Fn(usize) -> (isize, isize) + Sync>,
    g: &[T],
    order: &Order,
    rows: usize,
    out: &mut [T],
) {
    let (grid, width, channels) = (planes.grid::<S>(), T::kernels().width, planes.planes);
    assert_eq!(g.len(), rows * planes.samples * planes.out.0 * planes.out.1);
    order.check::<S>(rows, channels, out.len());
    let (tiles_, panels) = (grid.tiles(), rows.div_ceil(width));
    if tiles_ == 0 {
        return out.fill(T::ZERO);
    }
    let gradient = Gradient { data: g, rows, size: planes.out, grid };
    let mut v: Vec<T> = uninit(S::PRODUCTS * channels * ROW);
    let mut p: Vec<T> = uninit(panels * S::PRODUCTS * DEPTH * width);
    let shares: Vec<Range<usize>> = tiles(0..channels, ROWS).collect();
    // The sums of all tasks where there are several passes; one pass keeps them in the tasks' own memory.
    let passes = tiles_.div_ceil(DEPTH);
    let mut sums: Vec<T> = if passes > 1 { uninit(S::PRODUCTS * channels * panels * width) } else { Vec::new() };
    let (out, sums) = (Shared(out.as_mut_ptr()), Shared(sums.as_mut_ptr()));
    for pass in 0..passes {
        let first = pass * DEPTH;
        let depth = DEPTH.min(tiles_ - first);
        let runs: Vec<Vec<Run>> = (0..depth).step_by(width).map(|at| grid.runs(first + at, width)).collect();
        let (v, p) = (Shared(v.as_mut_ptr()), Shared(p.as_mut_ptr()));
        let blocks = channels.div_ceil(8);
        (0..blocks + panels * runs.len()).into_par_iter().for_each(|task| {
            if let Some(task) = task.checked_sub(blocks) {
                let (panel, i) = (task / runs.len(), task % runs.len());
                // SAFETY: `width` steps of every product of this panel.
                let to = unsafe { p.get().add((panel * S::PRODUCTS * DEPTH + i * width) * width) };
                return gradient.panel::<S>(panel * width, &runs[i], to);
            }
            let mut block = input::zeros();
            for plane in task * 8..(task * 8 + 8).min(channels) {
                for (i, runs) in runs.iter().enumerate() {
                    // SAFETY: part of this plane's row of every product.
                    unsafe {
                        let start = v.get().add(plane * ROW + i * width);
                        let target = Target { start, product: channels * ROW, width };
                        input::transform::<S, T, _>(planes, plane, runs, &mut block, target);
                    }
                }
            }
        });
        (0..shares.len() * panels).into_par_iter().for_each(|task| {
            let (mine, panel) = (shares[task / panels].clone(), task % panels);
            let sum = Sum { channels, mine: mine.clone(), depth, first: pass == 0, v, p, panel };
            let finish = |sums: *const T| {
                for (r, plane) in mine.clone().enumerate() {
                    // SAFETY: all products of this plane.
                    let sums = unsafe { sums.add(r * width) };
                    let rows = panel * width..rows.min(panel * width + width);
                    wide_loop::<S, _>(Taps { sums, product: mine.len() * width, order, plane, rows, out });
                }
            };
            if passes == 1 {
                let len = S::PRODUCTS * mine.len() * width;
                return with_scratch([len, 0, 0], |[own, ..]: [&mut [T]; 3]| {
                    sum.run::<S>(own.as_mut_ptr());
                    finish(own.as_ptr());
                });
            }
            // SAFETY: the shares lie one after the other, each for all panels.
            let own = unsafe { sums.get().add(S::PRODUCTS * width * (mine.start * panels + mine.len() * panel)) };
            sum.run::<S>(own);
            if pass + 1 == passes {
                finish(own);
            }
        });
    }
}

/// The sums of some planes times one panel of output channels over the tiles of a pass.
struct Sum<T> {
    channels: usize,
    mine: Range<usize>,
    depth: usize,
    first: bool,
    /// Transformed input: product, plane, tile.
    v: Shared<T>,
    /// Transformed gradient: panel, product, tile, output channel.
    p: Shared<T>,
    panel: usize,
}

impl<T: Real> Sum<T> {
    /// Adds to `sums` (product, plane, output channel), or sets them.
    fn run<S: Scheme>(&self, sums: *mut T) {
        let kernels = T::kernels();
        let (width, zeros) = (kernels.width, [T::ZERO; ROWS]);
        let from = if self.first { zeros.as_ptr() } else { std::ptr::null() };
        for product in 0..S::PRODUCTS {
            for tile in tiles(0..self.mine.len(), kernels.height()) {
                // SAFETY: rows of `depth` tiles, panels of as many steps, whole panels of sums.
                unsafe {
                    let a = self.v.get().add((product * self.channels + self.mine.start + tile.start) * ROW);
                    let b = self.p.get().add((self.panel * S::PRODUCTS + product) * DEPTH * width);
                    let c = sums.add((product * self.mine.len() + tile.start) * width);
                    kernels.tile(tile.len(), width)(self.depth, a, b, c, width, from);
                }
            }
        }
    }
}

/// The gradient of the output.
struct Gradient<'a, T> {
    data: &'a [T],
    rows: usize,
    size: (usize, usize),
    grid: Grid,
}

impl<T: Real> Gradient<'_, T> {
    /// Writes A g A^T of a panel's output channels, from `first` on, at the tiles of `runs`: product, tile, channel.
    fn panel<S: Scheme>(&self, first: usize, runs: &[Run], to: *mut T) {
        debug_assert!(self.grid.columns > 0);
        let width = T::kernels().width;
        let product = PANEL * PANEL;
        with_scratch([S::PRODUCTS * product, 0, 0], |[transformed, ..]: [&mut [T]; 3]| {
            let mut block = input::zeros();
            for channel in 0..width {
                if first + channel >= self.rows {
                    (0..S::PRODUCTS).for_each(|p| transformed[p * product + channel * PANEL..][..width].fill(T::ZERO));
                    continue;
                }
                for run in runs {
                    self.gather::<S>(first + channel, run, &mut block);
                }
                wide_loop::<S, _>(Adjoint { block: &block, to: &mut transformed[channel * PANEL..] });
            }
            for p in 0..S::PRODUCTS {
                // SAFETY: `width` channels of `width` tiles each way.
                unsafe {
                    let from = transformed.as_ptr().add(p * product);
                    transpose((width, width), (from, PANEL), (to.add(p * DEPTH * width), width));
                }
            }
        });
    }

    /// The pixels of a run's tiles, zeros beyond the border.
    fn gather<S: Scheme>(&self, row: usize, run: &Run, block: &mut input::Block<T>) {
        let (height, width) = self.size;
        let (top, left) = (run.row * S::OUT, run.column * S::OUT);
        let len = (run.len * S::OUT).min(width - left);
        let mut line = [T::ZERO; PANEL * 4];
        for i in 0..S::OUT {
            if top + i < height {
                let at = ((run.sample * self.rows + row) * height + top + i) * width + left;
                line[..len].copy_from_slice(&self.data[at..][..len]);
            } else {
                line.fill(T::ZERO);
            }
            for j in 0..S::OUT {
                let to = &mut block[i * S::OUT + j][run.at..run.at + run.len];
                to.iter_mut().zip(line[j..].iter().step_by(S::OUT)).for_each(|(to, v)| *to = *v);
            }
        }
    }
}

/// A g A^T of a panel; product p of tile t goes to p `PANEL`^2 + t.
struct Adjoint<'a, T> {
    block: &'a input::Block<T>,
    to: &'a mut [T],
}

impl<S: Scheme, T: Real> Loop<S> for Adjoint<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Self { block, to } = self;
        let mut columns = [[[T::ZERO; PANEL]; 4]; 6];
        for j in 0..S::OUT {
            for t in 0..PANEL {
                let y = std::array::from_fn(|i| if i < S::OUT { block[i * S::OUT + j][t] } else { T::ZERO });
                let p = S::output_adjoint(y);
                (0..S::SIDE).for_each(|i| columns[i][j][t] = p[i]);
            }
        }
        for i in 0..S::SIDE {
            let mut products = [[T::ZERO; PANEL]; 6];
            for t in 0..PANEL {
                let p = S::output_adjoint(std::array::from_fn(|j| columns[i][j][t]));
                (0..S::SIDE).for_each(|j| products[j][t] = p[j]);
            }
            for (j, values) in products.iter().enumerate().take(S::SIDE) {
                to[(i * S::SIDE + j) * PANEL * PANEL..][..PANEL].copy_from_slice(values);
            }
        }
    }
}

/// G^T u G of one plane's filters to a panel of output channels; product p of channel m is at p `product` + m.
struct Taps<'a, T> {
    sums: *const T,
    product: usize,
    /// Checked: every tap lies inside `out`.
    order: &'a Order,
    plane: usize,
    rows: Range<usize>,
    out: Shared<T>,
}

impl<S: Scheme, T: Real> Loop<S> for Taps<'_, T> {
    #[inline(always)]
    fn run(self) {
        const LANES: usize = 16;
        let Self { sums, product, order, plane, rows, out } = self;
        for low in (0..rows.len()).step_by(LANES) {
            let count = LANES.min(T::kernels().width - low);
            let mut columns = [[[T::ZERO; LANES]; 6]; 3];
            for j in 0..S::SIDE {
                let mut u = [[T::ZERO; LANES]; 6];
                for (i, u) in u.iter_mut().enumerate().take(S::SIDE) {
                    // SAFETY: the caller holds all products of a panel.
                    let from =
                        unsafe { std::slice::from_raw_parts(sums.add((i * S::SIDE + j) * product + low), count) };
                    u[..count].copy_from_slice(from);
                }
                for m in 0..LANES {
                    let g = S::filter_adjoint(std::array::from_fn(|i| u[i][m]));
                    (0..S::TAPS).for_each(|i| columns[i][j][m] = g[i]);
                }
            }
            let mut g = [[T::ZERO; LANES]; 9];
            for i in 0..S::TAPS {
                for m in 0..LANES {
                    let row = S::filter_adjoint(std::array::from_fn(|j| columns[i][j][m]));
                    (0..S::TAPS).for_each(|j| g[i * S::TAPS + j][m] = row[j]);
                }
            }
            for m in 0..LANES.min(rows.len() - low) {
                let (at, taps) = order.of(rows.start + low + m, plane);
                for tap in 0..S::TAPS * S::TAPS {
                    // SAFETY: `filter_gradient` checked that every tap lies inside; this task alone has this filter.
                    unsafe { out.get().add(at + taps[tap]).write(g[tap][m]) };
                }
            }
        }
    }
}
