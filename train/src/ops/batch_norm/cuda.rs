//! Batch normalisation on a GPU.

use candle_core::{CudaStorage, Device, Layout, Result, Shape, Tensor, Var, bail};

use super::{BatchNorm, GradientSums, InputGradient, plan, plan_last};
use crate::cuda::machine::{Stream, argument, element, pointer, result};
use crate::cuda::plan::{Element, Pointer};
use crate::ops::Format;

type Stored<'a> = (&'a CudaStorage, &'a Layout);

/// Values of an image's plane, or of all planes, and channels, as the plans of an order take them.
#[derive(Clone, Copy)]
enum Dims {
    Planes((usize, usize, usize)),
    Rows((usize, usize)),
}

impl Dims {
    fn new(format: Format, layout: &Layout) -> Result<(Self, usize)> {
        let [n, c, h, w] = format.of_shape(layout.shape())?;
        let dims = match format {
            Format::ChannelsFirst => Self::Planes((n, c, h * w)),
            Format::ChannelsLast => Self::Rows((n * h * w, c)),
        };
        Ok((dims, c))
    }
}

fn norm(of: &BatchNorm, gamma: Pointer, beta: Pointer) -> Result<plan::Norm> {
    Ok(plan::Norm { stats: pointer(&of.stats)?, gamma, beta, eps: of.eps, relu: of.relu })
}

pub(super) fn moments(format: Format, x: Stored<'_>) -> Result<(CudaStorage, Shape)> {
    let (device, (dims, c), (element, from)) = (&x.0.device, Dims::new(format, x.1)?, argument(x)?);
    let (stats, to) = result(device, Element::F64, 2 * c)?;
    let mut stream = Stream::of(device);
    match dims {
        Dims::Planes(dims) => plan::moments(&mut stream, element, dims, from, to)?,
        Dims::Rows(dims) => plan_last::moments(&mut stream, element, dims, from, to)?,
    }
    Ok((stats, (2 * c).into()))
}

/// As [`super::BatchStats::enter`].
pub(super) fn enter(
    stats: &Tensor,
    bias: Option<&Tensor>,
    running: (&Var, &Var),
    momentum: f64,
    unbiased: f64,
) -> Result<()> {
    let Device::Cuda(device) = stats.device() else { bail!("batch norm: the statistics are not on the GPU") };
    let (channels, to) = (running.0.elem_count(), (pointer(running.0)?, pointer(running.1)?));
    if [running.0.dtype(), running.1.dtype()] != [running.0.dtype(); 2]
        || [channels, running.1.elem_count()] != [stats.elem_count() / 2; 2]
    {
        bail!("batch norm: running statistics must be of one type, a value a channel each");
    }
    if bias.is_some_and(|b| b.dtype() != running.0.dtype() || b.elem_count() != channels || !b.is_contiguous()) {
        bail!("batch norm: a bias must be of the running statistics' type, a value a channel");
    }
    let bias = bias.map_or(Ok(Pointer::NULL), pointer)?;
    let element = element(running.0.dtype())?;
    plan::enter(&mut Stream::of(device), element, channels, (pointer(stats)?, bias), to, (momentum, unbiased))
}

pub(super) fn forward(
    op: &BatchNorm,
    x: Stored<'_>,
    gamma: Stored<'_>,
    beta: Stored<'_>,
) -> Result<(CudaStorage, Shape)> {
    let (device, (dims, _), (element, from)) = (&x.0.device, Dims::new(op.format, x.1)?, argument(x)?);
    let norm = norm(op, argument(gamma)?.1, argument(beta)?.1)?;
    let (y, to) = result(device, element, x.1.shape().elem_count())?;
    let mut stream = Stream::of(device);
    match dims {
        Dims::Planes(dims) => plan::forward(&mut stream, element, dims, &norm, from, to)?,
        Dims::Rows(dims) => plan_last::forward(&mut stream, element, dims, &norm, from, to)?,
    }
    Ok((y, x.1.shape().clone()))
}

/// 2C values of gamma's type.
pub(super) fn gradient_sums(op: &GradientSums<'_>, g: Stored<'_>, x: Stored<'_>) -> Result<(CudaStorage, Shape)> {
    let (device, (dims, c), (element, from)) = (&x.0.device, Dims::new(op.norm.format, x.1)?, argument(x)?);
    let norm = norm(op.norm, pointer(op.gamma)?, pointer(op.beta)?)?;
    let parameters = if element == Element::Bf16 { Element::F32 } else { element };
    let ((sums, to), images) = (result(device, parameters, 2 * c)?, (argument(g)?.1, from));
    let mut stream = Stream::of(device);
    match dims {
        Dims::Planes(dims) => plan::gradient_sums(&mut stream, element, dims, &norm, images, to)?,
        Dims::Rows(dims) => plan_last::gradient_sums(&mut stream, element, dims, &norm, images, to)?,
    }
    Ok((sums, (2 * c).into()))
}

pub(super) fn input_gradient(op: &InputGradient<'_>, g: Stored<'_>, x: Stored<'_>) -> Result<(CudaStorage, Shape)> {
    let (device, (dims, _), (element, from)) = (&x.0.device, Dims::new(op.norm.format, x.1)?, argument(x)?);
    let norm = norm(op.norm, pointer(op.gamma)?, pointer(op.beta)?)?;
    let (gx, to) = result(device, element, x.1.shape().elem_count())?;
    let (images, sums) = ((argument(g)?.1, from), (pointer(op.sums)?, op.norm.training));
    let mut stream = Stream::of(device);
    match dims {
        Dims::Planes(dims) => plan::input_gradient(&mut stream, element, dims, &norm, images, sums, to)?,
        Dims::Rows(dims) => plan_last::input_gradient(&mut stream, element, dims, &norm, images, sums, to)?,
    }
    Ok((gx, x.1.shape().clone()))
}
