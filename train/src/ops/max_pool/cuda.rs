//! Max pooling on a GPU.

use candle_core::{CudaStorage, Layout, Result, Shape};

use super::plan;
use crate::cuda::machine::{Stream, argument, result};
use crate::ops::Format;

type Stored<'a> = (&'a CudaStorage, &'a Layout);

pub(super) fn forward(format: Format, x: Stored<'_>) -> Result<(CudaStorage, Shape)> {
    let [n, c, h, w] = format.of_shape(x.1.shape())?;
    let (device, (element, x)) = (&x.0.device, argument(x)?);
    let (y, to) = result(device, element, n * c * (h / 2) * (w / 2))?;
    let mut stream = Stream::of(device);
    match format {
        Format::ChannelsFirst => plan::forward(&mut stream, element, (n * c, h, w), x, to)?,
        Format::ChannelsLast => plan::forward_last(&mut stream, element, (n, h, w, c), x, to)?,
    }
    Ok((y, format.dims([n, c, h / 2, w / 2]).as_slice().into()))
}

pub(super) fn input_gradient(format: Format, x: Stored<'_>, g: Stored<'_>) -> Result<(CudaStorage, Shape)> {
    let ([n, c, h, w], shape) = (format.of_shape(x.1.shape())?, x.1.shape().clone());
    let (device, (element, x), (_, g)) = (&x.0.device, argument(x)?, argument(g)?);
    let (gx, to) = result(device, element, n * c * h * w)?;
    let mut stream = Stream::of(device);
    match format {
        Format::ChannelsFirst => plan::input_gradient(&mut stream, element, (n * c, h, w), (x, g), to)?,
        Format::ChannelsLast => plan::input_gradient_last(&mut stream, element, (n, h, w, c), (x, g), to)?,
    }
    Ok((gx, shape))
}
