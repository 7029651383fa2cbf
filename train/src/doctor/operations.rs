//! Each operation of a training step, forward and backward: a device in f32 against the CPU in f64.

use std::time::{Duration, Instant};

use candle_core::{DType, Device, Result, Tensor, Var};

use crate::{
    ops::{self, Format},
    optim::{Adam, AdamConfig},
};

/// Largest difference that an operation may have, relative to the largest number of the output or gradient.
pub(super) const TOLERANCE: f64 = 1e-4;

/// An operation at shapes that take its different ways: many channels and few, odd sizes, borders.
struct Case {
    name: &'static str,
    shapes: &'static [&'static [usize]],
    apply: fn(&[Tensor]) -> Result<Tensor>,
}

const CASES: &[Case] = &[
    Case { name: "convolution 1x1", shapes: &[&[2, 24, 17, 30], &[20, 24, 1, 1]], apply: |t| conv(t, 0) },
    Case { name: "convolution 3x3", shapes: &[&[2, 3, 33, 47], &[16, 3, 3, 3], &[16]], apply: |t| conv(t, 1) },
    Case { name: "  many channels", shapes: &[&[2, 64, 33, 47], &[64, 64, 3, 3], &[64]], apply: |t| conv(t, 1) },
    Case {
        name: "  channels last",
        shapes: &[&[2, 64, 33, 47], &[64, 64, 3, 3], &[64]],
        apply: |t| last(&t[0], |order, x| order.conv2d(x, &t[1], t.get(2), 1)),
    },
    Case { name: "convolution 5x5", shapes: &[&[2, 32, 21, 40], &[32, 32, 5, 5]], apply: |t| conv(t, 2) },
    Case { name: "convolution 7x7", shapes: &[&[2, 32, 14, 18], &[32, 32, 7, 7]], apply: |t| conv(t, 3) },
    Case {
        name: "transposed convolution",
        shapes: &[&[2, 48, 13, 18], &[48, 32, 4, 4]],
        apply: |t| ops::conv_transpose2d(&t[0], &t[1]),
    },
    Case {
        name: "  channels last",
        shapes: &[&[2, 48, 13, 18], &[48, 32, 4, 4]],
        apply: |t| last(&t[0], |order, x| order.conv_transpose2d(x, &t[1])),
    },
    Case {
        name: "batch norm and ReLU, training",
        shapes: &[&[2, 16, 19, 23], &[16], &[16]],
        apply: |t| Ok(ops::batch_norm_train(&t[0], &t[1], &t[2], 1e-3, true)?.0),
    },
    Case {
        name: "  channels last",
        shapes: &[&[2, 16, 19, 23], &[16], &[16]],
        apply: |t| last(&t[0], |order, x| Ok(order.batch_norm_train(x, &t[1], &t[2], 1e-3, true)?.0)),
    },
    Case {
        name: "batch norm and ReLU, evaluation",
        shapes: &[&[2, 16, 19, 23], &[16], &[16], &[16]],
        apply: |t| {
            ops::batch_norm_eval(&t[0], &t[1], &t[2], &t[3].detach(), &(t[3].detach().sqr()? + 0.5)?, 1e-3, true)
        },
    },
    Case { name: "max pooling", shapes: &[&[2, 16, 18, 26]], apply: |t| ops::max_pool2x2(&t[0]) },
    Case { name: "  channels last", shapes: &[&[2, 16, 18, 26]], apply: |t| last(&t[0], Format::max_pool2x2) },
    Case { name: "ReLU", shapes: &[&[2, 5, 19, 23]], apply: |t| ops::relu(&t[0]) },
    Case { name: "absolute value", shapes: &[&[2, 5, 19, 23]], apply: |t| ops::abs(&t[0]) },
    Case { name: "L1", shapes: &[&[2, 3, 32, 48], &[2, 3, 32, 48]], apply: |t| ops::l1(&t[0], &t[1]) },
    Case { name: "SSIM", shapes: &[&[2, 3, 32, 48], &[2, 3, 32, 48]], apply: |t| ops::ssim(&t[0], &t[1]) },
    Case { name: "SI", shapes: &[&[2, 3, 32, 48], &[2, 3, 32, 48]], apply: |t| ops::structure_index(&t[0], &t[1]) },
    Case {
        name: "statistic loss",
        shapes: &[&[2, 3, 32, 48], &[2, 3, 32, 48]],
        apply: |t| ops::statistic_loss(&t[0], &t[1].detach()),
    },
    Case { name: "Sobel", shapes: &[&[2, 3, 32, 48]], apply: |t| ops::sobel_magnitude(&t[0].detach()) },
    Case { name: "Adam, three steps", shapes: &[&[1000], &[1000]], apply: adam },
];

fn conv(t: &[Tensor], padding: usize) -> Result<Tensor> {
    ops::conv2d(&t[0], &t[1], t.get(2), padding)
}

