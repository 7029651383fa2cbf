//! What the network needs of Candle's own operations, on either tape.

use candle_core::{DType, Result, Tensor};

use super::tape::{apply, wanted};

/// The same values in another type.
pub(crate) fn cast(x: &Tensor, dtype: DType) -> Result<Tensor> {
    if x.dtype() == dtype {
        return Ok(x.clone());
    }
    apply(&[x], || x.to_dtype(dtype), |of, _, g| Ok(vec![Some(g.to_dtype(of[0].dtype())?)]))
}

/// 1 / (1 + exp(-x)).
pub(crate) fn sigmoid(x: &Tensor) -> Result<Tensor> {
    apply(&[x], || candle_nn::ops::sigmoid(x), |_, y, g| Ok(vec![Some((g * (y * y.affine(-1.0, 1.0)?)?)?)]))
}

/// a - b, in a's type.
pub(crate) fn subtract(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let b = &cast(b, a.dtype())?;
    apply(&[a, b], || a - b, |of, _, g| Ok(vec![Some(g.clone()), wanted(&of[1]).then(|| g.neg()).transpose()?]))
}
