//! SL (eqs. 9 to 11): squared maximum mean discrepancy between the distributions of derivatives.

use candle_core::{Result, Tensor};

use crate::ops;

/// Scalar, not below 0. No gradient flows into `target`.
pub(super) fn loss(output: &Tensor, target: &Tensor) -> Result<Tensor> {
    ops::statistic_loss(output, target)
}
