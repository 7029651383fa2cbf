//! Opening a device.

use candle_core::cuda_backend::cudarc::driver::{CudaContext, result, sys};
use candle_core::{Device, backend::BackendDevice, cuda_backend::CudaDevice};

/// The oldest GPU that the kernels are compiled for, as (major, minor) compute capability.
const OLDEST: (i32, i32) = (8, 0);

/// A GPU by its number, with one stream that does everything in order and memory that stays with the process between steps.
///
/// # Errors
/// One sentence: no driver, no such GPU, or one that is too old.
pub(crate) fn open(ordinal: usize) -> Result<Device, String> {
    let count = count()?;
    if ordinal >= count {
        let there = match count {
            0 => "there is no GPU".to_owned(),
            1 => "there is cuda:0 alone".to_owned(),
            _ => format!("there is cuda:0 to cuda:{}", count - 1),
        };
        return Err(format!("{there}; CUDA_VISIBLE_DEVICES can hide GPUs"));
    }
    let device = CudaDevice::new_with_stream(ordinal).map_err(|e| first_line(&e.to_string()))?;
    let stream = device.cuda_stream();
    let context = stream.context();
    let capability = context.compute_capability().map_err(said)?;
    if capability < OLDEST {
        let (major, minor) = capability;
        return Err(format!("the GPU has compute capability {major}.{minor}, and 8.0 or later is needed"));
    }
    // SAFETY: the device has one stream; what others write is waited for explicitly (upload.rs).
    unsafe { device.disable_event_tracking() };
    if context.has_async_alloc() {
        keep_memory(ordinal).map_err(said)?;
    }
    Ok(Device::Cuda(device))
}

/// How many GPUs there are.
///
/// # Errors
/// What the driver says, in a sentence.
pub(crate) fn count() -> Result<usize, String> {
    let count = CudaContext::device_count();
    let count = count.map_err(|e| format!("the NVIDIA driver says: {}; nvidia-smi should list the GPU", said(e)))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// An error of the driver in its own words.
fn said(e: result::DriverError) -> String {
    e.error_string().map_or_else(|_| format!("{:?}", e.0), |text| text.to_string_lossy().into_owned())
}

/// Has the device's pool keep what is freed, instead of giving it back to the driver whenever somebody waits for the device.
fn keep_memory(ordinal: usize) -> Result<(), result::DriverError> {
    let pool = pool(ordinal)?;
    let all = u64::MAX;
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the attribute takes a u64, which lives until the call returns.
    unsafe { sys::cuMemPoolSetAttribute(pool, attribute, (&raw const all).cast_mut().cast()) }.result()
}

/// The pool that the device's memory comes from.
fn pool(ordinal: usize) -> Result<sys::CUmemoryPool, result::DriverError> {
    let device = result::device::get(i32::try_from(ordinal).unwrap_or(i32::MAX))?;
    let mut pool = std::ptr::null_mut();
    // SAFETY: the pointer is valid for the call.
    unsafe { sys::cuDeviceGetDefaultMemPool(&raw mut pool, device) }.result()?;
    Ok(pool)
}

/// Most bytes in use at one time since [`reset_peak`].
pub(crate) fn peak(device: &CudaDevice) -> candle_core::Result<u64> {
    let candle_core::DeviceLocation::Cuda { gpu_id } = device.location() else { return Ok(0) };
    let pool = pool(gpu_id).map_err(candle_core::Error::wrap)?;
    let mut bytes = 0u64;
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH;
    // SAFETY: the attribute is a u64, which the pointer is valid for.
    unsafe { sys::cuMemPoolGetAttribute(pool, attribute, (&raw mut bytes).cast()) }
        .result()
        .map_err(candle_core::Error::wrap)?;
    Ok(bytes)
}

/// Begins a new measurement of [`peak`].
pub(crate) fn reset_peak(device: &CudaDevice) -> candle_core::Result<()> {
    let candle_core::DeviceLocation::Cuda { gpu_id } = device.location() else { return Ok(()) };
    let pool = pool(gpu_id).map_err(candle_core::Error::wrap)?;
    let mut zero = 0u64;
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH;
    // SAFETY: the attribute takes a u64 that is 0.
    unsafe { sys::cuMemPoolSetAttribute(pool, attribute, (&raw mut zero).cast()) }
        .result()
        .map_err(candle_core::Error::wrap)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
