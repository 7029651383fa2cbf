//! What is kept for each device while the program runs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use candle_core::Result;
use candle_core::cuda_backend::cudarc::driver::{CudaFunction, CudaModule};
use candle_core::cuda_backend::cudarc::nvrtc::Ptx;
use candle_core::cuda_backend::{CudaDevice, DeviceId};

use super::Module;
use super::cudnn::Convolutions;
use super::plan::{Element, full_name};

/// A kernel: its module, its name without its element, and its element.
type Name = (&'static str, &'static str, Option<Element>);

/// What one device keeps.
pub(crate) struct State {
    device: CudaDevice,
    modules: Mutex<HashMap<&'static str, Arc<CudaModule>>>,
    /// Looking one up in its module costs as much as launching it.
    kernels: Mutex<HashMap<Name, CudaFunction>>,
    convolutions: Mutex<Option<Convolutions>>,
    tf32: AtomicBool,
}

static STATES: LazyLock<Mutex<HashMap<DeviceId, Arc<State>>>> = LazyLock::new(Mutex::default);

/// The state of a device, which the first call makes.
pub(crate) fn of(device: &CudaDevice) -> Result<Arc<State>> {
    let mut states = STATES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(state) = states.get(&device.id()) {
        return Ok(state.clone());
    }
    let state = Arc::new(State {
        device: device.clone(),
        modules: Mutex::default(),
        kernels: Mutex::default(),
        convolutions: Mutex::default(),
        tf32: AtomicBool::new(false),
    });
    states.insert(device.id(), state.clone());
    Ok(state)
}

impl State {
    /// Runs `f` with the device's cuDNN, which the first call starts.
    pub(crate) fn convolutions<R>(&self, f: impl FnOnce(&mut Convolutions) -> Result<R>) -> Result<R> {
        let mut convolutions = self.convolutions.lock().unwrap_or_else(PoisonError::into_inner);
        if convolutions.is_none() {
            *convolutions = Some(Convolutions::new(self.device.cuda_stream())?);
        }
        match convolutions.as_mut() {
            Some(convolutions) => f(convolutions),
            None => candle_core::bail!("cuDNN has not started"),
        }
    }

    /// Whether convolutions of `f32` tensors may round their factors to TF32.
    pub(crate) fn tf32(&self) -> bool {
        self.tf32.load(Ordering::Relaxed)
    }

    /// Lets convolutions of `f32` tensors round their factors to TF32, or not.
    pub(crate) fn allow_tf32(&self, allowed: bool) {
        self.tf32.store(allowed, Ordering::Relaxed);
    }

    /// One of a module's kernels.
    pub(super) fn kernel(
        &self,
        module: &Module,
        kernel: &'static str,
        element: Option<Element>,
    ) -> Result<CudaFunction> {
        let key = (module.name, kernel, element);
        let mut kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = kernels.get(&key) {
            return Ok(there.clone());
        }
        let name = full_name(kernel, element);
        let failed = |e| candle_core::Error::Msg(format!("the kernel {name} of {}: {e}", module.name));
        let function = self.module(module)?.load_function(&name).map_err(failed)?;
        kernels.insert(key, function.clone());
        Ok(function)
    }

    /// A module's code on the device, loaded at the first call.
    fn module(&self, module: &Module) -> Result<Arc<CudaModule>> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = modules.get(module.name) {
            return Ok(loaded.clone());
        }
        let stream = self.device.cuda_stream();
        let loaded = stream.context().load_module(Ptx::from_binary(module.code.to_vec()));
        let loaded = loaded.map_err(|e| {
            candle_core::Error::Msg(format!(
                "the kernels of {} do not load ({e}): a GPU of compute capability 8.0 or later \
                 and a driver for CUDA 13 are needed",
                module.name
            ))
        })?;
        modules.insert(module.name, loaded.clone());
        Ok(loaded)
    }
}
