//! A whole training step in every precision that a device computes in, beside the CPU in f64: what breaks in the network alone,
//! a type that overflows or an order that is mixed up, shows here.

use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};
use manifests::run::{Loss, Model, Precision};

use crate::{
    Error, device, loss,
    net::{Corrn, Pass},
};

/// Precisions, and how far the loss may be from that in f64, relative to it: generous, since what this looks for is wrong and
/// not imprecise.
const PRECISIONS: [(Precision, &str, f64); 3] = [
    (Precision::F32, "training step, f32", 1e-4),
    (Precision::Tf32, "training step, tf32", 1e-2),
    (Precision::Bf16, "training step, bf16", 2e-2),
];

/// How many times larger or smaller the gradients' norm may be. Weights that are off by 1 in 2,000 move it by two thirds: the
/// losses' derivatives are steep where windows are flat.
const NORM: f64 = 10.0;

/// What a step's check found.
pub(super) struct Found {
    pub(super) name: &'static str,
    /// Of the loss, relative; NaN where it is.
    pub(super) difference: f64,
    /// Whether loss and gradients are near enough.
    pub(super) good: bool,
    /// Forward, loss and backward, once, after a first time.
    pub(super) time: Duration,
}

/// Checks a step in every precision of a device.
///
/// # Errors
/// What Candle answers.
pub(super) fn check(on: &Device) -> Result<Vec<Found>, Error> {
    let [loss, norm] = step(Precision::F32, DType::F64, &Device::Cpu)?;
    let precisions = PRECISIONS.into_iter().filter(|(precision, ..)| !on.is_cpu() || *precision != Precision::Tf32);
    let found = precisions.map(|(precision, name, bound)| {
        step(precision, DType::F32, on)?;
        let began = Instant::now();
        let [found_loss, found_norm] = step(precision, DType::F32, on)?;
        let time = began.elapsed();
        let difference = (found_loss - loss).abs() / loss;
        // A NaN is within no bound.
        let good = difference <= bound && (norm / NORM..=norm * NORM).contains(&found_norm);
        Ok(Found { name, difference, good, time })
    });
    let found = found.collect();
    device::set_precision(on, Precision::F32)?;
    found
}

/// The loss of one step and the norm of all its gradients.
fn step(precision: Precision, dtype: DType, on: &Device) -> Result<[f64; 2], Error> {
    device::set_precision(on, precision)?;
    // Channels from eight on, as tensor cores take them.
    let net = Corrn::new(&Model { width: 0.125, ..Model::default() }, 1, dtype, on)?;
    let layer = |frequency: f64, scale: f64| -> Result<Tensor, Error> {
        let value = |i: usize| scale * (0.5 + 0.5 * (i as f64 * frequency + (i / 96) as f64 * 0.05).sin());
        let values: Vec<f64> = (0..2 * 3 * 64 * 96).map(value).collect();
        Ok(Tensor::from_vec(values, (2, 3, 64, 96), &Device::Cpu)?.to_dtype(dtype)?.to_device(on)?)
    };
    let (b, r) = (layer(0.037, 0.7)?, layer(0.11, 0.3)?);
    let (out, tape) = net.record(&(&b + &r)?, Pass::train().with_precision(precision))?;
    let total = loss::corrn(&Loss::default(), &out, &b, &r)?.total;
    let gradients = tape.backward(&total)?;
    let mut squares = 0.0;
    for (_, var) in net.params().trained() {
        if let Some(gradient) = gradients.get(&var) {
            squares += gradient.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar::<f64>()?;
        }
    }
    Ok([total.to_dtype(DType::F64)?.to_scalar()?, squares.sqrt()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_here_is_right() {
        let found = check(&Device::Cpu).unwrap();
        assert_eq!(found.len(), 2);
        for step in &found {
            assert!(step.good, "{}: {:e}", step.name, step.difference);
        }
        assert!(found[1].difference > found[0].difference, "bf16 is as good as f32");
        let [loss, norm] = step(Precision::F32, DType::F64, &Device::Cpu).unwrap();
        assert!(loss > 0.0 && norm > 0.0, "{loss} {norm}");
        assert!(found[0].difference > 0.0, "both were computed in one type");
    }
}
