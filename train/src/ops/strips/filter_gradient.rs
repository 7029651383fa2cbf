//! The gradient of a convolution's filters: the adjoint of [`super::forward`].

use std::marker::PhantomData;
use std::ops::Range;

use rayon::prelude::*;

use super::Strips;
use super::schemes::Scheme;
use super::steps::{FilterAdjoint, OutputAdjoint, Rows};
use crate::ops::patches::Patches;
use crate::ops::product::{tiles, transpose};
use crate::ops::real::{Real, uninit};
use crate::ops::scratch::{Shared, with_scratch};
use crate::ops::simd::wide_loop;

/// Places of strips summed at a time.
const PLACES: usize = 96;
/// Tasks that the channels are cut into, at least.
const TASKS: usize = 16;
/// Most input channels of a task: their sums stay in the second-level cache.
const CHANNELS: usize = 16;
/// Least input channels of a task: with fewer, transforming the gradient takes longer than the sums.
const FEW_CHANNELS: usize = 8;

/// See [`Strips::filter_gradient`].
pub(super) fn filter_gradient<S: Scheme, T: Real>(strips: &Strips<T>, g: &[T], rows: usize) -> Vec<T> {
    assert_eq!(g.len(), strips.samples * rows * strips.out.0 * strips.out.1);
    let patches = strips.patches(0);
    let width = T::kernels().width;
    let panels = rows.div_ceil(width);
    let share = strips.planes.div_ceil(TASKS.div_ceil(panels)).clamp(FEW_CHANNELS, CHANNELS);
    let shares = strips.planes.div_ceil(share);
    let mut out: Vec<T> = uninit(rows * strips.planes * S::TAPS * S::TAPS);
    let to = Shared(out.as_mut_ptr());
    (0..panels * shares).into_par_iter().for_each(|task| {
        let (panel, first) = (task / shares * width, task % shares * share);
        let mine = panel..(panel + width).min(rows);
        let planes = first..(first + share).min(strips.planes);
        Part { strips, patches: &patches, g, rows, mine, planes, out: to }.run::<S>();
    });
    out
}

/// The filters from some planes to one panel of output channels.
struct Part<'a, T: Real> {
    strips: &'a Strips<T>,
    patches: &'a Patches<'a, T>,
    g: &'a [T],
    rows: usize,
    mine: Range<usize>,
    planes: Range<usize>,
    out: Shared<T>,
}

impl<T: Real> Part<'_, T> {
    fn run<S: Scheme>(&self) {
        let (strips, kernels) = (self.strips, T::kernels());
        let width = kernels.width;
        // Sums by plane, product, tap of the row, output channel; the gradient by row of output or product, and place.
        let (row, block) = (S::TAPS * width, PLACES * width);
        let sizes = [self.planes.len() * S::PRODUCTS * row, (2 + S::PRODUCTS) * block, S::TAPS * row];
        with_scratch(sizes, |[sums, gradient, filter]: [&mut [T]; 3]| {
            sums.fill(T::ZERO);
            gradient.fill(T::ZERO);
            let places = self.patches.columns();
            for first in (0..places).step_by(PLACES) {
                let count = PLACES.min(places - first);
                let (pixels, products) = gradient.split_at_mut(2 * block);
                let offsets = self.gather(first, count, pixels);
                let (from, to) = ((&*pixels, block), (&mut *products, block));
                wide_loop::<S, _>(Rows { from, to, len: count * width, step: PhantomData::<OutputAdjoint> });
                for plane in self.planes.clone() {
                    for product in 0..S::PRODUCTS {
                        // SAFETY: the places' patches lie inside the transformed images; `sums` has the plane's rows.
                        unsafe {
                            let at = product * strips.product() + plane * strips.width;
                            let a = strips.data.as_ptr().add(at);
                            let c = sums.as_mut_ptr().add(((plane - self.planes.start) * S::PRODUCTS + product) * row);
                            let b = products.as_ptr().add(product * block);
                            for tile in tiles(0..S::TAPS, kernels.height()) {
                                let (a, c) = (a.add(tile.start), c.add(tile.start * width));
                                kernels.sliding(tile.len(), self.mine.len())(count, a, offsets.as_ptr(), b, c, width);
                            }
                        }
                    }
                }
            }
            for (i, plane) in self.planes.clone().enumerate() {
                let (from, to) = ((&sums[i * S::PRODUCTS * row..], row), (&mut *filter, row));
                wide_loop::<S, _>(Rows { from, to, len: row, step: PhantomData::<FilterAdjoint> });
                let area = S::TAPS * S::TAPS;
                let at = (self.mine.start * strips.planes + plane) * area;
                // SAFETY: this task's planes of its output channels.
                unsafe {
                    let to = (self.out.get().add(at), strips.planes * area);
                    transpose((area, self.mine.len()), (filter.as_ptr(), width), to);
                }
            }
        });
    }

    /// Takes the gradient at some places, its two rows of output one after the other, channels side by side; answers where
    /// the places lie in the transformed images.
    fn gather(&self, first: usize, count: usize, pixels: &mut [T]) -> Vec<isize> {
        let ((height, columns), width) = (self.strips.out, T::kernels().width);
        let mut offsets = Vec::with_capacity(count);
        let base = self.strips.data.as_ptr();
        for run in self.patches.runs(first, count) {
            let (sample, first) = self.strips.place(&run);
            for output in 0..2 {
                let (y, at) = (first + output, (output * PLACES + offsets.len()) * width);
                let to = &mut pixels[at..][..run.len() * width];
                if y >= height {
                    to.fill(T::ZERO);
                    continue;
                }
                let from = (sample * self.rows + self.mine.start) * height * columns + y * columns + run.x();
                assert!(from + (self.mine.len() - 1) * height * columns + run.len() <= self.g.len());
                // SAFETY: just checked; the target has a row for each place.
                unsafe {
                    let from = (self.g.as_ptr().add(from), height * columns);
                    transpose((self.mine.len(), run.len()), from, (to.as_mut_ptr(), width));
                }
            }
            // SAFETY: both point into the transformed images.
            let place = unsafe { self.patches.pixel(&run).offset_from(base) };
            offsets.extend((0..run.len() as isize).map(|x| place + x));
        }
        offsets
    }
}
