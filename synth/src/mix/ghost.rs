//! Ghosting: both surfaces of the glass reflect, the second one displaced and weaker.
//!
//! A ray at angle theta is reflected by the first surface, or enters at theta' (sin theta' = sin theta / n), is reflected
//! by the second and leaves parallel to the first, displaced by
//!
//! ```text
//! d = 2 t tan theta' cos theta = t sin 2 theta / sqrt(n^2 - sin^2 theta)
//! ```
//!
//! (Shih et al., "Reflection Removal using Ghosting Cues", CVPR 2015, section 3). On the way it passes the first surface
//! twice and the glass for 2 t / cos theta': weight (1 - F)^2 exp(-2 k t / cos theta') beside the first, with F
//! Fresnel's reflectance of unpolarised light and k the absorption coefficient.

use manifests::dataset::DrawnGhost;

/// What the second surface does: pixels to the right, and weight beside the first surface's 1.
pub(crate) fn second_surface(ghost: &DrawnGhost, index: f64, long_side: usize) -> (f64, f64) {
    let theta = ghost.angle_degrees.abs().to_radians();
    let sine = libm::sin(theta);
    let inner_cosine = (1.0 - sine * sine / (index * index)).sqrt();
    let shift_mm = ghost.thickness_mm * libm::sin(2.0 * theta) / (index * index - sine * sine).sqrt();
    let pixels = shift_mm / ghost.field_width_mm * long_side as f64;
    let path_m = 2.0 * ghost.thickness_mm / 1000.0 / inner_cosine;
    let through = 1.0 - reflectance(libm::cos(theta), inner_cosine, index);
    let weight = through * through * libm::exp(-ghost.absorption_per_m * path_m);
    (if ghost.angle_degrees < 0.0 { -pixels } else { pixels }, weight)
}

/// Fresnel's reflectance, mean of both polarisations, from air into glass.
fn reflectance(cosine: f64, inner_cosine: f64, index: f64) -> f64 {
    let [s, p] = amplitudes(cosine, inner_cosine, index);
    (s * s + p * p) / 2.0
}

/// Fresnel's amplitudes of light polarised across and along the plane of incidence.
pub(super) fn amplitudes(cosine: f64, inner_cosine: f64, index: f64) -> [f64; 2] {
    let s = (cosine - index * inner_cosine) / (cosine + index * inner_cosine);
    let p = (index * cosine - inner_cosine) / (index * cosine + inner_cosine);
    [s, p]
}

/// Adds the second surface's picture and divides by the sum of both weights, so that the mean brightness stays.
///
/// The displacement is horizontal, as behind upright glass, interpolated between pixels; the border's values repeat.
pub(crate) fn ghost(values: &mut Vec<f32>, height: usize, width: usize, pixels: f64, weight: f64) {
    let (whole, part) = (pixels.floor(), (pixels - pixels.floor()) as f32);
    let (first, second) = ((1.0 / (1.0 + weight)) as f32, (weight / (1.0 + weight)) as f32);
    let column = |x: usize, more: f64| (x as f64 - whole - more).clamp(0.0, (width - 1) as f64) as usize;
    let mut out = Vec::with_capacity(values.len());
    for y in 0..height {
        for x in 0..width {
            let (near, far) = ((y * width + column(x, 0.0)) * 3, (y * width + column(x, 1.0)) * 3);
            for c in 0..3 {
                let moved = values[near + c] * (1.0 - part) + values[far + c] * part;
                out.push(values[(y * width + x) * 3 + c] * first + moved * second);
            }
        }
    }
    *values = out;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pane(thickness_mm: f64) -> DrawnGhost {
        DrawnGhost {
            thickness_mm,
            angle_degrees: 45.0,
            field_width_mm: 97.0,
            absorption_per_m: 10.0,
            view_degrees: None,
        }
    }

    /// Measured on SIR2's glass panes in pictures 540 pixels wide: 14.0, 20.6 and 43.1 pixels at 3, 5 and 10 mm. One
    /// field width explains all three; nominal thicknesses are good to some tenths of a millimetre.
    #[test]
    fn shifts_are_those_measured_behind_three_panes() {
        for (thickness, measured) in [(3.0, 14.0), (5.0, 20.6), (10.0, 43.1)] {
            let (shift, _) = second_surface(&pane(thickness), 1.474, 540);
            assert!((shift / measured - 1.0).abs() < 0.1, "{thickness} mm: {shift} instead of {measured}");
        }
    }

    #[test]
    fn weights_follow_fresnel_and_absorption() {
        // Glass of index 1.5 at normal incidence reflects 4 %.
        assert!((reflectance(1.0, 1.0, 1.5) - 0.04).abs() < 1e-12);
        let (_, thin) = second_surface(&pane(3.0), 1.474, 540);
        let (_, thick) = second_surface(&pane(10.0), 1.474, 540);
        assert!(thick < thin && thin < 1.0);
        let clear = DrawnGhost { absorption_per_m: 0.0, angle_degrees: 0.0, ..pane(10.0) };
        assert!((second_surface(&clear, 1.5, 540).1 - 0.96f64.powi(2)).abs() < 1e-12);
    }

    #[test]
    fn a_point_splits_in_two_and_keeps_its_sum() {
        let mut point = vec![0.0; 31 * 3];
        point[15 * 3] = 1.0;
        ghost(&mut point, 1, 31, 4.25, 0.5);
        let red: Vec<f32> = point.iter().step_by(3).copied().collect();
        assert!((red[15] - 2.0 / 3.0).abs() < 1e-6);
        assert!((red[19] - 0.25).abs() < 1e-6 && (red[20] - 1.0 / 12.0).abs() < 1e-6, "{red:?}");
        assert!((red.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
