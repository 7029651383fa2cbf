//! Max pooling on a GPU.

use candle_core::{CudaStorage, Layout, Result, Shape};

use super::plan;
use crate::cuda::machine::{Stream, argument, result};

type Stored<'a> = (&'a CudaStorage, &'a Layout);

pub(super) fn forward(x: Stored<'_>) -> Result<(CudaStorage, Shape)> {
    let (n, c, h, w) = x.1.shape().dims4()?;
    let (device, (element, x)) = (&x.0.device, argument(x)?);
    let (y, to) = result(device, element, n * c * (h / 2) * (w / 2))?;
    plan::forward(&mut Stream::of(device), element, (n * c, h, w), x, to)?;
    Ok((y, (n, c, h / 2, w / 2).into()))
}

pub(super) fn input_gradient(x: Stored<'_>, g: Stored<'_>) -> Result<(CudaStorage, Shape)> {
    let (n, c, h, w) = x.1.shape().dims4()?;
    let (device, (element, x), (_, g)) = (&x.0.device, argument(x)?, argument(g)?);
    let (gx, to) = result(device, element, n * c * h * w)?;
    plan::input_gradient(&mut Stream::of(device), element, (n * c, h, w), (x, g), to)?;
    Ok((gx, (n, c, h, w).into()))
}
