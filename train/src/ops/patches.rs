//! Convolution inputs seen as a matrix of patches.
//!
//! A convolution is a product with the matrix whose row k holds, for every output pixel, the input value under filter
//! tap k. The matrix is never stored: the product asks for the piece it works on, which fits the cache. Its columns are
//! the output pixels of all samples, one after the other.

use std::ops::Range;

use rayon::prelude::*;

use super::real::{Real, uninit};

/// One row of the patch matrix: plane `plane` of the input, moved by (`dy`, `dx`), zero outside the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    pub(super) plane: usize,
    pub(super) dy: isize,
    pub(super) dx: isize,
}

/// Taps of a stride-1 convolution in the order of its filters: channel, row, column.
pub(super) fn conv_taps(channels: usize, kh: usize, kw: usize, pad_y: isize, pad_x: isize) -> Vec<Tap> {
    let mut taps = Vec::with_capacity(channels * kh * kw);
    for plane in 0..channels {
        for ky in 0..kh as isize {
            for kx in 0..kw as isize {
                taps.push(Tap { plane, dy: ky - pad_y, dx: kx - pad_x });
            }
        }
    }
    taps
}

/// A batch of images: `samples` x `planes` x `height` x `width` values.
#[derive(Clone, Copy)]
pub(super) struct Images<'a, T> {
    pub(super) data: &'a [T],
    pub(super) samples: usize,
    pub(super) planes: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

/// The patch matrix of a batch: `taps.len()` rows by `samples * out_h * out_w` columns.
pub(super) struct Patches<'a, T> {
    images: Images<'a, T>,
    pub(super) out_h: usize,
    pub(super) out_w: usize,
    pub(super) taps: Vec<Tap>,
    /// The images with a border of zeros that every tap stays inside of, where that pays.
    padded: Option<Padded<T>>,
    /// Distance of each tap's value from the same pixel of plane 0, in the padded images where there are any.
    offsets: Vec<isize>,
    /// Least and largest dy, then dx.
    reach: [isize; 4],
}

struct Padded<T> {
    data: Vec<T>,
    height: usize,
    width: usize,
    top: usize,
    left: usize,
}

/// Columns of the matrix that lie in one row of the output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    sample: usize,
    y: usize,
    x: usize,
    /// Columns from the first of the piece asked for.
    at: usize,
    len: usize,
}

impl Run {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn sample(&self) -> usize {
        self.sample
    }

    /// Column of the first pixel.
    pub(super) fn x(&self) -> usize {
        self.x
    }
}

/// Values that a short run may write beyond its end; they are overwritten or never read.
pub(super) const SLACK: usize = 16;
/// Output rows shorter than this are read from a padded copy: they meet the border too often.
const SHORT: usize = 48;

impl<'a, T: Real> Patches<'a, T> {
    pub(super) fn new(images: Images<'a, T>, (out_h, out_w): (usize, usize), taps: Vec<Tap>) -> Self {
        assert_eq!(images.data.len(), images.samples * images.planes * images.height * images.width);
        let ends = |of: fn(&Tap) -> isize| {
            taps.iter().map(of).fold((0, 0), |(low, high): (isize, isize), v| (low.min(v), high.max(v)))
        };
        let ((up, down), (left, right)) = (ends(|t| t.dy), ends(|t| t.dx));
        let reach = [up, down, left, right];
        let mut patches = Self { images, out_h, out_w, taps, padded: None, offsets: Vec::new(), reach };
        patches.offsets = patches.distances(images.height, images.width);
        patches
    }

    fn distances(&self, height: usize, width: usize) -> Vec<isize> {
        self.taps.iter().map(|t| (t.plane * height * width) as isize + t.dy * width as isize + t.dx).collect()
    }

