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
    pub(crate) fn of(encoding: Encoding) -> Self {
        let value = |v: f64| match encoding {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_display_value_survives_and_the_curves_are_the_known_ones() {
        for encoding in [Encoding::Display, Encoding::Gamma22, Encoding::Srgb] {
            let curve = Curve::of(encoding);
            assert!((0..=255).all(|v| curve.encode(curve.decode(v)) == v), "{encoding:?}");
            assert_eq!((curve.encode(-1.0), curve.encode(7.0)), (0, 255));
        }
        // sRGB 188 is the display value of half the light.
        assert_eq!(Curve::of(Encoding::Srgb).encode(0.5), 188);
        assert_eq!(Curve::of(Encoding::Gamma22).encode(0.5), 186);
    }
}
