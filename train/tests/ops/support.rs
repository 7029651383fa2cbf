//! Random tensors and comparisons.

use candle_core::{DType, Device, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Values in [-1, 1), in `f64`.
pub(crate) fn random(seed: u64, shape: &[usize]) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let count = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|_| (rng.next_u32() as f64 / 2f64.powi(31)) - 1.0).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// All values as `f64`.
pub(crate) fn values(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Largest difference over the largest magnitude of what is expected.
pub(crate) fn error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let (found, expected) = (values(found), values(expected));
    let scale = expected.iter().fold(1e-300, |m: f64, v| m.max(v.abs()));
    // The comparison is written so that NaN counts as an infinite error.
    let off = |a: f64, b: f64| if a == b { 0.0 } else { (a - b).abs() / scale };
    found.iter().zip(&expected).map(|(a, b)| off(*a, *b)).fold(0.0, |m, v| if v <= m { m } else { v })
}
