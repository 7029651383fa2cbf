//! Transposed convolution by cuDNN: the three passes of the convolution that halves height and width, each in another's place.
//!
//! That convolution takes images of `out` channels to results of `c`, its filters being `c` x `out` x 4 x 4: the transposed
//! one's, in PyTorch's order.

use candle_core::{CudaStorage, Layout, Result, Shape};

use super::{Geometry, Transposed};
use crate::cuda::convolution::{Extents, Pass};
use crate::cuda::{convolve, instead, with_element};

/// A tensor's storage and layout.
type Stored<'a> = (&'a CudaStorage, &'a Layout);

impl From<Geometry> for Extents {
    fn from(Geometry { format, n, c, h, w, out }: Geometry) -> Self {
        Self { format, n, c: out, h: 2 * h, w: 2 * w, out: c, kh: 4, kw: 4, padding: 1, stride: 2 }
    }
}

pub(super) fn forward(op: &Transposed, x: Stored<'_>, w: Stored<'_>) -> Result<(CudaStorage, Shape)> {
    let extents = op.geometry(x.1.dims(), w.1.dims()).into();
    with_element!("conv_transpose2d", x.0, T => {
        instead(op.filters.as_ref(), w, |w| convolve::<T>(Pass::Image, extents, x, w))
    })
}

pub(super) fn input_gradient(d: Geometry, g: Stored<'_>, w: Stored<'_>) -> Result<(CudaStorage, Shape)> {
    with_element!("conv_transpose2d", g.0, T => convolve::<T>(Pass::Forward, d.into(), g, w))
}

/// The halving convolution's image is `g` and the gradient of its result is x.
pub(super) fn filter_gradient(d: Geometry, g: Stored<'_>, x: Stored<'_>) -> Result<(CudaStorage, Shape)> {
    with_element!("conv_transpose2d", g.0, T => convolve::<T>(Pass::Filters, d.into(), x, g))
}
