//! Pointwise functions on a GPU.

use candle_core::{CudaStorage, Layout, Result, Shape};

use super::{Pointwise, plan};
use crate::cuda::machine::{Stream, argument, result};

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

fn apply(kernel: &'static str, from: &[Stored<'_>]) -> Result<(CudaStorage, Shape)> {
    let (device, shape) = (&from[0].0.device, from[0].1.shape());
    let (element, _) = argument(from[0])?;
    let (to, last) = result(device, element, shape.elem_count())?;
    let mut pointers = from.iter().map(|stored| Ok(argument(*stored)?.1)).collect::<Result<Vec<_>>>()?;
    pointers.push(last);
    plan::apply(&mut Stream::of(device), kernel, element, shape.elem_count(), &pointers)?;
    Ok((to, shape.clone()))
}
