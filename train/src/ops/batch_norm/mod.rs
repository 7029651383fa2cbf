//! Batch normalisation, with the ReLU that follows it.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "cuda")]
mod plan;
#[cfg(feature = "cuda")]
mod plan_last;
mod running;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};

pub use running::BatchStats;

use super::real::{check_weights, extents, with_real};
use super::{
    format::Format,
    tape::{apply3, wanted},
};

/// Normalises with the batch's own mean and biased variance, then scales, shifts and, with `relu`, cuts at 0.
///
/// `x` is N x C x H x W, `gamma` and `beta` are C: `y = gamma (x - mean) / sqrt(var + eps) + beta` (Ioffe and Szegedy
/// 2015, algorithm 1). Gradients flow to all three, through the statistics too. The sums run in `f64`.
/// Fails where the shapes do not fit or a channel has no value.
pub fn batch_norm_train(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
    relu: bool,
) -> Result<(Tensor, BatchStats)> {
    train_in_format(Format::ChannelsFirst, x, gamma, beta, eps, relu)
}

/// As [`batch_norm_train`], of images and to results in an order that the device has.
pub(super) fn train_in_format(
    format: Format,
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
    relu: bool,
) -> Result<(Tensor, BatchStats)> {
    let [n, _, h, w] = check("batch_norm_train", x, format, &[("gamma", gamma), ("beta", beta)])?;
    if n * h * w == 0 {
        bail!("batch_norm_train: x {:?} holds no value to take statistics of", x.dims());
    }
    let x = x.contiguous()?;
    let stats = x.apply_op1_no_bwd(&Moments(format))?;
    let batch = BatchStats { stats: stats.clone(), count: n * h * w };
    let op = BatchNorm { format, stats, eps, relu, training: true };
    Ok((apply3(&x, &gamma.contiguous()?, &beta.contiguous()?, op)?, batch))
}

/// Normalises with running statistics instead of the batch's; otherwise as [`batch_norm_train`].
///
/// `running_mean` and `running_var` are C and take no gradient.
pub fn batch_norm_eval(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    running_mean: &Tensor,
    running_var: &Tensor,
    eps: f64,
    relu: bool,
) -> Result<Tensor> {
    eval_in_format(Format::ChannelsFirst, x, gamma, beta, (running_mean, running_var), eps, relu)
}

/// As [`batch_norm_eval`], of images and to results in an order that the device has.
pub(super) fn eval_in_format(
    format: Format,
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    (running_mean, running_var): (&Tensor, &Tensor),
    eps: f64,
    relu: bool,
) -> Result<Tensor> {
    let named = [("gamma", gamma), ("beta", beta), ("running_mean", running_mean), ("running_var", running_var)];
    check("batch_norm_eval", x, format, &named)?;
    let stats = Tensor::cat(&[running_mean, running_var], 0)?.to_dtype(DType::F64)?.detach();
    let op = BatchNorm { format, stats, eps, relu, training: false };
    apply3(&x.contiguous()?, &gamma.contiguous()?, &beta.contiguous()?, op)
}

/// The mean of each channel of an image, C values in `f64`.
pub(super) fn channel_means(format: Format, x: &Tensor) -> Result<Tensor> {
    let stats = x.apply_op1_no_bwd(&Moments(format))?;
    stats.narrow(0, 0, stats.elem_count() / 2)
}

fn check(op: &str, x: &Tensor, format: Format, by_channel: &[(&str, &Tensor)]) -> Result<[usize; 4]> {
    let dims = extents(op, x, format)?;
    for (name, t) in by_channel {
        check_weights(op, x, &[(name, t)])?;
        if x.dtype() == DType::BF16 && t.dtype() != DType::F32 {
            bail!("{op}: {name} must be f32 beside images in bf16, not {:?}", t.dtype());
        }
        if t.dims() != [dims[1]] {
            bail!("{op}: {name} must have the shape [{}], one value a channel of x, not {:?}", dims[1], t.dims());
        }
    }
    Ok(dims)
}

