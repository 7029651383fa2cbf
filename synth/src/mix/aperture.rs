//! How far out of focus the reflection is: the circle of confusion of a thin lens.
//!
//! A lens of focal length f and f-number N that is focused at distance s spreads a point at distance d over a disc on the
//! sensor, of diameter
//!
//! ```text
//! c = f^2 |d - s| / (N d (s - f))
//! ```
//!
//! (Potmesil and Chakravarty, "A lens and aperture camera model for synthetic image generation", SIGGRAPH 1981, section 2).
//! Glass is in the middle of the light's way: d is the way from what is reflected to the glass and on to the lens.

use manifests::{
    Size,
    dataset::DrawnAperture,
    recipe::{Aperture, Kernel},
};

/// Largest radius in pixels that a recipe may ask for: a convolution costs its square.
const MOST: f64 = 40.0;

/// Radius in pixels of the disc, where a sample's long side has `long_side` pixels and covers `sensor_width_mm`.
pub(crate) fn radius(drawn: &DrawnAperture, sensor_width_mm: f64, long_side: f64) -> f64 {
    let DrawnAperture { f_number, focal_length_mm: f, focus_m, reflected_m } = *drawn;
    let (s, d) = (focus_m * 1000.0, reflected_m * 1000.0);
    let diameter_mm = f * f * (d - s).abs() / (f_number * d * (s - f));
    diameter_mm / 2.0 / sensor_width_mm * long_side
}

/// What a drawn radius comes to: radius of a disc, and sigma of a Gaussian. Along one axis a disc's variance is a quarter of
/// its radius squared.
pub(crate) fn blur(kernel: Kernel, radius: f64) -> (f64, f64) {
    match kernel {
        Kernel::Disc => (radius, 0.0),
        Kernel::Gaussian => (0.0, radius / 2.0),
    }
}

/// Refuses ranges that reach farther out of focus than can be computed in reasonable time.
///
/// # Errors
/// A clause that names the worst case.
pub(crate) fn check(aperture: &Aperture, sizes: &[Size]) -> Result<(), String> {
    let long_side = sizes.iter().map(|s| s.height.max(s.width)).max().unwrap_or(0);
    let (focus, reflected) = (aperture.focus_m, aperture.reflected_m);
    // The radius grows with f and as N falls; in each distance it has no maximum but at the ends.
    let corners = [focus.low, focus.high].into_iter().flat_map(|f| [reflected.low, reflected.high].map(|r| (f, r)));
    for (focus_m, reflected_m) in corners {
        let (f_number, focal_length_mm) = (aperture.f_number.low, aperture.focal_length_mm.high);
        let worst = DrawnAperture { f_number, focal_length_mm, focus_m, reflected_m };
        let pixels = radius(&worst, aperture.sensor_width_mm, f64::from(long_side));
        if pixels > MOST {
            return Err(format!(
                "{focal_length_mm} mm at f/{f_number}, focused at {focus_m} m, spreads what is {reflected_m} m away over a \
                 radius of {pixels:.0} pixels; at most {MOST} are possible"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifests::Interval;

    fn lens(f_number: f64, focus_m: f64, reflected_m: f64) -> DrawnAperture {
        DrawnAperture { f_number, focal_length_mm: 50.0, focus_m, reflected_m }
    }

    #[test]
    fn the_circle_is_that_of_the_thin_lens() {
        // Traced by hand: a 50 mm lens at f/2 has a pupil of 25 mm and, focused at 2 m, forms images at 51.2821 mm. A point at
        // 4 m has its image at 50.6329 mm, whose cone is 25 (51.2821 - 50.6329) / 50.6329 = 0.32051 mm wide on the sensor.
        let traced: f64 = 25.0 * (1.0 / (1.0 / 50.0 - 1.0 / 2000.0) * (1.0 / 50.0 - 1.0 / 4000.0) - 1.0);
        assert!((traced - 0.32051).abs() < 1e-5);
        let pixels = radius(&lens(2.0, 2.0, 4.0), 24.0, 2400.0);
        assert!((pixels - traced / 2.0 * 100.0).abs() < 1e-9, "{pixels}");
        // In focus nothing is spread, two stops halve the disc, and beyond infinity it grows no more.
        assert_eq!(radius(&lens(2.0, 2.0, 2.0), 24.0, 2400.0), 0.0);
        assert!((radius(&lens(4.0, 2.0, 4.0), 24.0, 2400.0) * 2.0 - pixels).abs() < 1e-9);
        assert!((radius(&lens(2.0, 2.0, 1e5), 24.0, 2400.0) / pixels - 2.0).abs() < 1e-3);
    }

    #[test]
    fn ranges_that_reach_too_far_are_told() {
        let range = |low, high| Interval { low, high };
        let aperture = Aperture {
            f_number: range(1.4, 8.0),
            focal_length_mm: range(35.0, 85.0),
            focus_m: range(0.7, 2.0),
            reflected_m: range(0.5, 20.0),
            sensor_width_mm: 23.5,
            kernel: Kernel::Disc,
        };
        let said = check(&aperture, &[Size { height: 224, width: 288 }]).unwrap_err();
        assert!(said.starts_with("85 mm at f/1.4, focused at 0.7 m, spreads what is 20 m away over"), "{said}");
        let stopped = Aperture { f_number: range(8.0, 16.0), ..aperture };
        assert_eq!(check(&stopped, &[Size { height: 96, width: 160 }]), Ok(()));
    }
}
