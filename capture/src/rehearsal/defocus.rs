//! Defocus: the blur disc of a round aperture.

use super::optics::Planes;

/// Spreads every point over a disc of `diameter` pixels.
///
/// A row of the disc is a chord, so that each output pixel sums, for every row that the disc covers, a difference of
/// that row's running sums; the chord's ends fall between pixels and are interpolated.
pub(super) fn disc(light: Planes, diameter: f64) -> Planes {
    // Below three quarters of a pixel the sensor's own pixels decide.
    if diameter < 0.75 {
        return light;
    }
    let radius = diameter / 2.0;
    let reach = radius.ceil() as i64;
    let chords: Vec<(i64, f32)> =
        (-reach..=reach).map(|dy| (dy, half_chord(dy as f64, radius) as f32)).filter(|c| c.1 > 0.0).collect();
    let area: f32 = chords.iter().map(|c| 2.0 * c.1).sum();
    let (w, h) = (light.width, light.height);
    let mut out = Planes::black(w, h);
    for (to, from) in out.rgb.iter_mut().zip(&light.rgb) {
        let pad = reach as usize + 2;
        // sums[i] is the sum of the padded row's first i values; the edges' values go on beyond the picture.
        let stride = w + 2 * pad + 1;
        // In f64: a lamp must not cost the shadows beside it their last digits.
        let mut sums = vec![0f64; stride * h];
        for (sums, row) in sums.chunks_exact_mut(stride).zip(from.chunks_exact(w)) {
            let mut total = 0f64;
            for i in 0..w + 2 * pad {
                total += f64::from(row[i.saturating_sub(pad).min(w - 1)]);
                sums[i + 1] = total;
            }
        }
        for (y, to) in to.chunks_exact_mut(w).enumerate() {
            for (dy, half) in &chords {
                let row = (y as i64 + dy).clamp(0, h as i64 - 1) as usize;
                let sums = &sums[row * stride..(row + 1) * stride];
                // The pixel's centre is at pad + x + 0.5 of the running sum's axis.
                let (left, right) = (pad as f32 + 0.5 - half, pad as f32 + 0.5 + half);
                let (l, lf, r, rf) = (left as usize, f64::from(left.fract()), right as usize, f64::from(right.fract()));
                let (a, b) = (&sums[l..l + w + 1], &sums[r..r + w + 1]);
                for (x, v) in to.iter_mut().enumerate() {
                    let low = a[x] + lf * (a[x + 1] - a[x]);
                    let high = b[x] + rf * (b[x + 1] - b[x]);
                    *v += (high - low) as f32;
                }
            }
            to.iter_mut().for_each(|v| *v /= area);
        }
    }
    out
}

/// Mean half width of a disc over the row of pixels at `dy`.
fn half_chord(dy: f64, radius: f64) -> f64 {
    (0..8).map(|i| dy + (f64::from(i) - 3.5) / 8.0).map(|y| (radius * radius - y * y).max(0.0).sqrt()).sum::<f64>()
        / 8.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(size: usize) -> Planes {
        let mut light = Planes::black(size, size);
        light.rgb.iter_mut().for_each(|p| p[size / 2 * size + size / 2] = 1000.0);
        light
    }

    #[test]
    fn light_is_kept_and_the_disc_has_its_diameter() {
        for diameter in [2.5, 6.0, 13.0, 20.0] {
            let out = disc(point(41), diameter);
            let total: f32 = out.rgb[1].iter().sum();
            assert!((total - 1000.0).abs() < 0.5, "{diameter}: {total}");
            // Second moment of a disc along an axis: radius squared over 4, plus that of the pixel's own width.
            let moment: f64 = (0..41)
                .flat_map(|y| (0..41).map(move |x| (x, y)))
                .map(|(x, y)| f64::from(out.rgb[1][y * 41 + x]) * (x as f64 - 20.0).powi(2))
                .sum::<f64>()
                / 1000.0;
            let expected = diameter * diameter / 16.0 + 1.0 / 12.0;
            assert!((moment - expected).abs() < 0.12 * expected + 0.05, "{diameter}: {moment} {expected}");
        }
    }

    #[test]
    fn an_even_field_stays_even() {
        let mut light = Planes::black(30, 20);
        light.rgb.iter_mut().flatten().for_each(|v| *v = 7.0);
        assert!(disc(light, 9.0).rgb.iter().flatten().all(|v| (v - 7.0).abs() < 1e-3));
    }
}
