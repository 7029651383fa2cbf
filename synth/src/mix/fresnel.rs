//! Fresnel by angle: what a sheet of glass reflects and lets through, pixel by pixel.
//!
//! A surface reflects the share rho of light of one polarisation (Fresnel's equations); the sheet, with both surfaces, all
//! the ways between them and absorption tau = exp(-k t / cos theta') on each way,
//!
//! ```text
//! R = rho + rho (1 - rho)^2 tau^2 / (1 - rho^2 tau^2)        T = (1 - rho)^2 tau / (1 - rho^2 tau^2)
//! ```
//!
//! (Stokes, "On the intensity of the light reflected from or transmitted through a pile of plates", Proc. R. Soc. 1862;
//! without absorption R = 2 rho / (1 + rho), as in Kong et al., "A physically-based approach to reflection separation",
//! TPAMI 2014, section 3). Light is taken as unpolarised: the mean of both polarisations.

use manifests::{dataset::DrawnGhost, recipe::Ghost};

/// Shares of light that a sheet reflects and lets through, at the cosine of the angle of incidence.
fn shares(cosine: f64, index: f64, thickness_mm: f64, absorption_per_m: f64) -> [f64; 2] {
    let inner = (1.0 - (1.0 - cosine * cosine) / (index * index)).sqrt();
    let tau = libm::exp(-absorption_per_m * thickness_mm / 1000.0 / inner);
    let of = |rho: f64| {
        let ways = 1.0 - rho * rho * tau * tau;
        [rho + rho * (1.0 - rho) * (1.0 - rho) * tau * tau / ways, (1.0 - rho) * (1.0 - rho) * tau / ways]
    };
    let [s, p] = super::ghost::amplitudes(cosine, inner, index).map(|amplitude| of(amplitude * amplitude));
    [(s[0] + p[0]) / 2.0, (s[1] + p[1]) / 2.0]
}

/// Multiplies reflection and background, interleaved pictures of `height` x `width` x 3 values, by what the glass reflects
/// and lets through where each pixel looks; in units of the picture's middle unless the recipe wants it absolute.
///
/// The glass is upright and turned by the angle of incidence about the vertical; the angle of view covers the long side.
pub(crate) fn pane(b: &mut [f32], r: &mut [f32], height: usize, width: usize, glass: &DrawnGhost, known: &Ghost) {
    let (Some(view_degrees), Some(fresnel)) = (glass.view_degrees, known.fresnel) else { return };
    let at = |cosine| shares(cosine, known.refractive_index, glass.thickness_mm, glass.absorption_per_m);
    let angle = glass.angle_degrees.to_radians();
    let (sine, cosine) = (libm::sin(angle), libm::cos(angle));
    let unit = if fresnel.absolute { [1.0, 1.0] } else { at(cosine) };
    // Tangent of half the view a half of the long side.
    let scale = libm::tan((view_degrees / 2.0).to_radians()) * 2.0 / height.max(width) as f64;
    let offset = |i: usize, n: usize| (i as f64 + 0.5 - n as f64 / 2.0) * scale;
    let lines = b.chunks_exact_mut(width * 3).zip(r.chunks_exact_mut(width * 3));
    for (y, (behind, before)) in lines.enumerate() {
        let v = offset(y, height);
        for (x, (b, r)) in behind.chunks_exact_mut(3).zip(before.chunks_exact_mut(3)).enumerate() {
            let u = offset(x, width);
            let seen = (u * sine + cosine) / (u * u + v * v + 1.0).sqrt();
            let [reflected, through] = at(seen.clamp(1e-3, 1.0));
            let (reflected, through) = ((reflected / unit[0]) as f32, (through / unit[1]) as f32);
            r.iter_mut().for_each(|value| *value *= reflected);
            b.iter_mut().for_each(|value| *value *= through);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifests::{Interval, recipe::Fresnel};

    #[test]
    fn shares_are_those_of_stokes_and_of_brewster() {
        // Upright on glass of 1.5: rho = 0.04, R = 2 rho / (1 + rho) = 0.0769, and nothing is lost.
        let [reflected, through] = shares(1.0, 1.5, 5.0, 0.0);
        assert!((reflected - 0.08 / 1.04).abs() < 1e-12 && (reflected + through - 1.0).abs() < 1e-12);
        // At Brewster's angle half of the light, of one polarisation, is not reflected at all.
        let brewster = libm::cos(libm::atan(1.5));
        let rho = ((1.5f64 * 1.5 - 1.0) / (1.5 * 1.5 + 1.0)).powi(2);
        assert!((shares(brewster, 1.5, 5.0, 0.0)[0] - rho / (1.0 + rho)).abs() < 1e-12);
        // Grazing, everything is reflected; absorption of 1 % a surface's way takes that off what comes through.
        assert!((shares(1e-9, 1.5, 5.0, 10.0)[0] - 1.0).abs() < 1e-6);
        let lossy = shares(1.0, 1.5, 5.0, 2.0);
        assert!((lossy[1] / through - (-0.01f64).exp()).abs() < 1e-4, "{lossy:?}");
    }

    #[test]
    fn the_middle_keeps_its_weights_and_the_far_side_reflects_more() {
        let glass = DrawnGhost {
            thickness_mm: 5.0,
            angle_degrees: 45.0,
            field_width_mm: 100.0,
            absorption_per_m: 10.0,
            view_degrees: Some(60.0),
        };
        let (height, width) = (33, 65);
        let any = Interval { low: 1.0, high: 1.0 };
        let mixed = |absolute| {
            let known = Ghost {
                thickness_mm: any,
                angle_degrees: any,
                field_width_mm: any,
                refractive_index: 1.5,
                absorption_per_m: any,
                fresnel: Some(Fresnel { view_degrees: any, absolute }),
            };
            let (mut b, mut r) = (vec![1.0f32; height * width * 3], vec![1.0f32; height * width * 3]);
            pane(&mut b, &mut r, height, width, &glass, &known);
            let of = |values: &[f32], x: usize| values[(16 * width + x) * 3];
            [0, 32, 64].map(|x| [of(&r, x), of(&b, x)])
        };
        let [left, middle, right] = mixed(false);
        assert!(middle.iter().all(|v| (v - 1.0).abs() < 1e-6), "{middle:?}");
        // Towards where the glass turns away the angle falls from 45 to 15 degrees on one side and grows to 75 on the other.
        let edge = |degrees: f64| shares(degrees.to_radians().cos(), 1.5, 5.0, 10.0);
        let unit = edge(45.0);
        let [near, far] = if left[0] < right[0] { [left, right] } else { [right, left] };
        for (found, degrees) in [(near, 15.0), (far, 75.0)] {
            let wanted = edge(degrees);
            for k in 0..2 {
                // A pixel's middle is half a pixel inside.
                let relative = f64::from(found[k]) / (wanted[k] / unit[k]);
                assert!((relative - 1.0).abs() < 0.06, "{degrees}: {found:?}");
            }
        }
        let [.., whole] = mixed(true);
        assert!(whole[0] < 0.3 && whole[1] < 0.95, "{whole:?}");
    }
}
