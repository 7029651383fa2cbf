//! Convolutions on tensors.

use candle_core::cuda_backend::cudarc::driver::{DevicePtr, DevicePtrMut};
use candle_core::{CudaStorage, DType, Layout, Result, Shape};

use super::convolution::{Extents, Key, Math, Pass};
use super::cudnn::{Addresses, Outcome};
use super::{Element, input, state, stored};
use crate::ops::{Format, reorder};

/// A tensor's storage and layout.
type Stored<'a> = (&'a CudaStorage, &'a Layout);

/// The mathematics of a type on a device.
fn math<T: Element>(state: &state::State) -> Math {
    match T::DTYPE {
        DType::F64 => Math::F64,
        DType::BF16 => Math::Bf16,
        _ if state.tf32() => Math::Tf32,
        _ => Math::F32,
    }
}

/// One pass over a batch. Its arguments are in the operations' order: (image, filters), (gradient of the result, filters) or
/// (gradient of the result, image).
///
/// # Errors
/// What cuDNN answers.
pub(crate) fn convolve<T: Element>(
    pass: Pass,
    extents: Extents,
    first: Stored<'_>,
    second: Stored<'_>,
) -> Result<(CudaStorage, Shape)> {
    if extents.format == Format::ChannelsLast && T::DTYPE == DType::F64 {
        // cuDNN's tables have no such convolution.
        return channels_first::<T>(pass, extents, first, second);
    }
    let (device, dims) = (&first.0.device, extents.written(pass));
    let values: usize = dims.iter().product();
    if values == 0 || extents.n == 0 {
        return Ok(stored(device.alloc_zeros::<T>(values)?, device, dims.to_vec()));
    }
    // SAFETY: cuDNN writes every value.
    let mut out = unsafe { device.alloc::<T>(values) }?;
    let (state, stream) = (state::of(device)?, device.cuda_stream());
    let key = Key { pass, extents, math: math::<T>(&state) };
    let outcome = {
        let (first, second) = (input::<T>(first.0, first.1)?, input::<T>(second.0, second.1)?);
        let ((first, _a), (second, _b), (written, _c)) =
            (first.device_ptr(&stream), second.device_ptr(&stream), out.device_ptr_mut(&stream));
        let at = match pass {
            Pass::Forward => Addresses { image: first, filters: second, result: written },
            Pass::Image => Addresses { result: first, filters: second, image: written },
            Pass::Filters => Addresses { result: first, image: second, filters: written },
        };
        // SAFETY: `input` gives contiguous tensors of type T, whose extents the operation has checked.
        state.convolutions(|convolutions| unsafe { convolutions.run(key, at) })?
    };
    match (outcome, extents.format) {
        (Outcome::Done, _) => Ok(stored(out, device, dims.to_vec())),
        (Outcome::Refused(status), Format::ChannelsFirst) => {
            candle_core::bail!("cuDNN has no algorithm for {key:?} (its status: {status})")
        }
        (Outcome::Refused(_), Format::ChannelsLast) => channels_first::<T>(pass, extents, first, second),
    }
}

/// As [`convolve`], for what cuDNN does with channels first alone.
fn channels_first<T: Element>(
    pass: Pass,
    extents: Extents,
    first: Stored<'_>,
    second: Stored<'_>,
) -> Result<(CudaStorage, Shape)> {
    let [first, second] = [first, second].map(|of| reorder::to_first_on_gpu(of, T::DTYPE));
    let ((first, a), (second, b)) = (first?, second?);
    let (a, b) = (Layout::contiguous(a), Layout::contiguous(b));
    let extents = Extents { format: Format::ChannelsFirst, ..extents };
    let (out, shape) = convolve::<T>(pass, extents, (&first, &a), (&second, &b))?;
    reorder::to_last_on_gpu((&out, &Layout::contiguous(shape)), T::DTYPE)
}

/// Adds a bias to every channel of an image.
///
/// # Errors
/// What cuDNN answers.
pub(crate) fn add_bias<T: Element>(
    format: Format,
    (y, shape): (CudaStorage, Shape),
    bias: Stored<'_>,
) -> Result<(CudaStorage, Shape)> {
    let mut y = y;
    let (device, extents) = (y.device.clone(), format.of_shape(&shape)?);
    if shape.elem_count() > 0 {
        let (state, stream) = (state::of(&device)?, device.cuda_stream());
        let bias = input::<T>(bias.0, bias.1)?;
        let ((bias, _a), (to, _b)) = (bias.device_ptr(&stream), T::as_cuda_slice_mut(&mut y)?.device_ptr_mut(&stream));
        // SAFETY: contiguous tensors of type T, the bias with one value a channel, as the operation has checked.
        state.convolutions(|convolutions| unsafe {
            convolutions.add_bias(math::<T>(&state), (format, extents), bias, to)
        })?;
    }
    Ok((y, shape))
}
