//! The sensor: photons, noise, saturation, 14 bits, and the sRGB curve of the body's JPEGs.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use super::optics::{Planes, Raster, Settings};

/// Electrons that fill one photosite at ISO 100, and noise of reading one out (photonstophotos.net's order of
/// magnitude for this sensor). A picture pixel is the sum of the photosites that it covers.
const FULL_WELL: f64 = 30_000.0;
const READ_NOISE: f64 = 3.0;
/// Photosites of the whole sensor.
const PHOTOSITES: f64 = 24.0e6;
/// Levels of the converter.
const LEVELS: usize = 1 << 14;

/// Exposes and develops a picture; `number` seeds the noise.
pub(super) fn expose(light: &Planes, settings: &Settings, number: u64) -> Raster {
    let n = light.width * light.height;
    let photosites = PHOTOSITES / n as f64;
    // Electrons at saturation: the gain of the amplifier grows with ISO.
    let electrons = (FULL_WELL * photosites * 100.0 / settings.iso) as f32;
    let read = (READ_NOISE * READ_NOISE * photosites) as f32;
    let gain = settings.gain() as f32;
    let curve = srgb_curve();
    let normal = normal_quantiles();
    let mut rgb = vec![0u8; n * 3];
    let mut random = ChaCha8Rng::seed_from_u64(number);
    let mut draws = vec![0u8; light.width * 6];
    for y in 0..light.height {
        random.fill_bytes(&mut draws);
        let row = y * light.width..(y + 1) * light.width;
        let out = &mut rgb[row.start * 3..row.end * 3];
        for (channel, plane) in light.rgb.iter().enumerate() {
            for (x, l) in plane[row.clone()].iter().enumerate() {
                let at = (x * 3 + channel) * 2;
                let z = normal[usize::from(u16::from_le_bytes([draws[at], draws[at + 1]]) >> 4)];
                // Photon noise is Poisson; read noise swamps it where its mean is too small to be taken as normal.
                let mean = (l * gain) * electrons;
                let value = (mean + z * (mean + read).sqrt()) / electrons;
                let level = (value.clamp(0.0, 1.0) * (LEVELS - 1) as f32 + 0.5) as usize;
                out[x * 3 + channel] = curve[level];
            }
        }
    }
    Raster { size: (light.width as u32, light.height as u32), rgb }
}

/// 8-bit sRGB of each level (IEC 61966-2-1).
fn srgb_curve() -> Vec<u8> {
    (0..LEVELS)
        .map(|level| {
            let v = level as f64 / (LEVELS - 1) as f64;
            let e = if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
            (e * 255.0).round() as u8
        })
        .collect()
}

/// 4096 equally likely values of the standard normal distribution: midpoints' quantiles, by bisection-free inversion
/// of its distribution function (Acklam's rational approximation, relative error 1e-9).
fn normal_quantiles() -> Vec<f32> {
    (0..4096).map(|i| quantile((f64::from(i) + 0.5) / 4096.0) as f32).collect()
}

fn quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] =
        [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416];
    let poly = |c: &[f64], x: f64| c.iter().fold(0.0, |sum, k| sum * x + k);
    if p < 0.02425 {
        let q = (-2.0 * p.ln()).sqrt();
        poly(&C, q) / (poly(&D, q) * q + 1.0)
    } else if p > 1.0 - 0.02425 {
        -quantile(1.0 - p)
    } else {
        let q = p - 0.5;
        let r = q * q;
        q * poly(&A, r) / (poly(&B, r) * r + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_standard_normal() {
        let z = normal_quantiles();
        let mean = z.iter().map(|v| f64::from(*v)).sum::<f64>() / 4096.0;
        let variance = z.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / 4096.0;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 2e-3, "{mean} {variance}");
        assert!((quantile(0.975) - 1.959_963_985).abs() < 1e-6);
    }
}