    /// The same matrix, which reads images with a border of zeros where a tap would leave them.
    pub(super) fn bordered(mut self) -> Self {
        let Images { height, width, .. } = self.images;
        let [up, down, left, right] = self.reach;
        let (beyond, below) =
            (self.out_w as isize + right > width as isize, self.out_h as isize + down > height as isize);
        if (up < 0 || left < 0 || beyond || below) && !self.images.data.is_empty() {
            let padded = Padded::new(self.images, (self.out_h, self.out_w), self.reach);
            self.offsets = self.distances(padded.height, padded.width);
            self.padded = Some(padded);
        } else if self.reach == [0; 4] && (self.out_h, self.out_w) == (height, width) {
            // One row of pixels, without an end that would matter.
            (self.out_h, self.out_w) = (1, height * width);
            (self.images.height, self.images.width) = (1, height * width);
        }
        self
    }

    /// The same matrix, with a border where rows are so short that they would meet their ends all the time.
    pub(super) fn bordered_where_short(self) -> Self {
        if self.out_w < SHORT { self.bordered() } else { self }
    }

    /// Distance of each tap's value from the output pixel's own, see [`Self::pixel`].
    pub(super) fn offsets(&self) -> &[isize] {
        &self.offsets
    }

    /// The value at the first pixel of a run, with a border if there is one; a tap of pixel x has its value at x plus the
    /// tap's offset from here.
    pub(super) fn pixel(&self, run: &Run) -> *const T {
        let (data, height, width, top, left) = match &self.padded {
            Some(p) => (p.data.as_slice(), p.height, p.width, p.top, p.left),
            None => (self.images.data, self.images.height, self.images.width, 0, 0),
        };
        let row = run.sample * self.images.planes * height + run.y + top;
        let at = row * width + run.x + left;
        assert!(at < data.len());
        // SAFETY: just checked.
        unsafe { data.as_ptr().add(at) }
    }

    pub(super) fn samples(&self) -> usize {
        self.images.samples
    }

    /// Pixels of one output plane.
    pub(super) fn pixels(&self) -> usize {
        self.out_h * self.out_w
    }

    pub(super) fn columns(&self) -> usize {
        self.samples() * self.pixels()
    }

    /// The runs of columns `first .. first + count`.
    pub(super) fn runs(&self, first: usize, count: usize) -> Vec<Run> {
        let (mut runs, mut done) = (Vec::new(), 0);
        while done < count {
            let (sample, pixel) = ((first + done) / self.pixels(), (first + done) % self.pixels());
            let (y, x) = (pixel / self.out_w, pixel % self.out_w);
            let len = (self.out_w - x).min(count - done);
            runs.push(Run { sample, y, x, at: done, len });
            done += len;
        }
        runs
    }

