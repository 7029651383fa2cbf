//! The other order on a GPU.

use candle_core::{CudaStorage, Layout, Result, Shape};

use super::{Reorder, plan};
use crate::cuda::machine::{Stream, argument, element, result};

pub(super) fn reorder(op: Reorder, x: (&CudaStorage, &Layout)) -> Result<(CudaStorage, Shape)> {
    let (a, b, c, d) = x.1.shape().dims4()?;
    let (rows, columns, dims) = if op.last { (b, c * d, [a, c, d, b]) } else { (b * c, d, [a, d, b, c]) };
    let (device, (from, at), to) = (&x.0.device, argument(x)?, element(op.to)?);
    let (out, written) = result(device, to, a * b * c * d)?;
    plan::transpose(&mut Stream::of(device), (from, to), (a, rows, columns), at, written)?;
    Ok((out, dims.as_slice().into()))
}
