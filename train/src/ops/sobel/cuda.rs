//! Magnitude of the Sobel gradient on a GPU.

use candle_core::{Device, Result, Tensor, bail};

use super::plan;
use crate::cuda::machine::{Stream, element, pointer, result, tensor};

/// From N x 3 x H x W to N x 1 x H x W, without history.
pub(super) fn sobel(image: &Tensor) -> Result<Tensor> {
    let (n, _, h, w) = image.dims4()?;
    let image = image.detach().contiguous()?;
    let Device::Cuda(device) = image.device() else { bail!("the image is not on the GPU") };
    let (out, to) = result(device, element(image.dtype())?, n * h * w)?;
    plan::sobel(&mut Stream::of(device), element(image.dtype())?, (n, h, w), pointer(&image)?, to)?;
    Ok(tensor(out, (n, 1, h, w)))
}
