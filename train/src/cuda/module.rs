//! Kernels by name, from code that the program carries along.

use std::sync::Arc;

use candle_core::Result;
use candle_core::cuda_backend::CudaDevice;
use candle_core::cuda_backend::cudarc::driver::{CudaFunction, CudaStream, LaunchArgs};

use super::state;

/// A file of kernels, compiled by `build.rs`.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: &'static str,
    /// A fat binary.
    pub(crate) code: &'static [u8],
}

/// The [`Module`] of `src/ops/NAME/kernels.cu`, or of `NAME.cu` in any folder of kernels.
macro_rules! module {
    ($name:literal) => {
        $crate::cuda::Module { name: $name, code: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".fatbin")) }
    };
}
pub(crate) use module;

/// A kernel on a device.
pub(crate) struct Kernel {
    function: CudaFunction,
    stream: Arc<CudaStream>,
}

impl Module {
    /// One of the module's kernels; the first one loads the module.
    ///
    /// # Errors
    /// A device that cannot run the code, or a name that the module does not have.
    pub(crate) fn kernel(&self, device: &CudaDevice, name: &str) -> Result<Kernel> {
        let module = state::of(device)?.module(self)?;
        let failed = |e| candle_core::Error::Msg(format!("the kernel {name} of {}: {e}", self.name));
        Ok(Kernel { function: module.load_function(name).map_err(failed)?, stream: device.cuda_stream() })
    }
}

impl Kernel {
    /// A launch on the device's stream, to add arguments to.
    pub(crate) fn args(&self) -> LaunchArgs<'_> {
        self.stream.launch_builder(&self.function)
    }
}
