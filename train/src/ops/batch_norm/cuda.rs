//! Batch normalisation on a GPU.

use candle_core::{CudaStorage, Device, Layout, Result, Shape, Tensor, Var, bail};

use super::{BatchNorm, GradientSums, InputGradient, plan};
use crate::cuda::machine::{Stream, argument, element, pointer, result};
use crate::cuda::plan::{Element, Pointer};

type Stored<'a> = (&'a CudaStorage, &'a Layout);

fn extents(layout: &Layout) -> Result<(usize, usize, usize)> {
    let (n, c, h, w) = layout.shape().dims4()?;
    Ok((n, c, h * w))
}

fn norm(of: &BatchNorm, gamma: Pointer, beta: Pointer) -> Result<plan::Norm> {
    Ok(plan::Norm { stats: pointer(&of.stats)?, gamma, beta, eps: of.eps, relu: of.relu })
}

pub(super) fn moments(x: Stored<'_>) -> Result<(CudaStorage, Shape)> {
    let (device, dims, (element, from)) = (&x.0.device, extents(x.1)?, argument(x)?);
    let (stats, to) = result(device, Element::F64, 2 * dims.1)?;
    plan::moments(&mut Stream::of(device), element, dims, from, to)?;
    Ok((stats, (2 * dims.1).into()))
}

/// As [`super::BatchStats::enter`].
pub(super) fn enter(stats: &Tensor, running: (&Var, &Var), momentum: f64, unbiased: f64) -> Result<()> {
    let Device::Cuda(device) = stats.device() else { bail!("batch norm: the statistics are not on the GPU") };
    let (channels, to) = (running.0.elem_count(), (pointer(running.0)?, pointer(running.1)?));
    if [running.0.dtype(), running.1.dtype()] != [running.0.dtype(); 2]
        || [channels, running.1.elem_count()] != [stats.elem_count() / 2; 2]
    {
        bail!("batch norm: running statistics must be of one type, a value a channel each");
    }
    let element = element(running.0.dtype())?;
    plan::enter(&mut Stream::of(device), element, channels, pointer(stats)?, to, (momentum, unbiased))
}

pub(super) fn forward(
    op: &BatchNorm,
    x: Stored<'_>,
    gamma: Stored<'_>,
    beta: Stored<'_>,
) -> Result<(CudaStorage, Shape)> {
    let (device, dims, (element, from)) = (&x.0.device, extents(x.1)?, argument(x)?);
    let norm = norm(op, argument(gamma)?.1, argument(beta)?.1)?;
    let (y, to) = result(device, element, x.1.shape().elem_count())?;
    plan::forward(&mut Stream::of(device), element, dims, &norm, from, to)?;
    Ok((y, x.1.shape().clone()))
}

/// 2C values of gamma's type.
pub(super) fn gradient_sums(op: &GradientSums<'_>, g: Stored<'_>, x: Stored<'_>) -> Result<(CudaStorage, Shape)> {
    let (device, dims, (element, from)) = (&x.0.device, extents(x.1)?, argument(x)?);
    let norm = norm(op.norm, pointer(op.gamma)?, pointer(op.beta)?)?;
    let parameters = if element == Element::Bf16 { Element::F32 } else { element };
    let (sums, to) = result(device, parameters, 2 * dims.1)?;
    plan::gradient_sums(&mut Stream::of(device), element, dims, &norm, (argument(g)?.1, from), to)?;
    Ok((sums, (2 * dims.1).into()))
}

pub(super) fn input_gradient(op: &InputGradient<'_>, g: Stored<'_>, x: Stored<'_>) -> Result<(CudaStorage, Shape)> {
    let (device, dims, (element, from)) = (&x.0.device, extents(x.1)?, argument(x)?);
    let norm = norm(op.norm, pointer(op.gamma)?, pointer(op.beta)?)?;
    let (gx, to) = result(device, element, x.1.shape().elem_count())?;
    let sums = (pointer(op.sums)?, op.norm.training);
    plan::input_gradient(&mut Stream::of(device), element, dims, &norm, (argument(g)?.1, from), sums, to)?;
    Ok((gx, x.1.shape().clone()))
}
