//! The sheet of glass: Fresnel reflection from both faces, the second one displaced, and transmission.

use super::{
    lens,
    optics::Planes,
    scene::{GlassSpec, SceneSpec},
};

impl GlassSpec {
    /// Reflectance of one face for unpolarised light at the glass's angle (Fresnel; Born and Wolf, 1.5.2).
    pub fn face_reflectance(&self) -> f64 {
        let (cos_i, cos_t) = self.cosines();
        let s = (cos_i - self.index * cos_t) / (cos_i + self.index * cos_t);
        let p = (self.index * cos_i - cos_t) / (self.index * cos_i + cos_t);
        (s * s + p * p) / 2.0
    }

    /// Transmittance of the sheet with all inner reflections: (1 - r) / (1 + r).
    pub fn transmittance(&self) -> f64 {
        let r = self.face_reflectance();
        (1.0 - r) / (1.0 + r)
    }

    /// Distance between the two mirror images, perpendicular to the line of sight, millimetres.
    pub fn displacement_mm(&self) -> f64 {
        let (cos_i, cos_t) = self.cosines();
        let tan_t = (1.0 - cos_t * cos_t).sqrt() / cos_t;
        2.0 * self.thickness_mm * tan_t * cos_i
    }

    /// Cosines of the angles of incidence and of refraction (Snell).
    fn cosines(&self) -> (f64, f64) {
        let sin_i = self.angle_degrees.to_radians().sin();
        let sin_t = sin_i / self.index;
        ((1.0 - sin_i * sin_i).sqrt(), (1.0 - sin_t * sin_t).sqrt())
    }
}

/// What the sheet mirrors: the first face's image, and beside it the second face's.
pub(super) fn reflect(mirrored: &Planes, scene: &SceneSpec, focal_mm: f64) -> Planes {
    let r = scene.glass.face_reflectance();
    let (first, second) = (r as f32, ((1.0 - r) * (1.0 - r) * r) as f32);
    let pixels_per_mm = mirrored.width as f64 / lens::SENSOR_WIDTH_MM;
    let on_sensor_mm = scene.glass.displacement_mm() / (scene.reflection.distance_m * 1000.0) * focal_mm;
    let shift = on_sensor_mm * pixels_per_mm;
    let (whole, part) = (shift.floor() as usize, shift.fract() as f32);
    let mut out = Planes::black(mirrored.width, mirrored.height);
    let last = mirrored.width - 1;
    for (to, from) in out.rgb.iter_mut().zip(&mirrored.rgb) {
        for (to, from) in to.chunks_exact_mut(mirrored.width).zip(from.chunks_exact(mirrored.width)) {
            for (x, v) in to.iter_mut().enumerate() {
                // Beyond the edge of the picture the ghost goes on with the edge's own light.
                let (a, b) = (from[(x + whole).min(last)], from[(x + whole + 1).min(last)]);
                *v = first * from[x] + second * (a + part * (b - a));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn float_glass_reflects_four_percent_a_face() {
        let glass = GlassSpec { angle_degrees: 0.0, ..GlassSpec::default() };
        assert!((glass.face_reflectance() - (0.52f64 / 2.52).powi(2)).abs() < 1e-12);
        assert!((glass.transmittance() - 0.918).abs() < 1e-3);
        assert_eq!(glass.displacement_mm(), 0.0);
    }

    #[test]
    fn at_brewsters_angle_only_s_is_reflected() {
        let index = 1.5f64;
        let glass = GlassSpec { index, angle_degrees: index.atan().to_degrees(), ..GlassSpec::default() };
        // r_s at Brewster's angle is (n^2 - 1) / (n^2 + 1).
        let s = (index * index - 1.0) / (index * index + 1.0);
        assert!((glass.face_reflectance() - s * s / 2.0).abs() < 1e-12);
    }
}
