//! L1: mean absolute difference, which keeps flat regions' colours.

use candle_core::{Result, Tensor};

use crate::ops;

/// Scalar, not below 0.
pub(super) fn loss(output: &Tensor, target: &Tensor) -> Result<Tensor> {
    ops::l1(output, target)
}
