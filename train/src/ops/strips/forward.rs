//! The result of a convolution.

use std::marker::PhantomData;
use std::ops::Range;

use rayon::prelude::*;

use super::schemes::Scheme;
use super::steps::{self, Filter, LANES, Output, apply};
use super::{Filters, Strips};
use crate::ops::kernel::Kernels;
use crate::ops::patches::{Patches, Run};
use crate::ops::product::{Rows, tiles, transpose};
use crate::ops::real::{Real, uninit};
use crate::ops::scratch::{Shared, with_scratch};
use crate::ops::simd::{Loop, wide_loop};

/// Filter taps of one row packed at a time, about.
const DEPTH: usize = 112;
/// Places of a strip in a task, about: the filters are transformed once for all of them.
const PLACES: usize = 240;
/// Tasks below which the places are cut finer.
const TASKS: usize = 8;
/// Least places of a task, about: with fewer, transforming the filters takes longer than the sums.
const FEW_PLACES: usize = 30;

/// See [`Strips::forward`].
pub(super) fn forward<S: Scheme, T: Real, R: Rows<T>>(
    strips: &Strips<T>,
    filters: &Filters<'_, R>,
    start: Option<&[T]>,
) -> Vec<T> {
    let (kernels, rows, patches) = (T::kernels(), filters.count, strips.patches(filters.column));
    let mut out: Vec<T> = uninit(strips.samples * rows * strips.out.0 * strips.out.1);
    let (places, panels) = (patches.columns(), rows.div_ceil(kernels.width));
    if out.is_empty() {
        return out;
    }
    let most = PLACES.min(places.div_ceil(TASKS.div_ceil(panels)).max(FEW_PLACES));
    // Whole rows, where they are not longer than that.
    let chunk = if patches.out_w > most { most } else { most.next_multiple_of(patches.out_w) };
    let chunks = places.div_ceil(chunk);
    let to = Shared(out.as_mut_ptr());
    (0..panels * chunks).into_par_iter().for_each(|task| {
        let (panel, first) = (task / chunks * kernels.width, task % chunks * chunk);
        let runs = patches.runs(first, chunk.min(places - first));
        let mine = panel..(panel + kernels.width).min(rows);
        Part { strips, patches: &patches, kernels, rows, mine, runs, out: to }.run::<S, R>(filters, start);
    });
    out
}

/// One panel of output channels at some places of some strips.
struct Part<'a, T: Real> {
    strips: &'a Strips<T>,
    patches: &'a Patches<'a, T>,
    kernels: &'a Kernels<T>,
    rows: usize,
    mine: Range<usize>,
    runs: Vec<Run>,
    out: Shared<T>,
}

impl<T: Real> Part<'_, T> {
    fn run<S: Scheme, R: Rows<T>>(&self, filters: &Filters<'_, R>, start: Option<&[T]>) {
        let Self { strips, kernels, .. } = self;
        let width = kernels.width;
        let places: usize = self.runs.iter().map(Run::len).sum();
        let planes = (DEPTH / S::TAPS).max(1);
        // Taps of some planes and the row sums of one product, or both rows of output in the end.
        let (area, block) = (S::TAPS * S::TAPS, planes * S::TAPS * width);
        let spare = (planes * area * width).max(2 * places * width);
        with_scratch([spare, S::PRODUCTS * block, S::PRODUCTS * places * width], |[raw, u, sums]: [&mut [T]; 3]| {
            sums.fill(T::ZERO);
            if self.mine.len() < width {
                // The places that no channel takes.
                raw.fill(T::ZERO);
            }
            for low in (0..strips.planes).step_by(planes) {
                let depth = planes.min(strips.planes - low);
                filters.rows.fill_transposed(self.mine.clone(), low * area..(low + depth) * area, raw, width);
                wide_loop::<S, _>(Transform { raw, u, depth, turned: filters.turned, width, block });
                let offsets = &self.patches.offsets()[low * S::TAPS..(low + depth) * S::TAPS];
                for product in 0..S::PRODUCTS {
                    let mut to = sums[product * places * width..].as_mut_ptr();
                    for run in &self.runs {
                        let from = self.patches.pixel(run).wrapping_add(product * strips.product());
                        for tile in tiles(0..run.len(), kernels.height()) {
                            // SAFETY: the patches of every product lie inside the transformed images; `sums` has a row
                            // for each place of the runs.
                            unsafe {
                                let kernel = kernels.sliding(tile.len(), self.mine.len());
                                let u = u.as_ptr().add(product * block);
                                kernel(offsets.len(), from.add(tile.start), offsets.as_ptr(), u, to, width);
                                to = to.add(tile.len() * width);
                            }
                        }
                    }
                }
            }
            let len = places * width;
            wide_loop::<S, _>(steps::Rows { from: (sums, len), to: (raw, len), len, step: PhantomData::<Output> });
            (0..2).for_each(|output| self.write(output, &raw[output * len..], start));
        });
    }

    /// Takes one of the two rows of output of each strip to its place in the result.
    fn write(&self, output: usize, values: &[T], start: Option<&[T]>) {
        let ((height, columns), width) = (self.strips.out, self.kernels.width);
        let mut done = 0;
        for run in &self.runs {
            let (sample, y) = self.strips.place(run);
            let y = y + output;
            if y < height {
                let at = (sample * self.rows + self.mine.start) * height * columns + y * columns + run.x();
                // SAFETY: this task's pixels of its channels of the sample.
                unsafe {
                    let (from, to) = (values[done * width..].as_ptr(), self.out.get().add(at));
                    transpose((run.len(), self.mine.len()), (from, width), (to, height * columns));
                    for (i, start) in start.into_iter().flat_map(|s| &s[self.mine.clone()]).enumerate() {
                        let row = std::slice::from_raw_parts_mut(to.add(i * height * columns), run.len());
                        row.iter_mut().for_each(|v| *v += *start);
                    }
                }
            }
            done += run.len();
        }
    }
}

/// G g of `depth` planes' filters: product p of tap j of plane c at p `block` + (c taps + j) `width`.
struct Transform<'a, T> {
    raw: &'a [T],
    u: &'a mut [T],
    depth: usize,
    turned: bool,
    width: usize,
    block: usize,
}

impl<S: Scheme, T: Real> Loop<S> for Transform<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Self { raw, u, depth, turned, width, block } = self;
        let row = S::TAPS * width;
        assert!(raw.len() >= depth * S::TAPS * row && block >= depth * row && u.len() >= S::PRODUCTS * block);
        for plane in 0..depth {
            for tap in 0..S::TAPS {
                // Turned round, the last row of taps is the first, and so for its taps.
                let (first, down) = if turned { ((S::TAPS - 1) * row, -(row as isize)) } else { (0, row as isize) };
                let from = plane * S::TAPS * row + first + tap * width;
                let to = plane * row + if turned { S::TAPS - 1 - tap } else { tap } * width;
                for at in (0..width).step_by(LANES) {
                    // SAFETY: checked above; a row of taps is a whole number of vectors.
                    unsafe {
                        let (from, to) = (raw.as_ptr().add(from + at), u.as_mut_ptr().add(to + at));
                        apply::<S, Filter, T>((from, down), (to, block));
                    }
                }
            }
        }
    }
}
