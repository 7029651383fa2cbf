//! The product of filters and patches with the output channels side by side in vectors.
//!
//! A patch's values are read where they are, in the image: under filter tap k the pixels of a row of output see values
//! that lie side by side, and each of them is spread over a vector of output channels. Nothing but the filters is ever
//! packed. How the work is cut depends on the shapes alone and every sum is added in one order, so results do not depend
//! on the number of threads.

use std::ops::Range;

use rayon::prelude::*;

use super::kernel::Kernels;
use super::patches::{Patches, Run};
use super::product::{Rows, tiles, transpose};
use super::real::{Real, uninit};
use super::scratch::{Shared, with_scratch};

/// Filter taps packed at a time: with the values under them they fit the first-level cache.
const DEPTH: usize = 256;
/// Pixels of a task, about: the filters are packed once for all of them, and their sums stay in the second-level cache.
const PIXELS: usize = 480;
/// Tasks below which the pixels are cut finer.
const TASKS: usize = 8;
/// Least pixels of a task, about: with fewer, packing the filters takes longer than the sums.
const FEW_PIXELS: usize = 60;

/// Whether output channels side by side leave few places of a vector empty.
pub(super) fn suits<T: Real>(rows: usize) -> bool {
    4 * rows >= 3 * rows.next_multiple_of(T::kernels().width / 2)
}

/// As [`super::product::forward`], of patches that lie inside their images.
pub(super) fn forward<T: Real>(a: &impl Rows<T>, rows: usize, start: Option<&[T]>, patches: &Patches<'_, T>) -> Vec<T> {
    let (kernels, columns) = (T::kernels(), patches.columns());
    let mut out: Vec<T> = uninit(rows * columns);
    if out.is_empty() {
        return out;
    }
    let panels = rows.div_ceil(kernels.width);
    let pixels = PIXELS.min(columns.div_ceil(TASKS.div_ceil(panels)).max(FEW_PIXELS));
    // Whole rows of output, where they are not longer than that.
    let chunk = if patches.out_w > pixels { pixels } else { pixels.next_multiple_of(patches.out_w) };
    let chunks = columns.div_ceil(chunk);
    let to = Shared(out.as_mut_ptr());
    (0..panels * chunks).into_par_iter().for_each(|task| {
        let (panel, first) = (task / chunks * kernels.width, task % chunks * chunk);
        let part = Part {
            patches,
            kernels,
            rows,
            mine: panel..(panel + kernels.width).min(rows),
            first,
            runs: patches.runs(first, chunk.min(columns - first)),
            out: to,
        };
        part.run(a, start);
    });
    out
}

/// One panel of output channels at some pixels.
struct Part<'a, T: Real> {
    patches: &'a Patches<'a, T>,
    kernels: &'a Kernels<T>,
    rows: usize,
    mine: Range<usize>,
    first: usize,
    runs: Vec<Run>,
    out: Shared<T>,
}

impl<T: Real> Part<'_, T> {
    fn run(&self, a: &impl Rows<T>, start: Option<&[T]>) {
        let (offsets, width) = (self.patches.offsets(), self.kernels.width);
        let pixels: usize = self.runs.iter().map(Run::len).sum();
        with_scratch([DEPTH * width, pixels * width, 0], |[filters, sums, _]: [&mut [T]; 3]| {
            filters.fill(T::ZERO);
            sums.fill(T::ZERO);
            if let Some(start) = start {
                for pixel in sums.chunks_exact_mut(width) {
                    pixel[..self.mine.len()].copy_from_slice(&start[self.mine.clone()]);
                }
            }
            for (block, offsets) in offsets.chunks(DEPTH).enumerate() {
                let low = block * DEPTH;
                a.fill_transposed(self.mine.clone(), low..low + offsets.len(), filters, width);
                let mut to = sums.as_mut_ptr();
                let next = low + offsets.len()..(low + 2 * DEPTH).min(self.patches.taps.len());
                for (i, run) in self.runs.iter().enumerate() {
                    for row in
                        tiles(self.mine.clone(), self.mine.len().div_ceil(self.runs.len())).nth(i).unwrap_or(0..0)
                    {
                        a.prefetch(row, next.clone());
                    }
                    let from = self.patches.pixel(run);
                    for tile in tiles(0..run.len(), self.kernels.height()) {
                        // SAFETY: the patches lie inside their images; `sums` has a row for each pixel of the runs.
                        unsafe {
                            let kernel = self.kernels.sliding(tile.len(), self.mine.len());
                            kernel(offsets.len(), from.add(tile.start), offsets.as_ptr(), filters.as_ptr(), to, width);
                            to = to.add(tile.len() * width);
                        }
                    }
                }
            }
            self.write(sums, pixels);
        });
    }

    /// Takes the sums to their place in the result: a row for each channel of each sample.
    fn write(&self, sums: &[T], pixels: usize) {
        let (area, width) = (self.patches.pixels(), self.kernels.width);
        let mut done = 0;
        while done < pixels {
            let (sample, pixel) = ((self.first + done) / area, (self.first + done) % area);
            let len = (area - pixel).min(pixels - done);
            let at = (sample * self.rows + self.mine.start) * area + pixel;
            // SAFETY: this task's pixels of its channels of the sample.
            unsafe {
                let from = sums[done * width..].as_ptr();
                transpose((len, self.mine.len()), (from, width), (self.out.get().add(at), area));
            }
            done += len;
        }
    }
}
