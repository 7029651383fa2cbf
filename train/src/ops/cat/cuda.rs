//! Images one after another along their channels, on a GPU.

use candle_core::{Device, Result, Tensor, bail};

use super::plan;
use crate::cuda::machine::{Stream, element, pointer, result, tensor};
use crate::cuda::plan::{Element, Pointer};

/// Where `start` values after a pointer are.
fn after(Pointer(at): Pointer, element: Element, start: usize) -> Pointer {
    Pointer(at + (start * element.size()) as u64)
}

/// Rows that lie before a dimension, and values of one of its steps.
fn around(dims: &[usize], dim: usize) -> (usize, usize) {
    (dims[..dim].iter().product(), dims[dim + 1..].iter().product())
}

/// One after another along a dimension, without history.
pub(super) fn cat(parts: &[&Tensor], dim: usize) -> Result<Tensor> {
    let Some(first) = parts.first() else { bail!("cat: there is nothing to put together") };
    let Device::Cuda(device) = first.device() else { bail!("cat: the parts are not on the GPU") };
    let (mut dims, element) = (first.dims().to_vec(), element(first.dtype())?);
    dims[dim] = 0;
    for part in parts {
        let mut others = part.dims().to_vec();
        if others.len() != dims.len() || part.dtype() != first.dtype() {
            bail!("cat: {:?} in {:?} does not go with {:?}", part.dims(), part.dtype(), first.dims());
        }
        let length = std::mem::replace(&mut others[dim], dims[dim]);
        if others != dims {
            bail!("cat: {:?} does not go with {:?} along dimension {dim}", part.dims(), first.dims());
        }
        dims[dim] += length;
    }
    let ((rows, step), whole) = (around(&dims, dim), dims[dim]);
    let (out, to) = result(device, element, dims.iter().product())?;
    let (mut stream, mut start) = (Stream::of(device), 0);
    for part in parts {
        let (part, columns) = (part.contiguous()?, part.dim(dim)? * step);
        let place = (after(to, element, start), whole * step);
        plan::copy(&mut stream, element, (rows, columns), (pointer(&part)?, columns), place)?;
        start += columns;
    }
    Ok(tensor(out, dims))
}

/// A part along a dimension, without history.
pub(super) fn slice(g: &Tensor, dim: usize, start: usize, length: usize) -> Result<Tensor> {
    let g = g.contiguous()?;
    let Device::Cuda(device) = g.device() else { bail!("slice: the gradient is not on the GPU") };
    let (mut dims, element) = (g.dims().to_vec(), element(g.dtype())?);
    let ((rows, step), whole) = (around(&dims, dim), dims[dim]);
    if start + length > whole {
        bail!("slice: {length} after {start} are more than there are in {dims:?}");
    }
    dims[dim] = length;
    let (out, to) = result(device, element, dims.iter().product())?;
    let from = (after(pointer(&g)?, element, start * step), whole * step);
    plan::copy(&mut Stream::of(device), element, (rows, length * step), from, (to, length * step))?;
    Ok(tensor(out, dims))
}
