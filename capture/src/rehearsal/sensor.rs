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

/// Level of no light in a RAW file, and of saturation.
pub(super) const BLACK: u16 = 600;
const WHITE: u16 = 15892;

/// Linear sRGB to the body's own red, green and blue, green of white being 1: Adobe's colour matrix of this body for
/// D65 times the matrix of IEC 61966-2-1 from linear sRGB to XYZ.
fn camera_colours() -> [[f64; 3]; 3] {
    const BODY: [[f64; 3]; 3] = [[0.6988, -0.1384, -0.0714], [-0.5631, 1.3410, 0.2447], [-0.1485, 0.2204, 0.7318]];
    const XYZ: [[f64; 3]; 3] = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]];
    let product = BODY.map(|row| [0, 1, 2].map(|j| (0..3).map(|k| row[k] * XYZ[k][j]).sum::<f64>()));
    let green: f64 = product[1].iter().sum();
    product.map(|row| row.map(|v| v / green))
}

/// A picture before it is developed: one colour a pixel, rows of R G and G B, 14 bits.
pub(super) struct Mosaic {
    pub(super) size: (u32, u32),
    pub(super) levels: Vec<u16>,
    /// Factors that make the colours of a white surface equal.
    pub(super) balance: [f64; 3],
}

/// The sensor's noise: electrons at saturation, and electrons of read noise squared, for a pixel of a picture.
struct Noise {
    electrons: f32,
    read: f32,
    normal: Vec<f32>,
}

impl Noise {
    fn new(pixels: usize, iso: f64) -> Self {
        let photosites = PHOTOSITES / pixels as f64;
        Self {
            // The amplifier's gain grows with ISO: fewer electrons saturate the converter.
            electrons: (FULL_WELL * photosites * 100.0 / iso) as f32,
            read: (READ_NOISE * READ_NOISE * photosites) as f32,
            normal: normal_quantiles(),
        }
    }

    /// What is read from a pixel whose mean is `value` of saturation. Photon noise is Poisson; read noise swamps it
    /// where its mean is too small to be taken as normal.
    fn read(&self, value: f32, draw: [u8; 2]) -> f32 {
        let z = self.normal[usize::from(u16::from_le_bytes(draw) >> 4)];
        let mean = value * self.electrons;
        (mean + z * (mean + self.read).sqrt()) / self.electrons
    }
}

/// Exposes and develops a picture; `number` seeds the noise.
pub(super) fn expose(light: &Planes, settings: &Settings, number: u64) -> Raster {
    let n = light.width * light.height;
    let noise = Noise::new(n, settings.iso);
    let gain = settings.gain() as f32;
    let curve = srgb_curve();
    let mut rgb = vec![0u8; n * 3];
    let mut random = ChaCha8Rng::seed_from_u64(number);
    let mut draws = vec![0u8; light.width * 6];
    for y in 0..light.height {
        random.fill_bytes(&mut draws);
        let row = y * light.width..(y + 1) * light.width;
        let out = &mut rgb[row.start * 3..row.end * 3];
        for (channel, plane) in light.rgb.iter().enumerate() {
            for (x, l) in plane[row.clone()].iter().enumerate() {
                let at = x * 3 + channel;
                let value = noise.read(l * gain, [draws[at * 2], draws[at * 2 + 1]]);
                out[at] = curve[(value.clamp(0.0, 1.0) * (LEVELS - 1) as f32 + 0.5) as usize];
            }
        }
    }
    Raster { size: (light.width as u32, light.height as u32), rgb }
}

/// Exposes a picture and leaves it undeveloped; `number` seeds the noise.
pub(super) fn expose_raw(light: &Planes, settings: &Settings, number: u64) -> Mosaic {
    let noise = Noise::new(light.width * light.height, settings.iso);
    let gain = settings.gain() as f32;
    let colours = camera_colours();
    let rows = colours.map(|row| row.map(|v| v as f32));
    let mut random = ChaCha8Rng::seed_from_u64(number);
    let mut draws = vec![0u8; light.width * 2];
    let mut levels = Vec::with_capacity(light.width * light.height);
    for y in 0..light.height {
        random.fill_bytes(&mut draws);
        for x in 0..light.width {
            let filter = (x & 1) + (y & 1);
            let i = y * light.width + x;
            let value = (0..3).map(|c| rows[filter][c] * light.rgb[c][i]).sum::<f32>().max(0.0);
            let value = noise.read(value * gain, [draws[x * 2], draws[x * 2 + 1]]);
            let level = f32::from(BLACK) + value * f32::from(WHITE - BLACK);
            levels.push(level.clamp(0.0, f32::from(WHITE)).round() as u16);
        }
    }
    let balance = colours.map(|row| 1.0 / row.iter().sum::<f64>());
    Mosaic { size: (light.width as u32, light.height as u32), levels, balance }
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
