//! Operations and losses against PyTorch's numbers in `f64`: the small set of tests/golden, and the larger one of
//! ../shared/golden, skipped where it is missing.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{DType, Result, Tensor, Var};
use train::ops;

use crate::support::{device, error, on_gpu};

type Tensors = HashMap<String, Tensor>;

/// The crate's folder: cargo says where it is, also when this was compiled elsewhere.
fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or(env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

fn read(path: &str) -> Tensors {
    candle_core::safetensors::load(root().join(path), &device()).unwrap()
}

/// The set that travels with the code.
pub(crate) fn committed() -> Tensors {
    read("tests/golden/ops.safetensors")
}

/// A file of the larger set.
fn load(name: &str) -> Option<Tensors> {
    let path = format!("../../shared/golden/{name}");
    if !root().join(&path).exists() {
        println!("skipped: {path} is not there");
        return None;
    }
    Some(read(&path))
}

/// Bound of the relative error in a type.
fn tolerance(dtype: DType) -> f64 {
    if dtype == DType::F64 { 1e-9 } else { 1e-4 }
}

/// Result and gradients of a case under the stored upstream gradient, in both types.
fn case(golden: &Tensors, name: &str, op: impl Fn(&[Tensor]) -> Result<Tensor>) {
    for dtype in [DType::F64, DType::F32] {
        let get = |key: &str| golden.get(&format!("{name}.{key}")).map(|t| t.to_dtype(dtype).unwrap());
        let inputs: Vec<Var> =
            (0..).map_while(|i| get(&format!("x{i}"))).map(|t| Var::from_tensor(&t).unwrap()).collect();
        let args: Vec<Tensor> = inputs.iter().map(|v| v.as_tensor().clone()).collect();
        let y = op(&args).unwrap();
        let expected = &golden[&format!("{name}.y")];
        assert!(error(&y, expected) < tolerance(dtype), "{name} {dtype:?}: result off by {}", error(&y, expected));
        let gradients = (y * get("gy").unwrap()).unwrap().sum_all().unwrap().backward().unwrap();
        for (i, input) in inputs.iter().enumerate() {
            let (found, expected) = (gradients.get(input).unwrap(), &golden[&format!("{name}.g{i}")]);
            let off = error(found, expected);
            assert!(off < tolerance(dtype), "{name} {dtype:?}: gradient {i} off by {off}");
        }
    }
}

on_gpu!(operations, operations_of_the_larger_set, batch_statistics, batch_norm_evaluation, losses);

#[test]
fn operations() {
    all_operations(&committed());
}

#[test]
fn operations_of_the_larger_set() {
    if let Some(golden) = load("ops.safetensors") {
        all_operations(&golden);
    }
}

fn all_operations(golden: &Tensors) {
    for (name, padding) in [("conv1x1", 0), ("conv3x3", 1), ("conv5x5", 2), ("conv7x7", 3)] {
        case(golden, name, |x| ops::conv2d(&x[0], &x[1], None, padding));
    }
    case(golden, "conv3x3_bias", |x| ops::conv2d(&x[0], &x[1], Some(&x[2]), 1));
    case(golden, "conv_transpose4x4s2", |x| ops::conv_transpose2d(&x[0], &x[1]));
    case(golden, "max_pool2x2", |x| ops::max_pool2x2(&x[0]));
    case(golden, "max_pool2x2_ties", |x| ops::max_pool2x2(&x[0]));
    case(golden, "relu_zero", |x| ops::relu(&x[0]));
    case(golden, "abs_zero", |x| ops::abs(&x[0]));
    case(golden, "sigmoid", |x| candle_nn::ops::sigmoid(&x[0]));
    case(golden, "batch_norm_train", |x| Ok(ops::batch_norm_train(&x[0], &x[1], &x[2], 1e-3, false)?.0));
    case(golden, "batch_norm_relu_train", |x| Ok(ops::batch_norm_train(&x[0], &x[1], &x[2], 1e-3, true)?.0));
}

/// Running statistics as PyTorch updates them: momentum 0.1 from mean 0 and variance 1, unbiased variance.
#[test]
fn batch_statistics() {
    let Some(golden) = load("ops.safetensors") else { return };
    let x = |i: usize| &golden[&format!("batch_norm_train.x{i}")];
    let (_, stats) = ops::batch_norm_train(x(0), x(1), x(2), 1e-3, false).unwrap();
    let [mean, var] = [x(1).zeros_like(), x(1).ones_like()].map(|t| Var::from_tensor(&t.unwrap()).unwrap());
    stats.enter(None, &mean, &var, 0.1).unwrap();
    assert!(error(&mean, &golden["batch_norm_train.running_mean"]) < 1e-9);
    assert!(error(&var, &golden["batch_norm_train.running_var"]) < 1e-9);
}

/// With the batch's own statistics handed in as the running ones, evaluation gives the training result.
#[test]
fn batch_norm_evaluation() {
    let golden = committed();
    let stat =
        |key: &str, like: &Tensor| golden[&format!("batch_norm_relu_eval.{key}")].to_dtype(like.dtype()).unwrap();
    case(&golden, "batch_norm_relu_eval", |x| {
        ops::batch_norm_eval(&x[0], &x[1], &x[2], &stat("mean", &x[0]), &stat("var", &x[0]), 1e-3, true)
    });
    let x = |i: usize| &golden[&format!("batch_norm_relu_train.x{i}")];
    let (y, stats) = ops::batch_norm_train(x(0), x(1), x(2), 1e-3, true).unwrap();
    let same =
        ops::batch_norm_eval(x(0), x(1), x(2), &stats.mean().unwrap(), &stats.var().unwrap(), 1e-3, true).unwrap();
    assert!(error(&same, &y) < if device().is_cpu() { 1e-14 } else { 1e-12 });
    assert!(error(&same, &golden["batch_norm_relu_train.y"]) < 1e-9);
}

/// A loss of `a` and `b` with its gradient in `a`; `1 - loss` where the stored number is a dissimilarity.
fn loss_case(golden: &Tensors, name: &str, dissimilarity: bool, op: impl Fn(&Tensor, &Tensor) -> Result<Tensor>) {
    for dtype in [DType::F64, DType::F32] {
        let a = Var::from_tensor(&golden["a"].to_dtype(dtype).unwrap()).unwrap();
        let b = golden["b"].to_dtype(dtype).unwrap();
        let value = op(&a, &b).unwrap();
        let value = if dissimilarity { value.affine(-1.0, 1.0).unwrap() } else { value };
        let off = error(&value.reshape(1).unwrap(), &golden[name]);
        assert!(off < tolerance(dtype), "{name} {dtype:?}: value off by {off}");
        let gradient = value.backward().unwrap().get(&a).unwrap().clone();
        let off = error(&gradient, &golden[&format!("{name}.grad")]);
        assert!(off < tolerance(dtype), "{name} {dtype:?}: gradient off by {off}");
    }
}

#[test]
fn losses() {
    let Some(golden) = load("losses.safetensors") else { return };
    loss_case(&golden, "ssim", true, ops::ssim);
    loss_case(&golden, "ssim", true, |a, b| ops::ssim(b, a));
    loss_case(&golden, "si", true, ops::structure_index);
    loss_case(&golden, "si", true, |a, b| ops::structure_index(b, a));
    loss_case(&golden, "statistic", false, ops::statistic_loss);
    loss_case(&golden, "l1", false, ops::l1);
    loss_case(&golden, "l1", false, |a, b| ops::l1(b, a));
    let sobel = ops::sobel_magnitude(&golden["b"].to_dtype(DType::F64).unwrap()).unwrap();
    assert!(error(&sobel, &golden["sobel"]) < 1e-9);
}

#[test]
fn discrepancy() {
    let Some(golden) = load("losses.safetensors") else { return };
    let values = |key: &str| golden[key].to_vec1::<f64>().unwrap();
    let (x, y, expected) = (values("mmd.x"), values("mmd.y"), values("mmd.value")[0]);
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    let spread = (y.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / y.len() as f64).sqrt();
    assert!((ops::mmd_exact(&x, &y, spread) / expected - 1.0).abs() < 1e-9);
    // The quadrature agrees with the double sum to 1e-8 of the kernel's height, 1.
    assert!((ops::mmd_spectral(&x, &y, spread) - expected).abs() < 1e-8);
    // The loss by either form.
    let (exact, spectral) = (values("statistic_exact")[0], values("statistic")[0]);
    assert!((exact - spectral).abs() < 1e-7);
}
