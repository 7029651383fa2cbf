//! Transposed convolution that doubles height and width.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

use super::real::{check_weights, dims4, extents, filters, filters_gradient, with_real};
use super::{
    format::Format,
    tape::{apply2, wanted},
};

/// Transposed convolution with 4 x 4 filters, stride 2 and padding 1: doubles H and W.
///
/// `x` is N x C x H x W, `w` C x O x 4 x 4 (PyTorch's order); the result is N x O x 2H x 2W. Output pixel (2i + a,
/// 2j + b) sees only 2 x 2 taps of the filter, so the operation is four 2 x 2 convolutions, one for each phase (a, b).
/// For `bf16` images the filters may be `f32`: they are rounded, and their gradient is `f32` again. Fails where the shapes do
/// not fit.
pub fn conv_transpose2d(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    in_format(Format::ChannelsFirst, x, w)
}

/// As [`conv_transpose2d`], of images and to results in an order that the device has.
pub(super) fn in_format(format: Format, x: &Tensor, w: &Tensor) -> Result<Tensor> {
    let op = "conv_transpose2d";
    let ([_, c, ..], (wc, _, kh, kw)) = (extents(op, x, format)?, dims4(op, "w", w)?);
    check_weights(op, x, &[("w", w)])?;
    if (kh, kw) != (4, 4) {
        bail!("{op}: the filters must be 4 x 4, not {kh} x {kw}");
    }
    if c != wc {
        bail!("{op}: x has {c} channels but the filters w {:?} take {wc}", w.dims());
    }
    let (x, w) = (x.contiguous()?, w.contiguous()?);
    let filters = filters(&x, &w, format)?;
    apply2(&x, &w, Transposed { format, filters })
}

/// Extents of one transposed convolution: x is `n` x `c` x `h` x `w`, the result `n` x `out` x 2`h` x 2`w`.
#[derive(Clone, Copy)]
struct Geometry {
    #[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "the CPU has one order"))]
    format: Format,
    n: usize,
    c: usize,
    h: usize,
    w: usize,
    out: usize,
}

struct Transposed {
    format: Format,
    /// The filters in the image's type and order, where theirs is another.
    filters: Option<Tensor>,
}

impl Transposed {
    fn geometry(&self, x: &[usize], w: &[usize]) -> Geometry {
        let [n, c, h, width] = self.format.extents([x[0], x[1], x[2], x[3]]);
        Geometry { format: self.format, n, c, h, w: width, out: w[1] }
    }
}

impl CustomOp2 for Transposed {
    fn name(&self) -> &'static str {
        "conv_transpose2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, w: &CpuStorage, lw: &Layout) -> Result<(CpuStorage, Shape)> {
        let geometry = self.geometry(lx.dims(), lw.dims());
        with_real!("conv_transpose2d", [x, w], T => cpu::forward::<T>(geometry, (x, lx), (w, lw)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, lx: &Layout, w: &CudaStorage, lw: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda::forward(self, (x, lx), (w, lw))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _: &Tensor, g: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (geometry, g) = (self.geometry(x.dims(), w.dims()), g.contiguous()?);
        let filters = self.filters.as_ref().unwrap_or(w);
        let gx = wanted(x).then(|| g.apply_op2_no_bwd(filters, &InputGradient(geometry))).transpose()?;
        let gw = || filters_gradient(w, g.apply_op2_no_bwd(x, &FilterGradient(geometry))?, self.format);
        Ok((gx, wanted(w).then(gw).transpose()?))
    }
}

/// (gradient of the result, filters) to gradient of x.
struct InputGradient(Geometry);

impl CustomOp2 for InputGradient {
    fn name(&self) -> &'static str {
        "conv_transpose2d input gradient"
    }

    fn cpu_fwd(&self, g: &CpuStorage, lg: &Layout, w: &CpuStorage, lw: &Layout) -> Result<(CpuStorage, Shape)> {
        with_real!("conv_transpose2d", [g, w], T => cpu::input_gradient::<T>(self.0, (g, lg), (w, lw)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, g: &CudaStorage, lg: &Layout, w: &CudaStorage, lw: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda::input_gradient(self.0, (g, lg), (w, lw))
    }
}

/// (gradient of the result, x) to gradient of the filters.
struct FilterGradient(Geometry);

impl CustomOp2 for FilterGradient {
    fn name(&self) -> &'static str {
        "conv_transpose2d filter gradient"
    }

    fn cpu_fwd(&self, g: &CpuStorage, lg: &Layout, x: &CpuStorage, lx: &Layout) -> Result<(CpuStorage, Shape)> {
        with_real!("conv_transpose2d", [g, x], T => cpu::filter_gradient::<T>(self.0, (g, lg), (x, lx)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, g: &CudaStorage, lg: &Layout, x: &CudaStorage, lx: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda::filter_gradient(self.0, (g, lg), (x, lx))
    }
}
