//! Scaling and clipping of gradients on the CPU.

use candle_core::{DType, Result, Var, backprop::GradStore};

/// Multiplies every gradient of `vars`.
pub(super) fn scale<'a>(gradients: &mut GradStore, vars: impl Iterator<Item = &'a Var>, factor: f64) -> Result<()> {
    for var in vars {
        if let Some(gradient) = gradients.remove(var) {
            gradients.insert(var, (gradient * factor)?);
        }
    }
    Ok(())
}

/// Scales gradients so that their global norm is at most `limit`, as PyTorch's `clip_grad_norm_` does (Pascanu et al. 2013,
/// algorithm 1), and returns the norm before. One that is not finite scales nothing.
pub(super) fn clip<'a>(
    gradients: &mut GradStore,
    vars: impl Iterator<Item = &'a Var> + Clone,
    limit: f64,
) -> Result<f64> {
    let mut squares = 0.0;
    for gradient in vars.clone().filter_map(|var| gradients.get(var)) {
        squares += gradient.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar::<f64>()?;
    }
    let norm = squares.sqrt();
    let factor = limit / (norm + 1e-6);
    if factor < 1.0 && norm.is_finite() {
        scale(gradients, vars, factor)?;
    }
    Ok(norm)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn gradients_are_scaled_to_the_limit_and_no_further() {
        let var = |v: &[f64]| Var::new(v, &Device::Cpu).unwrap();
        let vars = [var(&[3.0, 0.0]), var(&[2.0])];
        // The gradients are (3, 0) and 4: their norm is 5.
        let loss = |factor: f64| {
            let a = (vars[0].sqr().unwrap().sum_all().unwrap() * (0.5 * factor)).unwrap();
            (a + (vars[1].sqr().unwrap().sum_all().unwrap() * factor).unwrap()).unwrap()
        };
        let clipped = |factor: f64, limit: f64| {
            let mut gradients = loss(factor).backward().unwrap();
            let norm = clip(&mut gradients, vars.iter(), limit).unwrap();
            let of = |i: usize| gradients.get(&vars[i]).unwrap().to_vec1::<f64>().unwrap();
            (norm, [of(0), of(1)].concat())
        };
        assert_eq!(clipped(1.0, 6.0), (5.0, vec![3.0, 0.0, 4.0]));
        let (norm, values) = clipped(1.0, 1.0);
        assert_eq!(norm, 5.0);
        for (value, wanted) in values.iter().zip([0.6, 0.0, 0.8]) {
            assert!((value - wanted).abs() < 1e-6, "{value} and not {wanted}");
        }
        assert!(clipped(f64::INFINITY, 1.0).0.is_nan());
    }
}
