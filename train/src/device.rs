//! Devices by name, and what differs between them. Nothing falls back: a device that is not there is an error.

use candle_core::{DType, Device, TensorId};
use manifests::run::Precision;

use crate::{Error, data::Batch, memory};

/// `cpu` or `cuda:N`.
///
/// # Errors
/// A name that is neither, or a device that this build or machine does not have.
pub fn parse(name: &str) -> Result<Device, Error> {
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

/// Sets the arithmetic of convolutions of `f32` tensors on a device. (`bf16` is a matter of the forward pass.)
///
/// # Errors
/// TF32 on the CPU.
pub(crate) fn set_precision(device: &Device, precision: Precision) -> Result<(), Error> {
    match device {
        Device::Cpu if precision != Precision::Tf32 => Ok(()),
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => {
            crate::cuda::state::of(device)?.allow_tf32(precision == Precision::Tf32);
            Ok(())
        }
        _ => Err(Error::input("precision: tf32 needs a GPU: use f32 or bf16, or --device cuda:0")),
    }
}

/// How batches get to a device: to a GPU beside the arithmetic of the step before.
pub(crate) struct Carrier {
    device: Device,
    /// What was carried before it was asked for, by the mixture that it is a copy of.
    ahead: Option<(TensorId, Batch)>,
    #[cfg(feature = "cuda")]
    upload: Option<crate::cuda::Upload>,
}

impl Carrier {
    /// The way to a device.
    ///
    /// # Errors
    /// What the device answers.
    pub(crate) fn new(device: &Device) -> Result<Self, Error> {
        Ok(Self {
            device: device.clone(),
            ahead: None,
            #[cfg(feature = "cuda")]
            upload: if let Device::Cuda(device) = device { Some(crate::cuda::Upload::new(device)?) } else { None },
        })
    }

    /// A batch of the loader's, on the device.
    ///
    /// # Errors
    /// What the device answers.
    pub(crate) fn carry(&mut self, batch: &Batch) -> Result<Batch, Error> {
        match self.ahead.take() {
            Some((mixture, there)) if mixture == batch.mixture.id() => Ok(there),
            _ => self.bring(batch),
        }
    }

    /// Carries the batch that will be asked for next, while the device computes.
    ///
    /// # Errors
    /// What the device answers.
    pub(crate) fn carry_ahead(&mut self, batch: &Batch) -> Result<(), Error> {
        self.ahead = Some((batch.mixture.id(), self.bring(batch)?));
        Ok(())
    }

    fn bring(&mut self, batch: &Batch) -> Result<Batch, Error> {
        #[cfg(feature = "cuda")]
        if let Some(upload) = &mut self.upload {
            return Ok(Batch {
                samples: batch.samples.clone(),
                mixture: upload.tensor(&batch.mixture)?,
                background: upload.tensor(&batch.background)?,
                reflection: upload.tensor(&batch.reflection)?,
            });
        }
        batch.to(DType::F32, &self.device)
    }
}

/// Begins to measure a device's largest memory; the CPU's is measured from the process's start.
///
/// # Errors
/// What the device answers.
pub(crate) fn reset_peak(device: &Device) -> Result<(), Error> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => Ok(crate::cuda::reset_peak(device)?),
        _ => Ok(()),
    }
}

/// Most MiB in use at one time: of a GPU's by this program since [`reset_peak`], else of the process, where the system says.
///
/// # Errors
/// What the device answers.
pub(crate) fn peak_mib(device: &Device) -> Result<Option<u64>, Error> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => Ok(Some(crate::cuda::peak(device)? >> 20)),
        _ => Ok(process_peak_mib()),
    }
}

/// MiB for a record of the metrics: of a GPU the most that this program has used so far, else what the process holds now.
///
/// # Errors
/// What the device answers.
pub(crate) fn memory_mib(device: &Device) -> Result<Option<u64>, Error> {
    match device {
        Device::Cpu => Ok(memory::in_use().map(|bytes| bytes >> 20)),
        _ => peak_mib(device),
    }
}

/// What a GPU calls itself; none for the CPU.
///
/// # Errors
/// What the device answers.
pub(crate) fn gpu_name(device: &Device) -> Result<Option<String>, Error> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => {
            let name = device.cuda_stream().context().name();
            Ok(Some(name.map_err(|e| Error::Failed(format!("the GPU's name: {e}")))?))
        }
        _ => Ok(None),
    }
}

fn process_peak_mib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_device_is_refused_in_a_sentence() {
        assert!(parse("cpu").is_ok_and(|device| device.is_cpu()));
        for name in ["", "gpu", "cuda", "cuda:", "cuda:-1", "cuda:x", "CPU"] {
            let text = parse(name).map(|_| ()).unwrap_err().to_string();
            assert!(text.contains("is not a device") && text.lines().count() == 1, "{text}");
        }
        #[cfg(not(feature = "cuda"))]
        assert!(parse("cuda:0").map(|_| ()).unwrap_err().to_string().contains("this build of train has no CUDA"));
    }

    #[test]
    fn the_cpu_has_no_tf32() {
        for precision in [Precision::F32, Precision::Bf16] {
            assert!(set_precision(&Device::Cpu, precision).is_ok());
        }
        assert!(set_precision(&Device::Cpu, Precision::Tf32).unwrap_err().to_string().contains("needs a GPU"));
    }
}
