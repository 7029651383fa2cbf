//! 1 - SSIM (eqs. 4 and 5): 11x11 Gaussian window, sigma 1.5, zero padding, biased moments.

use candle_core::{Result, Tensor};

use crate::ops;

/// Scalar, from 0 (equal) to 2.
pub(super) fn loss(output: &Tensor, target: &Tensor) -> Result<Tensor> {
    1.0 - ops::ssim(output, target)?
}
