//! Tiles of the input, transformed.

use super::{PANEL, Planes, Run, Scheme};
use crate::ops::real::Real;
use crate::ops::simd::{Loop, wide_loop};

/// One plane's values of a panel of tiles: row i, column j of every tile side by side.
pub(super) type Block<T> = [[T; PANEL]; 36];

pub(super) fn zeros<T: Real>() -> Block<T> {
    [[T::ZERO; PANEL]; 36]
}

/// Where the products of a panel go: product p of tile t at `start` + p `product` + t, `width` tiles.
#[derive(Clone, Copy)]
pub(super) struct Target<T> {
    pub(super) start: *mut T,
    pub(super) product: usize,
    pub(super) width: usize,
}

/// Writes B^T d B of the tiles of `runs` in one plane.
///
/// # Safety
/// The target must be valid; the runs must be of the planes' grid.
pub(super) unsafe fn transform<S: Scheme, T: Real, O: Fn(usize) -> (isize, isize)>(
    planes: &Planes<'_, T, O>,
    plane: usize,
    runs: &[Run],
    block: &mut Block<T>,
    to: Target<T>,
) {
    let (top, left) = (planes.origin)(plane);
    for run in runs {
        let area = planes.height * planes.width;
        let image = &planes.data[(run.sample * planes.planes + plane) * area..][..area];
        let first = ((run.row * S::OUT) as isize + top, (run.column * S::OUT) as isize + left);
        wide_loop::<S, _>(Gather { image, size: (planes.height, planes.width), first, run: *run, block });
    }
    match to.width {
        32 => wide_loop::<S, _>(Spread::<T, 32> { block, to }),
        16 => wide_loop::<S, _>(Spread::<T, 16> { block, to }),
        _ => wide_loop::<S, _>(Spread::<T, 8> { block, to }),
    }
}

/// Takes the tiles of a run from an image, whose rows and columns beyond the border are zeros.
struct Gather<'a, T> {
    image: &'a [T],
    size: (usize, usize),
    /// Row and column of the run's first value.
    first: (isize, isize),
    run: Run,
    block: &'a mut Block<T>,
}

impl<S: Scheme, T: Real> Loop<S> for Gather<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Self { image, size: (height, width), first: (top, left), run, block } = self;
        // The pixels of one row that the run's tiles see, with room for whole tiles at the end.
        let mut line = [T::ZERO; (PANEL + 2) * 4];
        let seen = run.len * S::OUT + S::TAPS - 1;
        let low = (-left).clamp(0, seen as isize) as usize;
        let high = (width as isize - left).clamp(low as isize, seen as isize) as usize;
        for i in 0..S::SIDE {
            let y = top + i as isize;
            if y < 0 || y >= height as isize {
                (0..S::SIDE).for_each(|j| block[i * S::SIDE + j][run.at..run.at + run.len].fill(T::ZERO));
                continue;
            }
            let from = &image[y as usize * width..][..width];
            if low < high {
                line[low..high].copy_from_slice(&from[(left + low as isize) as usize..][..high - low]);
            }
            for j in 0..S::SIDE {
                let to = &mut block[i * S::SIDE + j][run.at..run.at + run.len];
                to.iter_mut().zip(line[j..].iter().step_by(S::OUT)).for_each(|(to, v)| *to = *v);
            }
        }
    }
}

/// The transforms along both axes, the second one's results to the target.
struct Spread<'a, T, const W: usize> {
    block: &'a mut Block<T>,
    to: Target<T>,
}

impl<S: Scheme, T: Real, const W: usize> Loop<S> for Spread<'_, T, W> {
    #[inline(always)]
    fn run(self) {
        let Self { block, to } = self;
        for j in 0..S::SIDE {
            for t in 0..W {
                let d = std::array::from_fn(|i| if i < S::SIDE { block[i * S::SIDE + j][t] } else { T::ZERO });
                let v = S::input(d);
                (0..S::SIDE).for_each(|i| block[i * S::SIDE + j][t] = v[i]);
            }
        }
        for i in 0..S::SIDE {
            let mut products = [[T::ZERO; W]; 6];
            for t in 0..W {
                let d = std::array::from_fn(|j| if j < S::SIDE { block[i * S::SIDE + j][t] } else { T::ZERO });
                let v = S::input(d);
                (0..S::SIDE).for_each(|j| products[j][t] = v[j]);
            }
            for (j, product) in products.iter().enumerate().take(S::SIDE) {
                // SAFETY: the caller of `transform` promised the target.
                unsafe { to.start.add((i * S::SIDE + j) * to.product).cast::<[T; W]>().write_unaligned(*product) };
            }
        }
    }
}
