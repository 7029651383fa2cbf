//! The statistic loss: how the distribution of an image's derivatives differs from the target's.

mod cpu;
#[cfg(feature = "cuda")]
mod plan;

pub use cpu::{mmd_exact, mmd_spectral};

use candle_core::{Device, Result, Tensor, bail};

use super::real::{check_same_shape, check_types, dims4, from_f64, to_f64};
use super::scalar::ScalarFn;
use super::tape::wanted;

/// Statistic loss of `a` against `target` (CoRRN, equations 10 and 11).
///
/// Both are N x 3 x H x W. The luma's horizontal and vertical differences pass a softmax over all pixels, times the
/// pixel count less 1, and the squared maximum mean discrepancy between the two samples (equation 9) is averaged over
/// the batch and added over the two directions. It is computed in its spectral form ([`mmd_spectral`]), in `f64` for both
/// types; the gradient, in closed form, flows to `a` alone. Fails where the shapes differ, the images are not RGB or a
/// side is below 2.
pub fn statistic_loss(a: &Tensor, target: &Tensor) -> Result<Tensor> {
    let op = "statistic_loss";
    let (n, c, h, w) = dims4(op, "a", a)?;
    check_types(op, &[("a", a), ("target", target)])?;
    check_same_shape(op, a, target)?;
    if c != 3 || n == 0 || h < 2 || w < 2 {
        bail!("{op}: RGB images N x 3 x H x W of at least 2 x 2 are wanted, not {:?}", a.dims());
    }
    #[cfg(feature = "cuda")]
    if a.device().is_cuda() {
        let wanted = (wanted(a), false);
        let found = crate::cuda::machine::loss((a, target), wanted, |on, element, images, value, (gradient, _)| {
            plan::loss(on, element, (n, h, w), images, value, gradient)
        })?;
        return ScalarFn { name: op, value: found.value, gradients: found.gradients }.record(a, target);
    }
    let (value, gradient) = cpu::loss((n, h, w), &to_f64(a)?, &to_f64(target)?, wanted(a));
    let value = Tensor::new(value, &Device::Cpu)?.to_dtype(a.dtype())?;
    let gradient = gradient.map(|g| from_f64(g, a)).transpose()?;
    ScalarFn { name: op, value, gradients: (gradient, None) }.record(a, target)
}