    /// Writes rows `taps`, `stride` values apart, at the columns of `runs`; up to [`SLACK`] values beyond the runs' end
    /// are spoiled, in each row before the next is written.
    ///
    /// # Safety
    /// `out` must be valid for the rows and the slack; the runs must be this matrix's.
    pub(super) unsafe fn fill(&self, taps: Range<usize>, runs: &[Run], out: *mut T, stride: usize) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the instructions are there; the rest is the caller's promise.
            return unsafe { self.fill_avx512(taps, runs, out, stride) };
        }
        // SAFETY: the caller's promise.
        unsafe { self.fill_plain(taps, runs, out, stride) }
    }

    /// [`Self::fill`] with copies of whole cache lines.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    unsafe fn fill_avx512(&self, taps: Range<usize>, runs: &[Run], out: *mut T, stride: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.fill_plain(taps, runs, out, stride) }
    }

    #[inline(always)]
    unsafe fn fill_plain(&self, taps: Range<usize>, runs: &[Run], out: *mut T, stride: usize) {
        let rows = self.offsets[taps.clone()].iter().enumerate();
        // SAFETY: padded images hold every value under a tap and the slack; otherwise the ranges are clipped.
        unsafe {
            if let Some(padded) = &self.padded {
                let first = (padded.top * padded.width + padded.left) as isize;
                for (k, offset) in rows {
                    let (from, to) = (padded.data.as_ptr().offset(first + offset), out.add(k * stride));
                    for run in runs {
                        let image = run.sample * self.images.planes * padded.height + run.y;
                        let (from, to) = (from.add(image * padded.width + run.x), to.add(run.at));
                        for i in (0..run.len).step_by(SLACK) {
                            copy::<T, SLACK>(from.add(i), to.add(i));
                        }
                    }
                }
                return;
            }
            for run in runs {
                let Images { planes, height, width, .. } = self.images;
                let pixel = ((run.sample * planes) * height + run.y) * width + run.x;
                let (from, to) = (self.images.data.as_ptr().add(pixel), out.add(run.at));
                let rows = rows.clone().map(|(k, offset)| (from.wrapping_offset(*offset), to.add(k * stride)));
                match run.len {
                    _ if !self.inside(run) => {
                        for (k, tap) in taps.clone().enumerate() {
                            self.fill_clipped(tap, run, to.add(k * stride));
                        }
                    }
                    32 => rows.for_each(|(from, to)| copy::<T, 32>(from, to)),
                    16 => rows.for_each(|(from, to)| copy::<T, 16>(from, to)),
                    len => rows.for_each(|(from, to)| std::ptr::copy_nonoverlapping(from, to, len)),
                }
            }
        }
    }

    /// Whether every tap of the whole run lies inside the image.
    fn inside(&self, run: &Run) -> bool {
        let [up, down, left, right] = self.reach;
        let (y, x) = (run.y as isize, run.x as isize);
        let (below, beyond) = (y + down, x + run.len as isize + right);
        y + up >= 0 && below < self.images.height as isize && x + left >= 0 && beyond <= self.images.width as isize
    }

    /// Writes one row at one run, zero outside the image.
    unsafe fn fill_clipped(&self, tap: usize, run: &Run, out: *mut T) {
        let Tap { plane, dy, dx } = self.taps[tap];
        let Images { planes, height, width, .. } = self.images;
        // SAFETY: the caller's promise for the run's columns.
        let out = unsafe { std::slice::from_raw_parts_mut(out, run.len) };
        let (y, x) = (run.y as isize + dy, run.x as isize + dx);
        if y < 0 || y >= height as isize {
            out.fill(T::ZERO);
            return;
        }
        let low = (-x).clamp(0, run.len as isize) as usize;
        let high = (width as isize - x).clamp(low as isize, run.len as isize) as usize;
        out[..low].fill(T::ZERO);
        out[high..].fill(T::ZERO);
        if low < high {
            let first = ((run.sample * planes + plane) * height + y as usize) * width + (x + low as isize) as usize;
            out[low..high].copy_from_slice(&self.images.data[first..][..high - low]);
        }
    }
}

/// Copies `N` values.
#[inline(always)]
unsafe fn copy<T: Copy, const N: usize>(from: *const T, to: *mut T) {
    // SAFETY: the caller's promise.
    unsafe { to.cast::<[T; N]>().write_unaligned(from.cast::<[T; N]>().read_unaligned()) }
}

impl<T: Real> Padded<T> {
    /// A copy with as much border as taps of this reach need.
    fn new(images: Images<'_, T>, (out_h, out_w): (usize, usize), [up, down, left, right]: [isize; 4]) -> Self {
        let beyond = |reach: isize, out: usize, size: usize| (reach + out as isize - size as isize).max(0) as usize;
        let (top, bottom) = (-up as usize, beyond(down, out_h, images.height));
        let (left, right) = (-left as usize, beyond(right, out_w, images.width));
        let (height, width) = (images.height + top + bottom, images.width + left + right);
        let mut data = uninit(images.samples * images.planes * height * width + SLACK);
        data.par_chunks_mut(height * width).zip(images.data.par_chunks(images.height * images.width)).for_each(
            |(to, from)| {
                to.fill(T::ZERO);
                for (row, from) in to.chunks_mut(width).skip(top).zip(from.chunks(images.width)) {
                    row[left..][..from.len()].copy_from_slice(from);
                }
            },
        );
        let end = data.len() - SLACK;
        data[end..].fill(T::ZERO);
        Self { data, height, width, top, left }
    }
}
