//! Max pooling.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "cuda")]
mod plan;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};

use super::real::{check_types, extents, with_real};
use super::{format::Format, tape::apply1};

/// Maximum of each 2 x 2 block; N x C x H x W gives N x C x H/2 x W/2, a last odd row or column is dropped.
///
/// As in PyTorch the gradient goes to the first maximum of the block in row-major order, and NaN counts as larger than
/// any number. Fails where H or W is below 2.
pub fn max_pool2x2(x: &Tensor) -> Result<Tensor> {
    in_format(Format::ChannelsFirst, x)
}

/// As [`max_pool2x2`], of images and to results in an order that the device has.
pub(super) fn in_format(format: Format, x: &Tensor) -> Result<Tensor> {
    let [_, _, h, w] = extents("max_pool2x2", x, format)?;
    check_types("max_pool2x2", &[("x", x)])?;
    if h < 2 || w < 2 {
        bail!("max_pool2x2: an image of {h} x {w} has no 2 x 2 block");
    }
    apply1(&x.contiguous()?, MaxPool(format))
}

struct MaxPool(Format);

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool2x2"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout) -> Result<(CpuStorage, Shape)> {
        with_real!("max_pool2x2", [x], T => cpu::forward::<T>((x, lx)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, lx: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda::forward(self.0, (x, lx))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        x.apply_op2_no_bwd(&g.contiguous()?, &InputGradient(self.0)).map(Some)
    }
}

/// (x, gradient of the result) to gradient of x.
struct InputGradient(#[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "the CPU has one order"))] Format);

impl CustomOp2 for InputGradient {
    fn name(&self) -> &'static str {
        "max_pool2x2 gradient"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, g: &CpuStorage, lg: &Layout) -> Result<(CpuStorage, Shape)> {
        with_real!("max_pool2x2", [x, g], T => cpu::input_gradient::<T>((x, lx), (g, lg)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, lx: &Layout, g: &CudaStorage, lg: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda::input_gradient(self.0, (x, lx), (g, lg))
    }
}
