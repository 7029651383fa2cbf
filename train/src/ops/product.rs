//! The two matrix products of a convolution: what they cut into tasks, and what they keep in which cache.
//!
//! A task packs a block of each factor into its thread's scratch memory, small enough for the second-level cache, and
//! runs the tile kernel over it. How the work is cut depends on the shapes alone and every sum is added in one order, so
//! results do not depend on the number of threads.

use std::ops::Range;

use rayon::prelude::*;

use super::kernel::{DEPTH, Kernels, MAX_TILE, ROW};
use super::patches::{Patches, Run, SLACK};
use super::real::{Real, uninit};
use super::scratch::{Shared, with_scratch};
use super::simd::prefetch;
use super::sliding;

/// Panels of output pixels of one task.
const PANELS: usize = 16;
/// Rows of the left factor packed at a time.
const ROWS: usize = 252;
/// Tasks below which the rows are shared out too.
const TASKS: usize = 16;
/// Least rows of a task.
const MIN_ROWS: usize = 112;
/// Output channels of the filter gradient summed at a time.
const CHANNELS: usize = 256;

/// The left factor of [`forward`], row by row.
pub(super) trait Rows<T>: Sync {
    /// Writes the values of row `row` from column `first` on.
    fn fill(&self, row: usize, first: usize, out: &mut [T]);
    /// Writes some columns of some rows transposed: column k goes to `out[k * width..]`, its values side by side.
    fn fill_transposed(&self, rows: Range<usize>, columns: Range<usize>, out: &mut [T], width: usize);
    /// Asks for some columns of a row that will be needed soon.
    fn prefetch(&self, row: usize, columns: Range<usize>);
}

/// A stored matrix, row-major, with this many columns.
pub(super) struct Matrix<'a, T>(pub(super) &'a [T], pub(super) usize);

impl<T: Real> Rows<T> for Matrix<'_, T> {
    fn fill(&self, row: usize, first: usize, out: &mut [T]) {
        out.copy_from_slice(&self.0[row * self.1 + first..][..out.len()]);
    }

    fn fill_transposed(&self, rows: Range<usize>, columns: Range<usize>, out: &mut [T], width: usize) {
        let from = &self.0[rows.start * self.1 + columns.start..rows.end.saturating_sub(1) * self.1 + columns.end];
        assert!(rows.len() <= width && out.len() >= columns.len() * width);
        // SAFETY: the slice reaches from the first value to the last; the target holds its columns.
        unsafe { transpose((rows.len(), columns.len()), (from.as_ptr(), self.1), (out.as_mut_ptr(), width)) }
    }

    fn prefetch(&self, row: usize, columns: Range<usize>) {
        prefetch(&self.0[row * self.1..][columns]);
    }
}

/// Cuts `range` into tiles of nearly equal height, at most `most` each.
pub(super) fn tiles(range: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let (len, start) = (range.len(), range.start);
    let count = len.div_ceil(most).max(1);
    (0..count).map(move |i| start + i * len / count..start + (i + 1) * len / count)
}

/// `out[s, m, p] = start[m] + sum over k of a[m, k] * patches[k, (s, p)]`.
///
/// `a` has `rows` rows and as many columns as there are taps; the result is samples x `rows` x pixels. Without `start` the
/// sums start at 0.
pub(super) fn forward<T: Real>(a: &impl Rows<T>, rows: usize, start: Option<&[T]>, patches: Patches<'_, T>) -> Vec<T> {
    if sliding::suits::<T>(rows) {
        return sliding::forward(a, rows, start, &patches.bordered());
    }
    let (patches, kernels) = (&patches.bordered_where_short(), T::kernels());
    let columns = patches.columns();
    let mut out: Vec<T> = uninit(rows * columns);
    let shared = Shared(out.as_mut_ptr());
    let zeros = vec![T::ZERO; rows];
    let start = start.unwrap_or(&zeros);
    assert_eq!(start.len(), rows);
    let chunk = PANELS * kernels.width;
    let chunks = columns.div_ceil(chunk);
    let shares = if chunks == 0 { 1 } else { TASKS.div_ceil(chunks).min(rows.div_ceil(MIN_ROWS)).max(1) };
    (0..chunks * shares).into_par_iter().for_each(|task| {
        let (first, share) = (task / shares * chunk, task % shares);
        let mine = share * rows / shares..(share + 1) * rows / shares;
        let block = Block { patches, kernels, first, columns: chunk.min(columns - first), out: shared, rows };
        block.run(a, mine, start);
    });
    out
}

/// Some columns of the result of [`forward`].
struct Block<'a, T: Real> {
    patches: &'a Patches<'a, T>,
    kernels: &'a Kernels<T>,
    first: usize,
    columns: usize,
    out: Shared<T>,
    rows: usize,
}

