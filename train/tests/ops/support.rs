//! Random tensors and comparisons, and the device that a test runs on.

use std::cell::RefCell;

use candle_core::{DType, Device, Result, Tensor, Var};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

thread_local! {
    static DEVICE: RefCell<Device> = const { RefCell::new(Device::Cpu) };
}

/// Where this test's tensors are: the CPU, or the GPU in a test that [`on_gpu!`] has made.
pub(crate) fn device() -> Device {
    DEVICE.with_borrow(Device::clone)
}

/// Error of `f32` beside `f64` that sums may have: cuDNN chooses among ways that round differently.
pub(crate) fn rounding() -> f64 {
    if device().is_cpu() { 1e-5 } else { 1e-4 }
}

/// Repeats tests of a module on the GPU, as `cuda::NAME`: the same body on another device.
macro_rules! on_gpu {
    ($($test:ident),* $(,)?) => {
        #[cfg(feature = "cuda")]
        mod cuda {
            $(#[test] fn $test() { crate::support::run_on_gpu(super::$test); })*
        }
    };
}
pub(crate) use on_gpu;

/// Runs a test on the first GPU. Without one it says that it skips, or fails where VITRINE_REQUIRE_GPU is 1.
#[cfg(feature = "cuda")]
pub(crate) fn run_on_gpu(test: fn()) {
    static GPU: std::sync::LazyLock<std::result::Result<Device, String>> =
        std::sync::LazyLock::new(|| train::device::parse("cuda:0").map_err(|e| e.to_string()));
    match &*GPU {
        Ok(gpu) => {
            DEVICE.set(gpu.clone());
            test();
        }
        Err(e) if std::env::var("VITRINE_REQUIRE_GPU").is_ok_and(|v| v == "1") => panic!("{e}"),
        Err(e) => println!("SKIPPED: {e}"),
    }
}

/// Values in [-1, 1), in `f64`.
pub(crate) fn random(seed: u64, shape: &[usize]) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let count = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|_| (rng.next_u32() as f64 / 2f64.powi(31)) - 1.0).collect();
    Tensor::from_vec(values, shape, &device()).unwrap()
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
    let gradients = (&y * weights).unwrap().flatten_all().unwrap().sum_all().unwrap().backward().unwrap();
    [y.detach(), gradients.get(&x).unwrap().clone(), gradients.get(&w).unwrap().clone()]
}
