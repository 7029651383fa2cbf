//! SSIM as scikit-image's `structural_similarity` gives it by default: 7x7 uniform window, sample covariance, range
//! 255, a border of 3 pixels cropped, mean of RGB.

use super::Planes;

const SIDE: usize = 7;
/// (0.01 x 255)^2.
const C1: f64 = 6.5025;
/// (0.03 x 255)^2.
const C2: f64 = 58.5225;

/// Mean over the windows that lie inside the picture; pictures below 7x7 are one window.
pub(super) fn ssim(a: &Planes, b: &Planes) -> f64 {
    let (kh, kw) = (SIDE.min(a.height), SIDE.min(a.width));
    let (rows, columns) = (a.height - kh + 1, a.width - kw + 1);
    let n = (kh * kw) as f64;
    let sample = n / (n - 1.0).max(1.0);
    let mut sum = 0.0;
    for c in 0..3 {
        let (x, y) = (&a.channels[c], &b.channels[c]);
        let table = |f: &dyn Fn(usize) -> f64| Integral::new(a.height, a.width, f);
        let (sx, sy) = (table(&|i| x[i]), table(&|i| y[i]));
        let (sxx, syy, sxy) = (table(&|i| x[i] * x[i]), table(&|i| y[i] * y[i]), table(&|i| x[i] * y[i]));
        for top in 0..rows {
            for left in 0..columns {
                let mean = |t: &Integral| t.window(top, left, kh, kw) / n;
                let (mx, my) = (mean(&sx), mean(&sy));
                let vx = sample * (mean(&sxx) - mx * mx);
                let vy = sample * (mean(&syy) - my * my);
                let cov = sample * (mean(&sxy) - mx * my);
                sum += (2.0 * mx * my + C1) * (2.0 * cov + C2) / ((mx * mx + my * my + C1) * (vx + vy + C2));
            }
        }
    }
    sum / (3 * rows * columns) as f64
}

/// Sums over all rectangles from the top left corner. Pixels are whole numbers, so that sums are exact.
struct Integral {
    stride: usize,
    sums: Vec<f64>,
}

impl Integral {
    fn new(height: usize, width: usize, value: &dyn Fn(usize) -> f64) -> Self {
        let stride = width + 1;
        let mut sums = vec![0.0; stride * (height + 1)];
        for y in 0..height {
            let mut row = 0.0;
            for x in 0..width {
                row += value(y * width + x);
                sums[(y + 1) * stride + x + 1] = sums[y * stride + x + 1] + row;
            }
        }
        Self { stride, sums }
    }

    fn window(&self, top: usize, left: usize, height: usize, width: usize) -> f64 {
        let at = |y: usize, x: usize| self.sums[y * self.stride + x];
        at(top + height, left + width) - at(top, left + width) - at(top + height, left) + at(top, left)
    }
}
