//! Shapes and types that do not fit are refused in one sentence; NaN and infinity come through.

use candle_core::{DType, Device, Result, Tensor, Var};
use train::ops;

use crate::support::{device, on_gpu, random, values};

on_gpu!(poison_spreads_as_far_as_the_filter, poison_is_not_swallowed, identity);

fn refused(result: Result<Tensor>, part: &str) {
    let message = result.map(|t| t.dims().to_vec()).unwrap_err().to_string();
    let first = message.lines().next().unwrap();
    assert!(first.contains(part), "{first:?} should contain {part:?}");
}

#[test]
fn misfits() {
    let t = |shape: &[usize]| random(1, shape);
    let single = |shape: &[usize]| t(shape).to_dtype(DType::F32).unwrap();
    let x = t(&[1, 3, 4, 5]);
    refused(ops::conv2d(&t(&[3, 4, 5]), &t(&[2, 3, 3, 3]), None, 1), "x must have 4 dimensions");
    refused(ops::conv2d(&x, &t(&[2, 4, 3, 3]), None, 1), "x has 3 channels");
    refused(ops::conv2d(&x, &t(&[2, 3, 7, 7]), None, 1), "7 x 7 filter does not fit an image of 4 x 5");
    refused(ops::conv2d(&x, &t(&[2, 3, 3, 3]), Some(&t(&[3])), 1), "shape [2]");
    refused(ops::conv2d(&x, &single(&[2, 3, 3, 3]), None, 1), "w is F32 but x is F64");
    refused(ops::conv2d(&x, &t(&[0, 3, 3, 3]), None, 1), "empty");
    refused(ops::conv_transpose2d(&x, &t(&[3, 2, 3, 3])), "must be 4 x 4, not 3 x 3");
    refused(ops::conv_transpose2d(&x, &t(&[2, 3, 4, 4])), "x has 3 channels");
    let norm = |x: &Tensor, c: &Tensor| Ok(ops::batch_norm_train(x, c, c, 1e-3, true)?.0);
    refused(norm(&x, &t(&[4])), "gamma must have the shape [3]");
    refused(norm(&t(&[1, 3, 0, 5]), &t(&[3])), "no value");
    refused(ops::max_pool2x2(&t(&[1, 3, 1, 5])), "1 x 5 has no 2 x 2 block");
    let whole = Tensor::zeros((2, 3), DType::U32, &Device::Cpu).unwrap();
    refused(ops::relu(&whole), "f32, f64 or bf16, not U32");
    refused(ops::ssim(&x, &t(&[1, 3, 5, 4])), "one shape");
    refused(ops::structure_index(&t(&[1, 3, 0, 4]), &t(&[1, 3, 0, 4])), "no pixel");
    refused(ops::statistic_loss(&t(&[1, 1, 4, 4]), &t(&[1, 1, 4, 4])), "RGB");
    refused(ops::statistic_loss(&t(&[1, 3, 1, 4]), &t(&[1, 3, 1, 4])), "at least 2 x 2");
    refused(ops::sobel_magnitude(&t(&[1, 4, 4, 4])), "RGB");
    refused(ops::l1(&x, &t(&[1, 3, 4, 4])), "one shape");
}

/// `base` with `value` at one place.
fn poisoned(shape: &[usize], at: usize, value: f64) -> Tensor {
    let mut v = values(&random(1, shape));
    v[at] = value;
    Tensor::from_vec(v, shape, &device()).unwrap()
}

/// A poisoned pixel reaches exactly the outputs that see it. On a GPU it may reach others: cuDNN's transforms spread it.
#[test]
fn poison_spreads_as_far_as_the_filter() {
    for dtype in [DType::F32, DType::F64] {
        for poison in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            // Pixel (4, 5) of 9 x 11 in the second of three channels.
            let x = poisoned(&[1, 3, 9, 11], 99 + 4 * 11 + 5, poison).to_dtype(dtype).unwrap();
            let w = random(2, &[2, 3, 3, 3]).to_dtype(dtype).unwrap();
            let y = values(&ops::conv2d(&x, &w, None, 1).unwrap());
            for (i, v) in y.iter().enumerate() {
                let (row, column) = (i % 99 / 11, i % 11);
                let sees = row.abs_diff(4) <= 1 && column.abs_diff(5) <= 1;
                let right = if sees { !v.is_finite() } else { v.is_finite() || !device().is_cpu() };
                assert!(right, "pixel ({row}, {column}) under {poison} is {v}");
            }
        }
    }
}