impl<T: Real> Block<'_, T> {
    fn run(&self, a: &impl Rows<T>, mine: Range<usize>, start: &[T]) {
        let (taps, width) = (self.patches.taps.len(), self.kernels.width);
        let panels: Vec<(Vec<Run>, usize)> = (0..self.columns)
            .step_by(width)
            .map(|at| (at, width.min(self.columns - at)))
            .map(|(at, n)| (self.patches.runs(self.first + at, n), n))
            .collect();
        let sizes = [ROWS.min(mine.len()) * ROW, panels.len() * width * DEPTH + SLACK, MAX_TILE];
        with_scratch(sizes, |[left, right, tile]: [&mut [T]; 3]| {
            for low in (0..taps.max(1)).step_by(DEPTH) {
                let depth = DEPTH.min(taps - low);
                for (i, (runs, _)) in panels.iter().enumerate() {
                    // SAFETY: the scratch holds `depth` rows of this panel and the slack; what a panel spoils beyond its
                    // end belongs to the next one, which is written later.
                    unsafe {
                        let to = right.as_mut_ptr().add(i * DEPTH * width);
                        self.patches.fill(low..low + depth, runs, to, width);
                    }
                }
                for some in tiles(mine.clone(), ROWS) {
                    for (i, row) in some.clone().enumerate() {
                        a.fill(row, low, &mut left[i * ROW..][..depth]);
                    }
                    for rows in tiles(some.clone(), self.kernels.height()) {
                        let a = left[(rows.start - some.start) * ROW..].as_ptr();
                        for (i, (_, n)) in panels.iter().enumerate() {
                            let b = right[i * DEPTH * width..].as_ptr();
                            self.tile(depth, a, b, rows.clone(), i * width, *n, (low == 0).then_some(start), tile);
                        }
                    }
                }
            }
        });
    }

    /// One tile of the result: rows `rows`, `n` columns from the block's column `at` on.
    fn tile(
        &self,
        depth: usize,
        a: *const T,
        b: *const T,
        rows: Range<usize>,
        at: usize,
        n: usize,
        start: Option<&[T]>,
        tile: &mut [T],
    ) {
        let (pixels, width) = (self.patches.pixels(), self.kernels.width);
        let kernel = self.kernels.tile(rows.len(), n);
        let place = |column: usize| column / pixels * self.rows * pixels + column % pixels;
        let first = self.first + at;
        let zeros = [T::ZERO; MAX_TILE];
        // SAFETY: `a` and `b` point to packed blocks of `depth` steps; C is inside the result, where this task alone
        // writes, or the scratch tile.
        unsafe {
            if n == width && first % pixels + n <= pixels {
                let c = self.out.get().add(place(first) + rows.start * pixels);
                let from = start.map_or(std::ptr::null(), |s| s[rows.clone()].as_ptr());
                return kernel(depth, a, b, c, pixels, from);
            }
            // Part of a panel, or pixels of two samples: through the scratch tile.
            let from = start.map_or(zeros.as_ptr(), |s| s[rows.clone()].as_ptr());
            kernel(depth, a, b, tile.as_mut_ptr(), width, from);
            let mut j = 0;
            while j < n {
                let len = (pixels - (first + j) % pixels).min(n - j);
                for (r, row) in rows.clone().enumerate() {
                    let to = self.out.get().add(place(first + j) + row * pixels);
                    for i in 0..len {
                        let v = tile[r * width + j + i];
                        to.add(i).write(if start.is_some() { v } else { *to.add(i) + v });
                    }
                }
                j += len;
            }
        }
    }
}

/// `out[m, k] = sum over s, p of g[s, m, p] * patches[k, (s, p)]`.
///
/// `g` is samples x `rows` x pixels; the result is `rows` x taps.
pub(super) fn filter_gradient<T: Real>(g: &[T], rows: usize, patches: Patches<'_, T>) -> Vec<T> {
    let patches = &patches.bordered_where_short();
    let (taps, columns) = (patches.taps.len(), patches.columns());
    assert_eq!(g.len(), rows * columns);
    let share = taps.div_ceil(taps.div_ceil(ROWS).max(1)).max(1);
    let shares = taps.div_ceil(share);
    // Few taps: the pixels are shared out too, into partial sums that are added at the end.
    let depths = columns.div_ceil(DEPTH);
    let parts = TASKS.div_ceil(shares.max(1)).min(depths.div_ceil(8)).max(1);
    let mut out: Vec<T> = uninit(parts * rows * taps);
    let shared = Shared(out.as_mut_ptr());
    (0..shares * parts).into_par_iter().for_each(|task| {
        let (share_index, part) = (task % shares, task / shares);
        let mine = share_index * share..((share_index + 1) * share).min(taps);
        let pixels = part * depths / parts * DEPTH..((part + 1) * depths / parts * DEPTH).min(columns);
        for channels in tiles(0..rows, CHANNELS) {
            // SAFETY: every task has its own taps of its own part.
            let to = Shared(unsafe { shared.get().add(part * rows * taps) });
            filter_block(g, rows, patches, mine.clone(), pixels.clone(), channels, to);
        }
    });
    if parts > 1 {
        let (sum, others) = out.split_at_mut(rows * taps);
        for other in others.chunks_exact(rows * taps) {
            sum.iter_mut().zip(other).for_each(|(s, o)| *s += *o);
        }
        out.truncate(rows * taps);
    }
    out
}

