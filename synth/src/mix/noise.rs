//! A sensor's noise: variance gain v + read^2 at value v (Foi et al., "Practical Poissonian-Gaussian noise modeling and
//! fitting for single-image raw-data", IEEE TIP 2008, eq. 2).
//!
//! Photons of background and reflection arrive independently, and the sum of two Poisson variables is the Poisson variable
//! of the sum: so each layer has the shot noise of its own light, the background has the read noise of the one exposure,
//! and I = B + R holds with noise as it does without.

use manifests::{Seed, dataset::DrawnNoise};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// Adds the noise of sample `index`; below black it is cut off.
pub(crate) fn add(b: &mut [f32], r: &mut [f32], noise: &DrawnNoise, seed: Seed, index: u64) {
    let mut key = *b"synth: noise of, ...............";
    key[16..24].copy_from_slice(&seed.0.to_le_bytes());
    key[24..].copy_from_slice(&index.to_le_bytes());
    let mut source = ChaCha8Rng::from_seed(key);
    for (b, r) in b.iter_mut().zip(r) {
        let [first, second] = normal_pair(source.next_u64());
        let deviation = |value: f32, read: f64| (noise.gain * f64::from(value) + read * read).sqrt();
        *b = (f64::from(*b) + first * deviation(*b, noise.read)).max(0.0) as f32;
        *r = (f64::from(*r) + second * deviation(*r, 0.0)).max(0.0) as f32;
    }
}

/// Two independent standard normal numbers from 64 uniform bits (Box and Muller, 1958), the same on every machine.
fn normal_pair(bits: u64) -> [f64; 2] {
    let unit = |bits: u32| (f64::from(bits) + 0.5) / 4_294_967_296.0;
    let radius = (-2.0 * libm::log(unit((bits >> 32) as u32))).sqrt();
    let angle = std::f64::consts::TAU * unit(bits as u32);
    [radius * libm::cos(angle), radius * libm::sin(angle)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_variance_are_those_of_the_model() {
        let (value, noise) = (0.5f32, DrawnNoise { gain: 0.002, read: 0.01 });
        let (mut b, mut r) = (vec![value; 60_000], vec![value; 60_000]);
        add(&mut b, &mut r, &noise, Seed(5), 7);
        let moments = |values: &[f32]| {
            let n = values.len() as f64;
            let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
            (mean, values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n)
        };
        for (values, variance) in [(&b, 0.002 * 0.5 + 0.0001), (&r, 0.002 * 0.5)] {
            let (mean, found) = moments(values);
            // Five standard errors of mean and variance.
            assert!((mean - 0.5).abs() < 5.0 * (variance / 60_000.0f64).sqrt(), "{mean}");
            assert!((found / variance - 1.0).abs() < 5.0 * (2.0 / 60_000.0f64).sqrt(), "{found} instead of {variance}");
        }
        let covariance = b.iter().zip(&r).map(|(b, r)| f64::from((b - 0.5) * (r - 0.5))).sum::<f64>() / 60_000.0;
        assert!(
            covariance.abs() < 5.0 * 0.00105 / 60_000.0f64.sqrt(),
            "the layers' noise is independent: {covariance}"
        );
        let again = |index| {
            let (mut b, mut r) = (vec![value; 8], vec![value; 8]);
            add(&mut b, &mut r, &noise, Seed(5), index);
            b
        };
        assert_eq!(again(7), b[..8]);
        assert_ne!(again(8), b[..8]);
    }
}
