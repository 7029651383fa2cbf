//! The element types on a device, and the way from Candle's storage to a kernel's arguments.

use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView, DeviceRepr, ValidAsZeroBits};
use candle_core::cuda_backend::{CudaDType, CudaDevice};
use candle_core::{CudaStorage, Layout, Result, Shape, Storage, Tensor, WithDType, bail};

/// `f32`, `f64` or `bf16`.
pub(crate) trait Element: WithDType + CudaDType + DeviceRepr + ValidAsZeroBits {}

impl Element for f32 {}
impl Element for f64 {}
impl Element for half::bf16 {}

/// Runs a block with `$t` standing for the element type of a CUDA storage.
macro_rules! with_element {
    ($op:expr, $storage:expr, $t:ident => $body:expr) => {
        match candle_core::backend::BackendStorage::dtype($storage) {
            candle_core::DType::F32 => {
                type $t = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            candle_core::DType::BF16 => {
                type $t = half::bf16;
                $body
            }
            other => candle_core::bail!("{}: tensors must be f32, f64 or bf16, not {other:?}", $op),
        }
    };
}
pub(crate) use with_element;

/// The elements of a contiguous tensor, in row-major order, as a kernel's argument.
pub(crate) fn input<'a, T: Element>(storage: &'a CudaStorage, layout: &Layout) -> Result<CudaView<'a, T>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(T::as_cuda_slice(storage)?.slice(start..end)),
        None => bail!("a kernel was given a tensor that is not contiguous"),
    }
}

/// A result of a kernel.
pub(crate) fn stored<T: Element>(
    data: CudaSlice<T>,
    device: &CudaDevice,
    shape: impl Into<Shape>,
) -> (CudaStorage, Shape) {
    (CudaStorage::wrap_cuda_slice(data, device.clone()), shape.into())
}

/// Runs `f` with a tensor's storage and layout, or with what was given where there is none.
pub(crate) fn instead<R>(
    of: Option<&Tensor>,
    given: (&CudaStorage, &Layout),
    f: impl FnOnce((&CudaStorage, &Layout)) -> Result<R>,
) -> Result<R> {
    let Some(tensor) = of else { return f(given) };
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cuda(storage) => f((storage, layout)),
        _ => bail!("a tensor is not on the GPU"),
    }
}
