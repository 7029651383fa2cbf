//! What is kept for each device while the program runs.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use candle_core::Result;
use candle_core::cuda_backend::cudarc::driver::CudaModule;
use candle_core::cuda_backend::cudarc::nvrtc::Ptx;
use candle_core::cuda_backend::{CudaDevice, DeviceId};

use super::Module;

/// What one device keeps.
pub(crate) struct State {
    device: CudaDevice,
    modules: Mutex<HashMap<&'static str, Arc<CudaModule>>>,
}

static STATES: LazyLock<Mutex<HashMap<DeviceId, Arc<State>>>> = LazyLock::new(Mutex::default);

/// The state of a device, which the first call makes.
pub(crate) fn of(device: &CudaDevice) -> Result<Arc<State>> {
    let mut states = STATES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(state) = states.get(&device.id()) {
        return Ok(state.clone());
    }
    let state = Arc::new(State { device: device.clone(), modules: Mutex::default() });
    states.insert(device.id(), state.clone());
    Ok(state)
}

impl State {
    /// A module's code on the device, loaded at the first call.
    pub(super) fn module(&self, module: &Module) -> Result<Arc<CudaModule>> {
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
