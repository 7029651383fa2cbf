//! Target of the gradient decoder.

#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "cuda")]
mod plan;

use candle_core::{Result, Tensor, bail};

use super::LUMA;
use super::real::{check_types, dims4, to_f64};

/// Magnitude of the luma's Sobel gradient, cut at 1; N x 3 x H x W gives N x 1 x H x W.
///
/// The border pixels are repeated outwards. A target: no gradient flows through it. Fails where `img` is not RGB.
pub fn sobel_magnitude(img: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = dims4("sobel_magnitude", "the image", img)?;
    check_types("sobel_magnitude", &[("the image", img)])?;
    if c != 3 || h * w == 0 {
        bail!("sobel_magnitude: an RGB image N x 3 x H x W is wanted, not {:?}", img.dims());
    }
    #[cfg(feature = "cuda")]
    if img.device().is_cuda() {
        return cuda::sobel(img);
    }
    let (pixels, area) = (to_f64(img)?, h * w);
    let mut out = Vec::with_capacity(n * area);
    for sample in pixels.chunks_exact(3 * area) {
        let luma: Vec<f64> = (0..area).map(|i| (0..3).map(|k| LUMA[k] * sample[k * area + i]).sum()).collect();
        for y in 0..h {
            let (up, down) = (y.saturating_sub(1) * w, (y + 1).min(h - 1) * w);
            for x in 0..w {
                let (left, right) = (x.saturating_sub(1), (x + 1).min(w - 1));
                let column = |x: usize| luma[up + x] + 2.0 * luma[y * w + x] + luma[down + x];
                let row = |y: usize| luma[y + left] + 2.0 * luma[y + x] + luma[y + right];
                let (gx, gy) = (column(right) - column(left), row(down) - row(up));
                let magnitude = (gx * gx + gy * gy).sqrt();
                out.push(if magnitude > 1.0 { 1.0 } else { magnitude });
            }
        }
    }
    Tensor::from_vec(out, (n, 1, h, w), img.device())?.to_dtype(img.dtype())
}
