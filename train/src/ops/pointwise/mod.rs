//! ReLU and absolute value, and products with one factor.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "cuda")]
mod plan;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

use super::real::{check_types, with_real};
use super::tape::apply1;

/// `max(x, 0)`, of any shape. The gradient at 0 is 0, as in PyTorch (Candle's own has 1).
pub fn relu(x: &Tensor) -> Result<Tensor> {
    apply(x, Pointwise::Relu)
}

/// `|x|`, of any shape. The gradient at 0 is 0, as in PyTorch (Candle's own has 1).
pub fn abs(x: &Tensor) -> Result<Tensor> {
    apply(x, Pointwise::Abs)
}

/// Contiguous values times `factor`, a tensor of one value, for gradients: the result has no history.
pub(super) fn times(x: &Tensor, factor: &Tensor) -> Result<Tensor> {
    // Candle's way sends strides to a GPU for each product.
    #[cfg(feature = "cuda")]
    if x.device().is_cuda() {
        return cuda::times(x, factor);
    }
    x.broadcast_mul(factor)
}

fn apply(x: &Tensor, op: Pointwise) -> Result<Tensor> {
    check_types(op.name(), &[("x", x)])?;
    apply1(&x.contiguous()?, op)
}

#[derive(Clone, Copy)]
enum Pointwise {
    Relu,
    Abs,
}

impl CustomOp1 for Pointwise {
    fn name(&self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Abs => "abs",
        }
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout) -> Result<(CpuStorage, Shape)> {
        with_real!(self.name(), [x], T => cpu::forward::<T>(*self, (x, lx)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, lx: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda::forward(*self, (x, lx))
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        let known = if matches!(self, Self::Abs) { x } else { y };
        known.apply_op2_no_bwd(&g.contiguous()?, &Gradient(*self)).map(Some)
    }
}

/// (x for the absolute value, else the result; gradient of the result) to gradient of x.
struct Gradient(Pointwise);

impl CustomOp2 for Gradient {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn cpu_fwd(&self, v: &CpuStorage, lv: &Layout, g: &CpuStorage, lg: &Layout) -> Result<(CpuStorage, Shape)> {
        with_real!(self.name(), [v, g], T => cpu::gradient::<T>(self.0, (v, lv), (g, lg)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, v: &CudaStorage, lv: &Layout, g: &CudaStorage, lg: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda::gradient(self.0, (v, lv), (g, lg))
    }
}
