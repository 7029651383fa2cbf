//! Gradients against central differences, in `f64`.
//!
//! Inputs are random, so the kinks of ReLU, absolute value and pooling lie further away than the step.

use candle_core::{Result, Tensor, Var};
use train::ops;

use crate::support::{on_gpu, random, values};

const STEP: f64 = 1e-6;

/// Compares every derivative of `op`'s results, weighted at random, with its central difference.
fn check(name: &str, shapes: &[&[usize]], op: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let start: Vec<Tensor> = shapes.iter().enumerate().map(|(i, s)| random(100 + i as u64, s)).collect();
    check_at(name, start, op);
}

fn check_at(name: &str, start: Vec<Tensor>, op: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let weights = random(7, op(&start).unwrap().dims());
    let weighted = |x: &[Tensor]| (op(x).unwrap() * &weights).unwrap().flatten_all().unwrap().sum_all().unwrap();
    let vars: Vec<Var> = start.iter().map(|t| Var::from_tensor(t).unwrap()).collect();
    let args: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let gradients = weighted(&args).backward().unwrap();
    for (i, input) in start.iter().enumerate() {
        let found = values(gradients.get(&vars[i]).unwrap());
        let largest = found.iter().fold(1e-6, |m: f64, v| m.max(v.abs()));
        let base = values(input);
        for k in 0..base.len() {
            let moved = |by: f64| {
                let mut v = base.clone();
                v[k] += by;
                let mut args = start.clone();
                args[i] = Tensor::from_vec(v, input.shape(), input.device()).unwrap();
                weighted(&args).to_scalar::<f64>().unwrap()
            };
            let expected = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            let off = (found[k] - expected).abs() / largest;
            assert!(off < 2e-6, "{name}: derivative {k} of input {i} is {}, not {expected}", found[k]);
        }
    }
}

on_gpu!(
    convolution,
    transposed_convolution,
    batch_norm,
    pooling_and_pointwise,
    losses,
    shared_argument,
    gradients_nobody_asked_for
);

#[test]
fn convolution() {
    check("3x3", &[&[2, 3, 4, 5], &[2, 3, 3, 3]], |x| ops::conv2d(&x[0], &x[1], None, 1));
    check("3x3, bias", &[&[1, 2, 3, 3], &[3, 2, 3, 3], &[3]], |x| ops::conv2d(&x[0], &x[1], Some(&x[2]), 1));
    check("no padding", &[&[1, 2, 4, 5], &[2, 2, 3, 3]], |x| ops::conv2d(&x[0], &x[1], None, 0));
    check("padding beyond same", &[&[1, 2, 3, 2], &[2, 2, 3, 3]], |x| ops::conv2d(&x[0], &x[1], None, 4));
    check("even filter", &[&[1, 2, 4, 4], &[2, 2, 2, 2]], |x| ops::conv2d(&x[0], &x[1], None, 1));
}

#[test]
fn transposed_convolution() {
    check("transposed", &[&[2, 3, 2, 3], &[3, 2, 4, 4]], |x| ops::conv_transpose2d(&x[0], &x[1]));
    check("transposed, 1 pixel", &[&[1, 2, 1, 1], &[2, 3, 4, 4]], |x| ops::conv_transpose2d(&x[0], &x[1]));
}

#[test]
fn batch_norm() {
    for relu in [false, true] {
        check("training", &[&[2, 3, 3, 4], &[3], &[3]], |x| {
            Ok(ops::batch_norm_train(&x[0], &x[1], &x[2], 1e-3, relu)?.0)
        });
        let (mean, var) = (random(1, &[3]), (random(2, &[3]).abs().unwrap() + 0.5).unwrap());
        check("evaluation", &[&[2, 3, 3, 4], &[3], &[3]], |x| {
            ops::batch_norm_eval(&x[0], &x[1], &x[2], &mean, &var, 1e-3, relu)
        });
    }
}

#[test]
fn pooling_and_pointwise() {
    check("pooling", &[&[2, 2, 5, 4]], |x| ops::max_pool2x2(&x[0]));
    check("relu", &[&[3, 5]], |x| ops::relu(&x[0]));
    check("abs", &[&[3, 5]], |x| ops::abs(&x[0]));
    check("sigmoid", &[&[3, 5]], |x| candle_nn::ops::sigmoid(&x[0]));
}

#[test]
fn losses() {
    let shape: &[usize] = &[2, 3, 7, 13];
    check("ssim", &[shape, shape], |x| ops::ssim(&x[0], &x[1]));
    check("structure index", &[shape, shape], |x| ops::structure_index(&x[0], &x[1]));
    check("l1", &[shape, shape], |x| ops::l1(&x[0], &x[1]));
    let target = random(5, &[2, 3, 5, 6]);
    check("statistic", &[&[2, 3, 5, 6]], |x| ops::statistic_loss(&x[0], &target));
}

/// A tensor used twice receives the sum of both gradients.
#[test]
fn shared_argument() {
    check("x + relu(conv(x))", &[&[1, 2, 3, 3], &[2, 2, 3, 3]], |x| {
        &x[0] + ops::relu(&ops::conv2d(&x[0], &x[1], None, 1)?)?
    });
}

/// What takes no gradient has none: an input that is data, the target of the statistic loss, the Sobel target.
#[test]
fn gradients_nobody_asked_for() {
    let (x, w) = (random(1, &[1, 3, 4, 4]), Var::from_tensor(&random(2, &[3, 3, 3, 3])).unwrap());
    let y = ops::conv2d(&x, &w, None, 1).unwrap();
    let gradients = y.sum_all().unwrap().backward().unwrap();
    assert!(gradients.get(&x).is_none() && gradients.get(&w).is_some());
    let target = Var::from_tensor(&random(3, &[1, 3, 4, 4])).unwrap();
    let gradients = ops::statistic_loss(&y, &target).unwrap().backward().unwrap();
    assert!(gradients.get(&target).is_none() && gradients.get(&w).is_some());
    assert!(!ops::sobel_magnitude(&target).unwrap().track_op());
}