/// The filter gradient of some taps and output channels, summed over some columns, written to `out` (rows x taps).
fn filter_block<T: Real>(
    g: &[T],
    rows: usize,
    patches: &Patches<'_, T>,
    taps: Range<usize>,
    columns: Range<usize>,
    channels: Range<usize>,
    out: Shared<T>,
) {
    let kernels = T::kernels();
    let (width, pixels) = (kernels.width, patches.pixels());
    let panels = channels.len().div_ceil(width);
    let sums_row = panels * width;
    let sizes = [taps.len() * ROW + SLACK, panels * DEPTH * width, taps.len() * sums_row];
    with_scratch(sizes, |[left, right, sums]: [&mut [T]; 3]| {
        sums.fill(T::ZERO);
        for first in columns.clone().step_by(DEPTH) {
            let depth = DEPTH.min(columns.end - first);
            let runs = patches.runs(first, depth);
            // SAFETY: the scratch holds the rows and the slack; what a row spoils is written later or not read.
            unsafe { patches.fill(taps.clone(), &runs, left.as_mut_ptr(), ROW) };
            let source = |channel: usize, column: usize| (column / pixels * rows + channel) * pixels + column % pixels;
            pack_transposed(g, source, channels.clone(), first..first + depth, pixels, width, right);
            for tile in tiles(0..taps.len(), kernels.height()) {
                for panel in 0..panels {
                    let n = width.min(channels.len() - panel * width);
                    // SAFETY: the packed blocks hold `depth` steps; `sums` whole panels.
                    unsafe {
                        let (a, b) = (left.as_ptr().add(tile.start * ROW), right.as_ptr().add(panel * DEPTH * width));
                        let c = sums.as_mut_ptr().add(tile.start * sums_row + panel * width);
                        kernels.tile(tile.len(), n)(depth, a, b, c, sums_row, std::ptr::null());
                    }
                }
            }
        }
        // SAFETY: this task's taps of these channels.
        unsafe {
            let to = out.get().add(channels.start * patches.taps.len() + taps.start);
            transpose((taps.len(), channels.len()), (sums.as_ptr(), sums_row), (to, patches.taps.len()));
        }
    });
}

/// Packs `g`'s channels at some columns as panels of `width` channels, channels side by side.
fn pack_transposed<T: Real>(
    g: &[T],
    source: impl Fn(usize, usize) -> usize,
    channels: Range<usize>,
    columns: Range<usize>,
    pixels: usize,
    width: usize,
    to: &mut [T],
) {
    for (panel, low) in channels.clone().step_by(width).enumerate() {
        let to = &mut to[panel * DEPTH * width..][..DEPTH * width];
        let n = width.min(channels.end - low);
        let mut column = columns.start;
        while column < columns.end {
            let len = (pixels - column % pixels).min(columns.end - column);
            let at = (column - columns.start) * width;
            // SAFETY: `len` pixels of `n` channels of one sample, and as many steps of the panel.
            unsafe {
                let (from, to) = (g.as_ptr().add(source(low, column)), to.as_mut_ptr().add(at));
                transpose((n, len), (from, pixels), (to, width));
            }
            for row in to[at..at + len * width].chunks_exact_mut(width) {
                row[n..].fill(T::ZERO);
            }
            column += len;
        }
    }
}

/// Writes a matrix of these extents transposed; pointers with their row distances.
///
/// # Safety
/// The pointers must be valid for both matrices, which must not overlap.
pub(super) unsafe fn transpose<T: Real>((rows, columns): (usize, usize), from: (*const T, usize), to: (*mut T, usize)) {
    const SIDE: usize = 16;
    if columns == 1 && from.1 == 1 {
        // SAFETY: one column, whose values lie side by side in both.
        return unsafe { std::ptr::copy_nonoverlapping(from.0, to.0, rows) };
    }
    for r in (0..rows).step_by(SIDE) {
        for c in (0..columns).step_by(SIDE) {
            let size = (SIDE.min(rows - r), SIDE.min(columns - c));
            // SAFETY: the block lies inside both matrices.
            unsafe {
                let (source, target) = (from.0.add(r * from.1 + c), to.0.add(c * to.1 + r));
                // A call for a few values would take longer than the values.
                if size.0 * size.1 >= 2 * SIDE && T::transpose16(size, (source, from.1), (target, to.1)) {
                    continue;
                }
                for i in 0..size.0 {
                    for j in 0..size.1 {
                        *target.add(j * to.1 + i) = *source.add(i * from.1 + j);
                    }
                }
            }
        }
    }
}
