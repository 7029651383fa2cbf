//! Convolution by cuDNN.

use candle_core::{CudaStorage, Layout, Result, Shape};

use super::{Convolution, Geometry};
use crate::cuda::convolution::{Extents, Pass};
use crate::cuda::{add_bias, convolve, instead, with_element};

/// A tensor's storage and layout.
type Stored<'a> = (&'a CudaStorage, &'a Layout);

impl From<Geometry> for Extents {
    fn from(Geometry { format, n, c, h, w, out, kh, kw, padding }: Geometry) -> Self {
        Self { format, n, c, h, w, out, kh, kw, padding, stride: 1 }
    }
}

pub(super) fn forward(
    op: &Convolution,
    x: Stored<'_>,
    w: Stored<'_>,
    bias: Option<Stored<'_>>,
) -> Result<(CudaStorage, Shape)> {
    let extents = op.geometry(x.1.dims(), w.1.dims()).into();
    with_element!("conv2d", x.0, T => {
        let y = instead(op.filters.as_ref(), w, |w| convolve::<T>(Pass::Forward, extents, x, w))?;
        match bias {
            None => Ok(y),
            Some(bias) => instead(op.bias.as_ref(), bias, |bias| add_bias::<T>(op.format, y, bias)),
        }
    })
}

pub(super) fn input_gradient(d: Geometry, g: Stored<'_>, w: Stored<'_>) -> Result<(CudaStorage, Shape)> {
    with_element!("conv2d", g.0, T => convolve::<T>(Pass::Image, d.into(), g, w))
}

pub(super) fn filter_gradient(d: Geometry, g: Stored<'_>, x: Stored<'_>) -> Result<(CudaStorage, Shape)> {
    with_element!("conv2d", g.0, T => convolve::<T>(Pass::Filters, d.into(), g, x))
}
