//! Structural similarity and the structure index.

mod cpu;
#[cfg(feature = "cuda")]
mod plan;

use candle_core::{Device, Result, Tensor, bail};

use super::real::{check_same_shape, check_types, dims4, from_f64, to_f64};
use super::scalar::ScalarFn;
use super::tape::wanted;

/// Mean SSIM of two images (Wang et al. 2004, equation 13) with an 11 x 11 Gaussian window of sigma 1.5, zero padding,
/// biased moments and C1 = 0.01^2, C2 = 0.03^2: values in [0, 1] are expected.
///
/// `a` and `b` are N x C x H x W; every channel counts alike. Differentiable in both. The moments and the gradient are
/// computed in `f64` for both types, the gradient in closed form with the value. Fails where the shapes differ.
pub fn ssim(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    similarity("ssim", cpu::Index::Ssim, a, b)
}

/// Mean structure index (CoRRN, equation 7): SSIM without its luminance factor; otherwise as [`ssim`].
pub fn structure_index(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    similarity("structure_index", cpu::Index::Structure, a, b)
}

fn similarity(op: &'static str, index: cpu::Index, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = dims4(op, "a", a)?;
    check_types(op, &[("a", a), ("b", b)])?;
    check_same_shape(op, a, b)?;
    if a.elem_count() == 0 {
        bail!("{op}: the mean over no pixel is not defined");
    }
    let wanted = (wanted(a), wanted(b));
    #[cfg(feature = "cuda")]
    if a.device().is_cuda() {
        let kernel = match index {
            cpu::Index::Ssim => "ssim",
            cpu::Index::Structure => "structure",
        };
        let found = crate::cuda::machine::loss((a, b), wanted, |on, element, (a, b), value, gradients| {
            plan::similarity(on, kernel, &plan::Images { element, planes: n * c, h, w, a, b }, value, gradients)
        })?;
        return ScalarFn { name: op, value: found.value, gradients: found.gradients }.record(a, b);
    }
    let found = cpu::similarity(index, (n * c, h, w), &to_f64(a)?, &to_f64(b)?, wanted);
    let value = Tensor::new(found.value, &Device::Cpu)?.to_dtype(a.dtype())?;
    let tensor = |g: Option<Vec<f64>>| g.map(|g| from_f64(g, a)).transpose();
    ScalarFn { name: op, value, gradients: (tensor(found.ga)?, tensor(found.gb)?) }.record(a, b)
}
