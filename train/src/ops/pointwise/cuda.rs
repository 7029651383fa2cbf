//! Pointwise functions on a GPU.

use candle_core::{CudaStorage, Device, Layout, Result, Shape, Tensor, bail};

use super::{Pointwise, plan};
use crate::cuda::machine::{Stream, argument, element, pointer, result, tensor};

type Stored<'a> = (&'a CudaStorage, &'a Layout);

pub(super) fn forward(op: Pointwise, x: Stored<'_>) -> Result<(CudaStorage, Shape)> {
    let kernel = match op {
        Pointwise::Relu => "relu",
        Pointwise::Abs => "abs",
    };
    apply(kernel, &[x])
}

pub(super) fn gradient(op: Pointwise, known: Stored<'_>, g: Stored<'_>) -> Result<(CudaStorage, Shape)> {
    let kernel = match op {
        Pointwise::Relu => "relu_gradient",
        Pointwise::Abs => "abs_gradient",
    };
    apply(kernel, &[known, g])
}

/// Contiguous values times one factor of their type.
pub(super) fn times(x: &Tensor, factor: &Tensor) -> Result<Tensor> {
    let Device::Cuda(device) = x.device() else { bail!("an image is not on the GPU") };
    if factor.dtype() != x.dtype() || factor.elem_count() != 1 {
        bail!("a factor is {:?} {:?}, not one value of {:?}", factor.dims(), factor.dtype(), x.dtype());
    }
    let element = element(x.dtype())?;
    let (to, last) = result(device, element, x.elem_count())?;
    let pointers = [pointer(x)?, pointer(factor)?, last];
    plan::apply(&mut Stream::of(device), "times", element, x.elem_count(), &pointers)?;
    Ok(tensor(to, x.shape()))
}

fn apply(kernel: &'static str, from: &[Stored<'_>]) -> Result<(CudaStorage, Shape)> {
    let (device, shape) = (&from[0].0.device, from[0].1.shape());
    let (element, _) = argument(from[0])?;
    let (to, last) = result(device, element, shape.elem_count())?;
    let mut pointers = from.iter().map(|stored| Ok(argument(*stored)?.1)).collect::<Result<Vec<_>>>()?;
    pointers.push(last);
    plan::apply(&mut Stream::of(device), kernel, element, shape.elem_count(), &pointers)?;
    Ok((to, shape.clone()))
}
