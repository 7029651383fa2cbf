//! LMSE (Grosse et al., ICCV 2009, with windows of 20 pixels every 10) and normalised cross-correlation, as ERRNet
//! and its successors compute them.

use super::Planes;

const WINDOW: usize = 20;
const SHIFT: usize = 10;
/// A window's energy below which its best factor is taken as 0.
const DARK: f64 = 1e-5;

/// Sum over windows and channels of the squared error left by the best factor of each window, over the truth's energy in
/// the same windows. None for pictures that hold no window or are black there.
pub(super) fn lmse(estimate: &Planes, truth: &Planes) -> Option<f64> {
    let starts = |n: usize| (0..(n + 1).saturating_sub(WINDOW)).step_by(SHIFT);
    let (mut error, mut total) = (0.0, 0.0);
    for c in 0..3 {
        for top in starts(truth.height) {
            for left in starts(truth.width) {
                let (mut tt, mut te, mut ee) = (0.0, 0.0, 0.0);
                for y in top..top + WINDOW {
                    let row = y * truth.width + left..y * truth.width + left + WINDOW;
                    for (t, e) in truth.channels[c][row.clone()].iter().zip(&estimate.channels[c][row]) {
                        tt += t * t;
                        te += t * e;
                        ee += e * e;
                    }
                }
                // |t - (te / ee) e|^2, expanded; the sums are of whole numbers and exact.
                error += if ee > DARK { (tt - te * te / ee).max(0.0) } else { tt };
                total += tt;
            }
        }
    }
    (total > 0.0).then(|| error / total)
}

/// Correlation of all subpixels; none where a picture has one value throughout.
pub(super) fn ncc(a: &Planes, b: &Planes) -> Option<f64> {
    let n = (3 * a.height * a.width) as f64;
    let pairs = || a.channels.iter().flatten().zip(b.channels.iter().flatten());
    let (sa, sb) = pairs().fold((0.0, 0.0), |(sa, sb), (x, y)| (sa + x, sb + y));
    let (ma, mb) = (sa / n, sb / n);
    let (va, vb, cov) = pairs().fold((0.0, 0.0, 0.0), |(va, vb, cov), (x, y)| {
        let (x, y) = (x - ma, y - mb);
        (va + x * x, vb + y * y, cov + x * y)
    });
    (va > 0.0 && vb > 0.0).then(|| cov / (va * vb).sqrt())
}
