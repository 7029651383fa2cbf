//! The constants of one step, the same on every device.

use crate::optim::AdamConfig;

/// What a step needs of settings and step number: what is kept of the weights; weight decay that is added to the gradient;
/// decay of the first moment and 1 less that; the same of the second; step size; factor of the second moment's root; eps.
pub(crate) fn constants(config: &AdamConfig, steps: u64) -> [f64; 9] {
    let AdamConfig { lr, beta1, beta2, eps, weight_decay, decoupled } = *config;
    // i32 is wide enough: beta^2^31 is 0 for every beta below 1 - 1e-7.
    let power = i32::try_from(steps).unwrap_or(i32::MAX);
    let (first, second) = (1.0 - beta1.powi(power), 1.0 - beta2.powi(power));
    let (keep, decay) = if decoupled { (1.0 - lr * weight_decay, 0.0) } else { (1.0, weight_decay) };
    [keep, decay, beta1, 1.0 - beta1, beta2, 1.0 - beta2, lr / first, 1.0 / second.sqrt(), eps]
}
