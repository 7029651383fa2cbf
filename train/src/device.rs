//! Devices by name. Nothing falls back: a device that is not there is an error.

use candle_core::Device;

use crate::Error;

/// `cpu` or `cuda:N`.
///
/// # Errors
/// A name that is neither, or a device that this build or machine does not have.
pub(crate) fn parse(name: &str) -> Result<Device, Error> {
    if name == "cpu" {
        return Ok(Device::Cpu);
    }
    match name.strip_prefix("cuda:").map(str::parse::<usize>) {
        Some(Ok(ordinal)) => cuda(name, ordinal),
        _ => Err(Error::input(format!("`{name}` is not a device: cpu, or cuda:0, cuda:1, ..."))),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda(name: &str, _: usize) -> Result<Device, Error> {
    Err(Error::input(format!(
        "device {name}: this build of train has no CUDA; use --device cpu, or a build for NVIDIA GPUs (./dev cuda)"
    )))
}

#[cfg(feature = "cuda")]
fn cuda(name: &str, ordinal: usize) -> Result<Device, Error> {
    crate::cuda::open(ordinal).map_err(|e| Error::input(format!("device {name}: {e}")))
}
