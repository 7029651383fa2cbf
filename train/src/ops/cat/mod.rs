//! Images one after another along their channels.

#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "cuda")]
mod plan;

use candle_core::{Result, Tensor};

use super::tape::{apply, wanted};

/// One after another along a dimension, on either tape.
pub(crate) fn cat(parts: &[&Tensor], dim: usize) -> Result<Tensor> {
    let back = move |parts: &[Tensor], _: &Tensor, g: &Tensor| {
        let mut start = 0;
        let part = |part: &Tensor| {
            let length = part.dim(dim)?;
            start += length;
            wanted(part).then(|| slice(g, dim, start - length, length)).transpose()
        };
        parts.iter().map(part).collect()
    };
    apply(parts, || joined(parts, dim), back)
}

fn joined(parts: &[&Tensor], dim: usize) -> Result<Tensor> {
    // Candle's copies value by value on a GPU.
    #[cfg(feature = "cuda")]
    if parts.iter().all(|part| part.device().is_cuda() && !part.track_op()) {
        return cuda::cat(parts, dim);
    }
    Tensor::cat(parts, dim)
}

/// A part of a gradient; on the CPU a view.
fn slice(g: &Tensor, dim: usize, start: usize, length: usize) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if g.device().is_cuda() {
        return cuda::slice(g, dim, start, length);
    }
    g.narrow(dim, start, length)
}