/// An operation on an image whose channels lie side by side.
fn last(x: &Tensor, op: impl Fn(Format, &Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let order = Format::ChannelsLast;
    order.to_image(&op(order, &order.of_image(x)?)?)
}

/// The first tensor after steps along the gradient of its product with the second.
fn adam(t: &[Tensor]) -> Result<Tensor> {
    let var = Var::from_tensor(&t[0].detach().copy()?)?;
    let config = AdamConfig { lr: 1e-2, weight_decay: 0.1, ..AdamConfig::default() };
    let mut adam = Adam::new(vec![("weights".into(), var.clone())], config)?;
    for _ in 0..3 {
        adam.step(&(var.as_tensor() * t[1].detach())?.sum_all()?.backward()?)?;
    }
    Ok(var.as_detached_tensor())
}

/// What an operation's check found.
pub(super) struct Found {
    pub(super) name: &'static str,
    /// Largest difference over the output and every gradient, each relative to its largest number; NaN where one is.
    pub(super) difference: f64,
    /// Forward and backward on the device, once, after a first time.
    pub(super) time: Duration,
}

/// Checks every operation on a device.
///
/// # Errors
/// What Candle answers.
pub(super) fn check(device: &Device) -> Result<Vec<Found>> {
    CASES.iter().map(|case| case.check(device)).collect()
}

impl Case {
    fn check(&self, device: &Device) -> Result<Found> {
        let exact = self.numbers(DType::F64, &Device::Cpu)?;
        self.numbers(DType::F32, device)?;
        let began = Instant::now();
        let found = self.numbers(DType::F32, device)?;
        let time = began.elapsed();
        if exact.len() != found.len() {
            return Ok(Found { name: self.name, difference: f64::NAN, time });
        }
        let differences = exact.iter().zip(&found).map(|(exact, found)| relative(exact, found));
        // A NaN stays one: `max` of floats would drop it.
        let difference = differences.fold(0.0, |most: f64, d| if d.is_nan() || d > most { d } else { most });
        Ok(Found { name: self.name, difference, time })
    }

    /// The output and the gradients of its product with fixed numbers, where there are any, as plain numbers.
    fn numbers(&self, dtype: DType, device: &Device) -> Result<Vec<Vec<f64>>> {
        let input =
            |(i, dims): (usize, &&[usize])| Var::from_tensor(&wave(dims, i)?.to_dtype(dtype)?.to_device(device)?);
        let inputs: Vec<Var> = self.shapes.iter().enumerate().map(input).collect::<Result<_>>()?;
        let output = (self.apply)(&inputs.iter().map(|var| var.as_tensor().clone()).collect::<Vec<_>>())?;
        let mut all = vec![numbers(&output)?];
        if output.track_op() {
            let weights = wave(output.dims(), 7)?.to_dtype(dtype)?.to_device(device)?;
            // Flattened: of a tensor without a dimension Candle asks a GPU for memory of no size.
            let gradients = (&output * weights)?.flatten_all()?.sum_all()?.backward()?;
            for gradient in inputs.iter().filter_map(|var| gradients.get(var)) {
                all.push(numbers(gradient)?);
            }
        }
        Ok(all)
    }
}

/// Numbers in [0, 1] that do not repeat within a tensor, the same ones always, exact in f32: no two inputs of an operation are
/// alike.
fn wave(dims: &[usize], which: usize) -> Result<Tensor> {
    let values = |i: usize| (0.5 + 0.5 * (i as f64 * 0.37 + which as f64 * 1.3 + (i / 7) as f64 * 0.011).sin()) as f32;
    Tensor::from_vec((0..dims.iter().product()).map(values).collect(), dims, &Device::Cpu)
}

fn numbers(t: &Tensor) -> Result<Vec<f64>> {
    t.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

fn relative(exact: &[f64], found: &[f64]) -> f64 {
    if exact.len() != found.len() {
        return f64::NAN;
    }
    let scale = exact.iter().fold(1e-12f64, |most, v| most.max(v.abs()));
    exact
        .iter()
        .zip(found)
        .map(|(e, f)| (e - f).abs() / scale)
        .fold(0.0, |most, d| if d.is_nan() || d > most { d } else { most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_right_here_and_a_wrong_one_is_seen() {
        for found in check(&Device::Cpu).unwrap() {
            assert!(found.difference <= TOLERANCE, "{}: {:e}", found.name, found.difference);
        }
        // An operation that computes something else in f32 only.
        let wrong = |t: &[Tensor]| if t[0].dtype() == DType::F32 { t[0].sqr()?.affine(1.001, 0.0) } else { t[0].sqr() };
        let case = Case { name: "wrong", shapes: &[&[2, 3]], apply: wrong };
        let found = case.check(&Device::Cpu).unwrap();
        assert!((found.difference - 1e-3).abs() < 1e-5, "{:e}", found.difference);
        assert!(relative(&[1.0], &[f64::NAN]).is_nan());
    }
}
