//! Between display values, 8 bits, and the values that layers combine in, 0 to 1.

use manifests::recipe::Encoding;

/// A transfer curve as a table, and the way back by search: no power is taken per pixel, and the same bits come out
/// on every machine.
pub(crate) struct Curve {
    decode: [f32; 256],
    /// Halfway between display values k and k + 1, decoded.
    halfway: [f32; 255],
}

impl Curve {
    /// The curve of an encoding; `camera` has the points of the camera's.
    pub(crate) fn of(encoding: Encoding, camera: &[[f64; 2]]) -> Self {
        let value = |v: f64| match encoding {
            Encoding::Camera => between(camera, v),
            Encoding::Display => v,
            Encoding::Gamma22 => libm::pow(v, 2.2),
            // IEC 61966-2-1.
            Encoding::Srgb if v <= 0.04045 => v / 12.92,
            Encoding::Srgb => libm::pow((v + 0.055) / 1.055, 2.4),
        };
        Self {
            decode: std::array::from_fn(|k| value(k as f64 / 255.0) as f32),
            halfway: std::array::from_fn(|k| value((k as f64 + 0.5) / 255.0) as f32),
        }
    }

    pub(crate) fn decode(&self, display: u8) -> f32 {
        self.decode[usize::from(display)]
    }

    /// The display value nearest to `value`; below 0 is 0, above 1 is 255.
    pub(crate) fn encode(&self, value: f32) -> u8 {
        self.halfway.partition_point(|h| *h <= value) as u8
    }
}

/// The light at a display value: a straight line between the two points about it (as measured curves are given since Debevec
/// and Malik, "Recovering High Dynamic Range Radiance Maps from Photographs", SIGGRAPH 1997).
fn between(points: &[[f64; 2]], display: f64) -> f64 {
    let above = points.partition_point(|p| p[0] < display).clamp(1, points.len().max(2) - 1);
    match points.get(above - 1).zip(points.get(above)) {
        Some(([x0, y0], [x1, y1])) => y0 + (y1 - y0) * (display - x0) / (x1 - x0),
        None => display,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_display_value_survives_and_the_curves_are_the_known_ones() {
        for encoding in [Encoding::Display, Encoding::Gamma22, Encoding::Srgb] {
            let curve = Curve::of(encoding, &[]);
            assert!((0..=255).all(|v| curve.encode(curve.decode(v)) == v), "{encoding:?}");
            assert_eq!((curve.encode(-1.0), curve.encode(7.0)), (0, 255));
        }
        // sRGB 188 is the display value of half the light.
        assert_eq!(Curve::of(Encoding::Srgb, &[]).encode(0.5), 188);
        assert_eq!(Curve::of(Encoding::Gamma22, &[]).encode(0.5), 186);
    }
    #[test]
    fn a_measured_curve_goes_through_its_points_and_comes_near_the_one_that_was_measured() {
        let points = [[0.0, 0.0], [0.2, 0.1], [0.6, 0.3], [1.0, 1.0]];
        let curve = Curve::of(Encoding::Camera, &points);
        for [display, light] in points {
            assert!((f64::from(curve.decode((display * 255.0) as u8)) - light).abs() < 1e-6, "{display}");
        }
        // Between the second and the third.
        assert!((f64::from(curve.decode(102)) - 0.2).abs() < 1e-6);
        assert!((0..=255).all(|v| curve.encode(curve.decode(v)) == v));
        // sRGB measured at 33 places.
        let srgb = Curve::of(Encoding::Srgb, &[]);
        let measured: Vec<[f64; 2]> = (0..=32u8)
            .map(|k| [f64::from(k) / 32.0, f64::from(k) / 32.0])
            .map(|[v, _]| {
                let light = if v <= 0.04045 { v / 12.92 } else { libm::pow((v + 0.055) / 1.055, 2.4) };
                [v, light]
            })
            .collect();
        let camera = Curve::of(Encoding::Camera, &measured);
        assert!((0..=255).all(|v| (camera.decode(v) - srgb.decode(v)).abs() < 4e-4));
    }
}
