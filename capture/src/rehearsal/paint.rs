//! Procedural views as linear light.

use super::{lens, optics::Planes, scene::LayerSpec};

/// The luminance of a layer as a pinhole lens of `focal_mm` sees it, cd/m2.
pub(super) fn layer(spec: &LayerSpec, seed: u64, focal_mm: f64, size: (u32, u32)) -> Planes {
    let (w, h) = (size.0 as usize, size.1 as usize);
    let mut out = Planes::black(w, h);
    let scale = lens::SENSOR_WIDTH_MM / focal_mm / w as f64;
    for y in 0..h {
        for x in 0..w {
            let u = (x as f64 + 0.5 - w as f64 / 2.0) * scale;
            let v = (y as f64 + 0.5 - h as f64 / 2.0) * scale;
            let a = ((u * 40.0 + (seed % 7) as f64).sin() * (v * 30.0).cos()) as f32 * 0.5 + 0.6;
            for c in 0..3 {
                out.rgb[c][y * w + x] = a * spec.luminance as f32 * (0.6 + 0.3 * c as f32);
            }
        }
    }
    out
}
