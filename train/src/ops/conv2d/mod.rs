//! Convolution, stride 1.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::real::{check_weights, dims4, extents, filters, filters_gradient, rounded, with_real};
use super::{
    batch_norm::channel_means,
    format::Format,
    tape::{apply2, apply3, wanted},
};

/// Convolution (cross-correlation, as everywhere in deep learning) with stride 1 and zero padding.
///
/// `x` is N x C x H x W, `w` O x C x K x L, `bias` O; the result is N x O x (H + 2 `padding` - K + 1) x
/// (W + 2 `padding` - L + 1). For `bf16` images filters and bias may be `f32`: they are rounded, and their gradients are `f32`
/// again. Fails where the shapes do not fit or the filter is larger than the padded image.
pub fn conv2d(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, padding: usize) -> Result<Tensor> {
    in_format(Format::ChannelsFirst, x, w, bias, padding)
}

/// As [`conv2d`], of images and to results in an order that the device has.
pub(super) fn in_format(
    format: Format,
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    padding: usize,
) -> Result<Tensor> {
    let op = "conv2d";
    let ([_, c, height, width], (out, wc, kh, kw)) = (extents(op, x, format)?, dims4(op, "w", w)?);
    check_weights(op, x, &[("w", w)])?;
    if c != wc {
        bail!("{op}: x has {c} channels but the filters w {:?} take {wc}", w.dims());
    }
    if kh == 0 || kw == 0 || out == 0 || c == 0 {
        bail!("{op}: the filters w {:?} are empty", w.dims());
    }
    if height + 2 * padding < kh || width + 2 * padding < kw {
        bail!("{op}: a {kh} x {kw} filter does not fit an image of {height} x {width} with padding {padding}");
    }
    let (x, w) = (x.contiguous()?, w.contiguous()?);
    let rounded_bias = bias.map(|bias| rounded(&x, bias)).transpose()?.flatten();
    let op_ = Convolution { format, padding, filters: filters(&x, &w, format)?, bias: rounded_bias };
    match bias {
        None => apply2(&x, &w, op_),
        Some(bias) => {
            check_weights(op, &x, &[("bias", bias)])?;
            if bias.dims() != [out] {
                bail!("{op}: the bias must have the shape [{out}], not {:?}", bias.dims());
            }
            apply3(&x, &w, &bias.contiguous()?, op_)
        }
    }
}

struct Convolution {
    format: Format,
    padding: usize,
    /// The filters in the image's type and order, where theirs is another.
    filters: Option<Tensor>,
    /// The bias likewise.
    #[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "the CPU rounds it as it reads it"))]
    bias: Option<Tensor>,
}

impl Convolution {
    /// The extents of x under filters (O x C x K x L).
    fn geometry(&self, x: &[usize], w: &[usize]) -> Geometry {
        let [n, c, h, width] = self.format.extents([x[0], x[1], x[2], x[3]]);
        Geometry { format: self.format, n, c, h, w: width, out: w[0], kh: w[2], kw: w[3], padding: self.padding }
    }

    fn gradients(&self, x: &Tensor, w: &Tensor, g: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let geometry = self.geometry(x.dims(), w.dims());
        let filters = self.filters.as_ref().unwrap_or(w);
        let gx = wanted(x).then(|| g.apply_op2_no_bwd(filters, &InputGradient(geometry))).transpose()?;
        let gw = || filters_gradient(w, g.apply_op2_no_bwd(x, &FilterGradient(geometry))?, self.format);
        Ok((gx, wanted(w).then(gw).transpose()?))
    }
}

/// Extents of one convolution.
#[derive(Clone, Copy)]
struct Geometry {
    #[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "the CPU has one order"))]
    format: Format,
    n: usize,
    c: usize,
    h: usize,
    w: usize,
    out: usize,
    kh: usize,
    kw: usize,
    padding: usize,
}

impl Geometry {
    fn out_h(&self) -> usize {
        self.h + 2 * self.padding - self.kh + 1
    }

    fn out_w(&self) -> usize {
        self.w + 2 * self.padding - self.kw + 1
    }
}

impl CustomOp2 for Convolution {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, w: &CpuStorage, lw: &Layout) -> Result<(CpuStorage, Shape)> {
        let geometry = self.geometry(lx.dims(), lw.dims());
        with_real!("conv2d", [x, w], T => cpu::forward::<T>(geometry, (x, lx), (w, lw), None))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, lx: &Layout, w: &CudaStorage, lw: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda::forward(self, (x, lx), (w, lw), None)
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _: &Tensor, g: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        self.gradients(x, w, &g.contiguous()?)
    }
}

impl CustomOp3 for Convolution {
    fn name(&self) -> &'static str {
        "conv2d with bias"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
        bias: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let geometry = self.geometry(lx.dims(), lw.dims());
        with_real!("conv2d", [x, w, bias], T => cpu::forward::<T>(geometry, (x, lx), (w, lw), Some((bias, lb))))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        lx: &Layout,
        w: &CudaStorage,
        lw: &Layout,
        bias: &CudaStorage,
        lb: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        cuda::forward(self, (x, lx), (w, lw), Some((bias, lb)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let g = g.contiguous()?;
        let (gx, gw) = self.gradients(x, w, &g)?;
        let gb = wanted(bias).then(|| bias_gradient(self.format, &g)?.to_dtype(bias.dtype())).transpose()?;
        Ok((gx, gw, gb))
    }
}

/// The sum of each channel of the result's gradient.
fn bias_gradient(format: Format, g: &Tensor) -> Result<Tensor> {
    let [n, c, h, w] = extents("conv2d", g, format)?;
    let values = n * h * w;
    if !g.device().is_cuda() {
        return g.apply_op1_no_bwd(&BiasGradient);
    }
    if values == 0 {
        return Tensor::zeros(c, g.dtype(), g.device());
    }
    // Means times their number: the kernels of batch norm's statistics take every type in either order and add in f64, where
    // cuDNN's pass for biases may not take bf16.
    channel_means(format, g)? * values as f64
}

/// Gradient of the result to gradient of the bias, in `f64`.
struct BiasGradient;

impl CustomOp1 for BiasGradient {
    fn name(&self) -> &'static str {
        "conv2d bias gradient"
    }

    fn cpu_fwd(&self, g: &CpuStorage, lg: &Layout) -> Result<(CpuStorage, Shape)> {
        with_real!("conv2d", [g], T => cpu::bias_gradient::<T>((g, lg)))
    }
}

/// (gradient of the result, filters) to gradient of x.
struct InputGradient(Geometry);

impl CustomOp2 for InputGradient {
    fn name(&self) -> &'static str {
        "conv2d input gradient"
    }

    fn cpu_fwd(&self, g: &CpuStorage, lg: &Layout, w: &CpuStorage, lw: &Layout) -> Result<(CpuStorage, Shape)> {
        with_real!("conv2d", [g, w], T => cpu::input_gradient::<T>(self.0, (g, lg), (w, lw)))
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
        "conv2d filter gradient"
    }

    fn cpu_fwd(&self, g: &CpuStorage, lg: &Layout, x: &CpuStorage, lx: &Layout) -> Result<(CpuStorage, Shape)> {
        with_real!("conv2d", [g, x], T => cpu::filter_gradient::<T>(self.0, (g, lg), (x, lx)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, g: &CudaStorage, lg: &Layout, x: &CudaStorage, lx: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda::filter_gradient(self.0, (g, lg), (x, lx))
    }
}
