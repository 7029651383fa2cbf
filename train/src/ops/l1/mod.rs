//! Mean absolute difference.

#[cfg(feature = "cuda")]
mod plan;

use candle_core::{Device, Result, Tensor, bail};

use super::real::{check_same_shape, check_types, from_f64, to_f64};
use super::scalar::ScalarFn;
use super::tape::wanted;

/// Mean of |a - b| over all values, of any shape; the gradient is 0 where they are equal.
///
/// Fails where the shapes differ or are empty.
pub fn l1(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    check_types("l1", &[("a", a), ("b", b)])?;
    check_same_shape("l1", a, b)?;
    let count = a.elem_count() as f64;
    if a.elem_count() == 0 {
        bail!("l1: the mean over no value is not defined");
    }
    #[cfg(feature = "cuda")]
    if a.device().is_cuda() {
        let wanted = (wanted(a), wanted(b));
        let found = crate::cuda::machine::loss((a, b), wanted, |on, element, images, value, gradients| {
            plan::l1(on, element, a.elem_count(), images, value, gradients)
        })?;
        return ScalarFn { name: "l1", value: found.value, gradients: found.gradients }.record(a, b);
    }
    let difference: Vec<f64> = to_f64(a)?.iter().zip(to_f64(b)?).map(|(a, b)| a - b).collect();
    let value = Tensor::new(difference.iter().map(|d| d.abs()).sum::<f64>() / count, &Device::Cpu)?;
    let gradient = |sign: f64| {
        // The signum of 0 is taken as 0; NaN stays NaN.
        let slope = |d: &f64| if *d == 0.0 { 0.0 } else { sign * d.signum() / count };
        from_f64(difference.iter().map(slope).collect(), a)
    };
    let gradients = (wanted(a).then(|| gradient(1.0)).transpose()?, wanted(b).then(|| gradient(-1.0)).transpose()?);
    ScalarFn { name: "l1", value: value.to_dtype(a.dtype())?, gradients }.record(a, b)
}