/// x to 2C values in `f64`: the mean of each channel, then the biased variance of each.
struct Moments(#[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "the CPU has one order"))] Format);

impl CustomOp1 for Moments {
    fn name(&self) -> &'static str {
        "batch norm statistics"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout) -> Result<(CpuStorage, Shape)> {
        with_real!("batch_norm", [x], T => cpu::moments::<T>((x, lx)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, lx: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda::moments(self.0, (x, lx))
    }
}

#[derive(Clone)]
struct BatchNorm {
    #[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "the CPU has one order"))]
    format: Format,
    /// As [`Moments`] gives them.
    stats: Tensor,
    eps: f64,
    relu: bool,
    /// Whether the statistics are the batch's own, so that gradients flow through them.
    training: bool,
}

impl CustomOp3 for BatchNorm {
    fn name(&self) -> &'static str {
        "batch norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        gamma: &CpuStorage,
        lg: &Layout,
        beta: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        with_real!("batch_norm", [x], T => cpu::forward::<T>(self, (x, lx), (gamma, lg), (beta, lb)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        lx: &Layout,
        gamma: &CudaStorage,
        lg: &Layout,
        beta: &CudaStorage,
        lb: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        cuda::forward(self, (x, lx), (gamma, lg), (beta, lb))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        y: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (g, c) = (g.contiguous()?, gamma.elem_count());
        let sums = g.apply_op3_no_bwd(x, y, &GradientSums { norm: self, gamma, beta })?;
        let part = |i: usize| sums.narrow(0, i * c, c)?.to_dtype(gamma.dtype());
        let (gbeta, ggamma) = (part(0)?, part(1)?);
        let op = InputGradient { norm: self, gamma, beta, sums: &sums };
        let gx = wanted(x).then(|| g.apply_op3_no_bwd(x, y, &op)).transpose()?;
        Ok((gx, wanted(gamma).then_some(ggamma), wanted(beta).then_some(gbeta)))
    }
}

/// (gradient of the result, x, result) to 2C values in `f64`, on a GPU in gamma's type: the gradient of beta, then that of
/// gamma.
struct GradientSums<'a> {
    norm: &'a BatchNorm,
    #[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "a GPU computes the mask again"))]
    gamma: &'a Tensor,
    #[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "as above"))]
    beta: &'a Tensor,
}

impl CustomOp3 for GradientSums<'_> {
    fn name(&self) -> &'static str {
        "batch norm gradient sums"
    }

    fn cpu_fwd(
        &self,
        g: &CpuStorage,
        lg: &Layout,
        x: &CpuStorage,
        lx: &Layout,
        y: &CpuStorage,
        ly: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        with_real!("batch_norm", [x, g, y], T => cpu::gradient_sums::<T>(self.norm, (g, lg), (x, lx), (y, ly)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        g: &CudaStorage,
        lg: &Layout,
        x: &CudaStorage,
        lx: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        cuda::gradient_sums(self, (g, lg), (x, lx))
    }
}

/// (gradient of the result, x, result) to the gradient of x.
struct InputGradient<'a> {
    norm: &'a BatchNorm,
    gamma: &'a Tensor,
    #[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "a GPU computes the mask again"))]
    beta: &'a Tensor,
    sums: &'a Tensor,
}

impl CustomOp3 for InputGradient<'_> {
    fn name(&self) -> &'static str {
        "batch norm input gradient"
    }

    fn cpu_fwd(
        &self,
        g: &CpuStorage,
        lg: &Layout,
        x: &CpuStorage,
        lx: &Layout,
        y: &CpuStorage,
        ly: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        with_real!("batch_norm", [x, g, y], T => cpu::input_gradient::<T>(self, (g, lg), (x, lx), (y, ly)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        g: &CudaStorage,
        lg: &Layout,
        x: &CudaStorage,
        lx: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        cuda::input_gradient(self, (g, lg), (x, lx))
    }
}
