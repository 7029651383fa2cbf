//! Images and filters from one order of their values to the other, and from one type to another on the way.

#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "cuda")]
mod plan;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, bail};

use super::tape::{apply, apply1};

/// N x C x H x W to N x H x W x C, in type `to`. Filters alike: O x C x K x L to O x K x L x C.
pub(crate) fn to_last(x: &Tensor, to: DType) -> Result<Tensor> {
    Reorder { last: true, to }.apply(x)
}

/// N x H x W x C to N x C x H x W, in type `to`.
pub(crate) fn to_first(x: &Tensor, to: DType) -> Result<Tensor> {
    Reorder { last: false, to }.apply(x)
}

/// [`to_first`] of a contiguous tensor's storage.
#[cfg(feature = "cuda")]
pub(crate) fn to_first_on_gpu(x: (&CudaStorage, &Layout), to: DType) -> Result<(CudaStorage, Shape)> {
    cuda::reorder(Reorder { last: false, to }, x)
}

/// [`to_last`] likewise.
#[cfg(feature = "cuda")]
pub(crate) fn to_last_on_gpu(x: (&CudaStorage, &Layout), to: DType) -> Result<(CudaStorage, Shape)> {
    cuda::reorder(Reorder { last: true, to }, x)
}

#[derive(Clone, Copy)]
struct Reorder {
    /// Whether channels go to the end, or come from there.
    last: bool,
    to: DType,
}

impl Reorder {
    fn apply(self, x: &Tensor) -> Result<Tensor> {
        if x.device().is_cuda() {
            return apply1(&x.contiguous()?, self);
        }
        let back = move |of: &[Tensor], _: &Tensor, g: &Tensor| Ok(vec![Some(self.back(&of[0]).permuted(g)?)]);
        apply(&[x], || self.permuted(x), back)
    }

    /// From the result to the gradient of x.
    fn back(self, x: &Tensor) -> Self {
        Self { last: !self.last, to: x.dtype() }
    }

    /// By Candle, in two passes.
    fn permuted(self, x: &Tensor) -> Result<Tensor> {
        let order = if self.last { [0, 2, 3, 1] } else { [0, 3, 1, 2] };
        x.permute(order)?.to_dtype(self.to)?.contiguous()
    }
}

impl CustomOp1 for Reorder {
    fn name(&self) -> &'static str {
        "reorder"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        bail!("reorder: Candle does this on the CPU")
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, lx: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda::reorder(*self, (x, lx))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        g.contiguous()?.apply_op1_no_bwd(&self.back(x)).map(Some)
    }
}
