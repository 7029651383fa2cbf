//! Convolution inputs seen as a matrix of patches.
//!
//! A convolution is a product with the matrix whose row k holds, for every output pixel, the input value under filter
//! tap k. The matrix is never stored: the product asks for the piece it works on, which fits the cache.

use super::real::Real;

/// One row of the patch matrix: plane `plane` of the input, moved by (`dy`, `dx`), zero outside the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    pub(super) plane: usize,
    pub(super) dy: isize,
    pub(super) dx: isize,
}

/// The patch matrix of a batch of images: `taps.len()` rows by `samples * out_h * out_w` columns.
pub(super) struct Patches<'a, T> {
    /// `samples` x `planes` x `height` x `width` values.
    pub(super) data: &'a [T],
    pub(super) samples: usize,
    pub(super) planes: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) out_h: usize,
    pub(super) out_w: usize,
    pub(super) taps: Vec<Tap>,
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

impl<T: Real> Patches<'_, T> {
    /// Pixels of one output plane.
    pub(super) fn pixels(&self) -> usize {
        self.out_h * self.out_w
    }

    /// Writes row `tap` of sample `sample` from output pixel `first` on, as many values as `out` takes.
    pub(super) fn fill(&self, tap: usize, sample: usize, first: usize, out: &mut [T]) {
        let Tap { plane, dy, dx } = self.taps[tap];
        let plane = &self.data[(sample * self.planes + plane) * self.height * self.width..][..self.height * self.width];
        // Output columns whose input column lies inside the image.
        let low = (-dx).clamp(0, self.out_w as isize) as usize;
        let high = (self.width as isize - dx).clamp(low as isize, self.out_w as isize) as usize;
        let (mut done, mut y, mut x) = (0, first / self.out_w, first % self.out_w);
        while done < out.len() {
            let len = (self.out_w - x).min(out.len() - done);
            let row = &mut out[done..done + len];
            let source = y as isize + dy;
            if source < 0 || source >= self.height as isize {
                row.fill(T::ZERO);
            } else {
                let (from, to) = (low.clamp(x, x + len), high.clamp(x, x + len));
                row[..from - x].fill(T::ZERO);
                row[to - x..].fill(T::ZERO);
                if from < to {
                    let start = source as usize * self.width + (from as isize + dx) as usize;
                    row[from - x..to - x].copy_from_slice(&plane[start..start + to - from]);
                }
            }
            (done, y, x) = (done + len, y + 1, 0);
        }
    }
}
