//! Defocus by a disc: what a round aperture makes of a point that is out of focus, 1 / (pi r^2) within r and 0 beyond
//! (Pentland, "A New Sense for Depth of Field", IEEE TPAMI 1987: the blur circle of geometrical optics).

/// Convolves an interleaved picture of `height` x `width` x 3 values with a disc of `radius` pixels.
///
/// The disc's edge is smoothed over one pixel and its weights sum to 1; beyond the border the border's values repeat.
pub(crate) fn defocus(values: &mut Vec<f32>, height: usize, width: usize, radius: f64) {
    if radius <= 0.0 {
        return;
    }
    let taps = disc(radius);
    let mut out = vec![0.0f32; values.len()];
    for y in 0..height {
        for x in 0..width {
            let mut sum = [0.0f32; 3];
            for (dy, dx, weight) in &taps {
                let row = y.saturating_add_signed(*dy).min(height - 1);
                let column = x.saturating_add_signed(*dx).min(width - 1);
                let at = (row * width + column) * 3;
                for c in 0..3 {
                    sum[c] += weight * values[at + c];
                }
            }
            let at = (y * width + x) * 3;
            out[at..at + 3].copy_from_slice(&sum);
        }
    }
    *values = out;
}

/// Offsets and weights of a disc.
fn disc(radius: f64) -> Vec<(isize, isize, f32)> {
    let reach = (radius + 0.5).ceil() as isize;
    let mut taps = Vec::new();
    for dy in -reach..=reach {
        for dx in -reach..=reach {
            // How much of the pixel lies within, to first order.
            let inside = (radius + 0.5 - ((dy * dy + dx * dx) as f64).sqrt()).clamp(0.0, 1.0);
            if inside > 0.0 {
                taps.push((dy, dx, inside));
            }
        }
    }
    let sum: f64 = taps.iter().map(|t| t.2).sum();
    taps.into_iter().map(|(dy, dx, w)| (dy, dx, (w / sum) as f32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disc_has_its_area_and_second_moment() {
        for radius in [2.0, 3.5, 8.0] {
            let taps = disc(radius);
            let peak = f64::from(taps.iter().map(|t| t.2).fold(0.0, f32::max));
            let area = std::f64::consts::PI * radius * radius;
            assert!((1.0 / peak / area - 1.0).abs() < 0.05, "{radius}: {} pixels", 1.0 / peak);
            // The mean of x^2 over a disc is r^2 / 4; the smooth edge adds less than a fifth of a pixel squared.
            let moment: f64 = taps.iter().map(|(_, dx, w)| (dx * dx) as f64 * f64::from(*w)).sum();
            assert!((moment - radius * radius / 4.0).abs() < 0.2, "{radius}: {moment}");
        }
    }
}
