//! Convolution inputs seen as a matrix of patches.
//!
//! A convolution is a product with the matrix whose row k holds, for every output pixel, the input value under filter
//! tap k. The matrix is never stored: the product asks for the piece it works on, which fits the cache. Its columns are
//! the output pixels of all samples, one after the other.

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
}

struct Padded<T> {
    data: Vec<T>,
    height: usize,
    width: usize,
    top: isize,
    left: isize,
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

/// Values that a short run may write beyond its end; they are overwritten or never read.
pub(super) const SLACK: usize = 16;
/// Output rows shorter than this are read from a padded copy: they meet the border too often.
const SHORT: usize = 48;

impl<'a, T: Real> Patches<'a, T> {
    pub(super) fn new(images: Images<'a, T>, (out_h, out_w): (usize, usize), taps: Vec<Tap>) -> Self {
        assert_eq!(images.data.len(), images.samples * images.planes * images.height * images.width);
        let padded = (out_w < SHORT && !images.data.is_empty()).then(|| Padded::new(images, (out_h, out_w), &taps));
        Self { images, out_h, out_w, taps, padded }
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

    /// Writes row `tap` at the columns of `runs`; up to [`SLACK`] values beyond them are spoiled.
    ///
    /// # Safety
    /// `out` must be valid for the runs' columns and the slack; the runs must be this matrix's.
    #[inline(always)]
    pub(super) unsafe fn fill(&self, tap: usize, runs: &[Run], out: *mut T) {
        let Tap { plane, dy, dx } = self.taps[tap];
        // SAFETY: padded images hold every value under a tap and the slack; otherwise the ranges are clipped.
        unsafe {
            if let Some(padded) = &self.padded {
                let corner = (dy + padded.top) as usize * padded.width + (dx + padded.left) as usize;
                for run in runs {
                    let image = (run.sample * self.images.planes + plane) * padded.height * padded.width;
                    let from = padded.data.as_ptr().add(image + run.y * padded.width + run.x + corner);
                    let to = out.add(run.at);
                    for i in (0..run.len).step_by(SLACK) {
                        to.add(i)
                            .cast::<[T; SLACK]>()
                            .write_unaligned(from.add(i).cast::<[T; SLACK]>().read_unaligned());
                    }
                }
                return;
            }
            let (height, width) = (self.images.height, self.images.width);
            for run in runs {
                let image = self.images.data.as_ptr().add((run.sample * self.images.planes + plane) * height * width);
                let (y, x) = (run.y as isize + dy, run.x as isize + dx);
                let to = out.add(run.at);
                if y < 0 || y >= height as isize {
                    std::slice::from_raw_parts_mut(to, run.len).fill(T::ZERO);
                } else if x >= 0 && x as usize + run.len <= width {
                    copy(image.add(y as usize * width + x as usize), to, run.len);
                } else {
                    let to = std::slice::from_raw_parts_mut(to, run.len);
                    let low = (-x).clamp(0, run.len as isize) as usize;
                    let high = (width as isize - x).clamp(low as isize, run.len as isize) as usize;
                    to[..low].fill(T::ZERO);
                    to[high..].fill(T::ZERO);
                    if low < high {
                        let from = image.add(y as usize * width + (x + low as isize) as usize);
                        copy(from, to.as_mut_ptr().add(low), high - low);
                    }
                }
            }
        }
    }
}

/// Copies `len` values; whole panels, the common case, without a call.
#[inline(always)]
unsafe fn copy<T: Copy>(from: *const T, to: *mut T, len: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if len == 32 {
            to.cast::<[T; 32]>().write_unaligned(from.cast::<[T; 32]>().read_unaligned());
        } else {
            std::ptr::copy_nonoverlapping(from, to, len);
        }
    }
}

impl<T: Real> Padded<T> {
    fn new(images: Images<'_, T>, (out_h, out_w): (usize, usize), taps: &[Tap]) -> Self {
        // How far the taps reach beyond the image on each side.
        let beyond = |reach: &dyn Fn(&Tap) -> isize| taps.iter().map(reach).max().unwrap_or(0).max(0);
        let (top, left) = (beyond(&|t| -t.dy), beyond(&|t| -t.dx));
        let bottom = beyond(&|t| t.dy + out_h as isize - images.height as isize);
        let right = beyond(&|t| t.dx + out_w as isize - images.width as isize);
        let (height, width) = (images.height + (top + bottom) as usize, images.width + (left + right) as usize);
        let mut data = uninit(images.samples * images.planes * height * width + SLACK);
        data.par_chunks_mut(height * width).zip(images.data.par_chunks(images.height * images.width)).for_each(
            |(to, from)| {
                to.fill(T::ZERO);
                for (row, from) in to.chunks_mut(width).skip(top as usize).zip(from.chunks(images.width)) {
                    row[left as usize..][..from.len()].copy_from_slice(from);
                }
            },
        );
        let end = data.len() - SLACK;
        data[end..].fill(T::ZERO);
        Self { data, height, width, top, left }
    }
}