#[test]
fn poison_is_not_swallowed() {
    let nan = Tensor::new(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0], &device()).unwrap();
    let classes = |t: Tensor| {
        values(&t).iter().map(|v| if v.is_nan() { "nan".into() } else { v.to_string() }).collect::<Vec<String>>()
    };
    assert_eq!(classes(ops::relu(&nan).unwrap()), ["nan", "inf", "0", "0"]);
    assert_eq!(classes(ops::abs(&nan).unwrap()), ["nan", "inf", "inf", "1"]);
    assert!(values(&candle_nn::ops::sigmoid(&nan).unwrap())[0].is_nan());
    assert_eq!(values(&candle_nn::ops::sigmoid(&nan).unwrap())[1..3], [1.0, 0.0]);
    // NaN wins its block wherever it stands, and takes the gradient.
    for at in 0..4 {
        let x = Var::from_tensor(&poisoned(&[1, 1, 2, 2], at, f64::NAN)).unwrap();
        let y = ops::max_pool2x2(&x).unwrap();
        assert!(values(&y)[0].is_nan());
        let g = ops::relu(&y).unwrap().backward().unwrap();
        assert!(values(g.get(&x).unwrap())[at] == 1.0, "place {at}");
    }
    // One NaN in a channel spoils that channel alone.
    let x = poisoned(&[2, 2, 3, 3], 4, f64::NAN);
    let one = Tensor::ones(2, DType::F64, &device()).unwrap();
    let (y, stats) = ops::batch_norm_train(&x, &one, &one, 1e-3, true).unwrap();
    assert_eq!(values(&stats.var().unwrap()).iter().map(|v| v.is_nan()).collect::<Vec<_>>(), [true, false]);
    assert!(values(&y).iter().enumerate().all(|(i, v)| v.is_nan() == (i / 9 % 2 == 0)));
    // Losses of a poisoned image are NaN.
    let (bad, good) = (poisoned(&[1, 3, 6, 7], 50, f64::NAN), random(2, &[1, 3, 6, 7]));
    for (name, loss) in [
        ("ssim", ops::ssim(&bad, &good)),
        ("structure_index", ops::structure_index(&good, &bad)),
        ("statistic_loss", ops::statistic_loss(&bad, &good)),
        ("statistic_loss", ops::statistic_loss(&good, &bad)),
        ("l1", ops::l1(&bad, &good)),
    ] {
        assert!(loss.unwrap().to_scalar::<f64>().unwrap().is_nan(), "{name}");
    }
    assert!(values(&ops::sobel_magnitude(&bad).unwrap()).iter().any(|v| v.is_nan()));
}

/// An image against itself: similarity exactly 1, distances exactly 0, with no gradient.
#[test]
fn identity() {
    let a = (random(1, &[2, 3, 12, 15]).abs().unwrap() * 0.9).unwrap();
    let var = Var::from_tensor(&a).unwrap();
    let scalar = |t: Result<Tensor>| t.unwrap().to_scalar::<f64>().unwrap();
    let closeness = if device().is_cpu() { 1e-15 } else { 1e-14 };
    assert_eq!(scalar(ops::l1(&a, &a)), 0.0);
    assert_eq!(scalar(ops::statistic_loss(&a, &a)), 0.0);
    assert!((scalar(ops::ssim(&a, &a)) - 1.0).abs() < closeness);
    assert!((scalar(ops::structure_index(&a, &a)) - 1.0).abs() < closeness);
    let gradients = ops::l1(&var, &a).unwrap().backward().unwrap();
    assert!(values(gradients.get(&var).unwrap()).iter().all(|g| *g == 0.0));
    let gradients = ops::ssim(&a, &var).unwrap().backward().unwrap();
    assert!(values(gradients.get(&var).unwrap()).iter().all(|g| g.abs() < closeness));
}
