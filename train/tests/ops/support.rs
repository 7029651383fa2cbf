//! Random tensors and comparisons.

use candle_core::{DType, Device, Result, Tensor, Var};
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

/// Result and gradients (under random weights) of an operation on two arguments.
pub(crate) fn run(x: &Tensor, w: &Tensor, op: impl Fn(&Tensor, &Tensor) -> Result<Tensor>) -> [Tensor; 3] {
    let (x, w) = (Var::from_tensor(x).unwrap(), Var::from_tensor(w).unwrap());
    let y = op(&x, &w).unwrap();
    let weights = random(9, y.dims()).to_dtype(y.dtype()).unwrap();
    let gradients = (&y * weights).unwrap().sum_all().unwrap().backward().unwrap();
    [y.detach(), gradients.get(&x).unwrap().clone(), gradients.get(&w).unwrap().clone()]
}
