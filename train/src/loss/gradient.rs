//! 1 - SI (eqs. 7 and 8) between GdecN's output and the Sobel magnitude of the true background.

use candle_core::{Result, Tensor};

use crate::ops;

/// Scalar, from 0 to 2. `gradient` is N x 1 x H x W, `background` N x 3 x H x W.
pub(super) fn loss(gradient: &Tensor, background: &Tensor) -> Result<Tensor> {
    let target = ops::sobel_magnitude(background)?;
    1.0 - ops::structure_index(gradient, &target)?
}
