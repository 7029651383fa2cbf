//! Functions of two images with a scalar value whose gradient is computed along with it.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
#[cfg(feature = "cuda")]
use candle_core::{CudaStorage, backend::BackendStorage};

use super::pointwise::times;
use super::tape::apply2;

/// A value at given arguments, with the gradients that were asked for.
pub(super) struct ScalarFn {
    pub(super) name: &'static str,
    /// Value, a tensor of no dimension in the arguments' type, where they are.
    pub(super) value: Tensor,
    /// Gradients of the two arguments; `None` where the argument takes none.
    pub(super) gradients: (Option<Tensor>, Option<Tensor>),
}

impl ScalarFn {
    /// Puts the value on the tape as a function of `a` and `b`.
    pub(super) fn record(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        apply2(a, b, self)
    }
}

impl CustomOp2 for ScalarFn {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let (storage, _) = self.value.storage_and_layout();
        match &*storage {
            candle_core::Storage::Cpu(storage) => Ok((storage.clone(), Shape::from(()))),
            _ => candle_core::bail!("{}: the value is not on the CPU", self.name),
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        let (storage, layout) = self.value.storage_and_layout();
        match &*storage {
            candle_core::Storage::Cuda(storage) => Ok((storage.try_clone(layout)?, Shape::from(()))),
            _ => candle_core::bail!("{}: the value is not on the GPU", self.name),
        }
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor, g: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let scaled = |t: &Option<Tensor>| t.as_ref().map(|t| times(t, g)).transpose();
        Ok((scaled(&self.gradients.0)?, scaled(&self.gradients.1)?))
    }
}
