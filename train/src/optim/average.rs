//! The exponential moving average of the weights.

use candle_core::{DType, Result, Tensor, Var, bail};
use rayon::prelude::*;

use super::{CHUNK, Scalar, with_mut};

/// Prefix of the averages' names in [`Average::state`].
const PREFIX: &str = "ema.";

/// An average of variables, kept beside them: after step t it moves by 1 - d of the distance to the variables, d being the
/// smaller of the decay and (1 + t) / (10 + t), so that the first weights do not linger (as TensorFlow's
/// `ExponentialMovingAverage` with `num_updates`).
pub struct Average {
    decay: f64,
    slots: Vec<(String, Var, Tensor)>,
    /// Where the variables are on a GPU; made by the first update, and anew when a state is taken up.
    #[cfg(feature = "cuda")]
    on_device: std::cell::OnceCell<Option<super::cuda::OnDevice>>,
}

impl Average {
    /// The average of named variables, which begins as their values. Fails where a variable is neither `f32` nor `f64`.
    pub fn new(vars: Vec<(String, Var)>, decay: f64) -> Result<Self> {
        let slot = |(name, var): (String, Var)| {
            if !matches!(var.dtype(), DType::F32 | DType::F64) || !var.is_contiguous() {
                bail!("the average of {name}: the variable must be f32 or f64 and contiguous, it is {:?}", var.dtype());
            }
            let average = var.as_tensor().copy()?;
            Ok((name, var, average))
        };
        Ok(Self {
            decay,
            slots: vars.into_iter().map(slot).collect::<Result<_>>()?,
            #[cfg(feature = "cuda")]
            on_device: std::cell::OnceCell::new(),
        })
    }

    /// Moves the average after the optimiser's step `step`, from 1.
    pub fn update(&self, step: u64) -> Result<()> {
        let t = step as f64;
        let keep = self.decay.min((1.0 + t) / (10.0 + t));
        #[cfg(feature = "cuda")]
        if let Some(device) = self.on_device()? {
            return device.approach(1.0 - keep);
        }
        for (_, var, average) in &self.slots {
            match var.dtype() {
                DType::F64 => approach::<f64>(average, var, 1.0 - keep)?,
                _ => approach::<f32>(average, var, 1.0 - keep)?,
            }
        }
        Ok(())
    }

    /// Exchanges the variables' values with the average.
    pub fn swap(&self) -> Result<()> {
        #[cfg(feature = "cuda")]
        if let Some(device) = self.on_device()? {
            return device.swap();
        }
        for (_, var, average) in &self.slots {
            match var.dtype() {
                DType::F64 => with_mut(var, |p: &mut [f64]| with_mut(average, |a: &mut [f64]| a.swap_with_slice(p)))??,
                _ => with_mut(var, |p: &mut [f32]| with_mut(average, |a: &mut [f32]| a.swap_with_slice(p)))??,
            }
        }
        Ok(())
    }

    /// Tables for a GPU, if the variables are on one.
    #[cfg(feature = "cuda")]
    fn on_device(&self) -> Result<Option<&super::cuda::OnDevice>> {
        if self.on_device.get().is_none() {
            let tensors = self.slots.iter().map(|(_, var, average)| (var.as_tensor(), [Some(average), None]));
            let made = super::cuda::OnDevice::of(&tensors.collect::<Vec<_>>())?;
            return Ok(self.on_device.get_or_init(|| made).as_ref());
        }
        Ok(self.on_device.get().and_then(Option::as_ref))
    }

    /// Whether a name in an optimiser's state is one of an average's.
    pub fn owns(name: &str) -> bool {
        name.starts_with(PREFIX)
    }

    /// Copies of the averages under `ema.NAME`, in the variables' order.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>> {
        self.averages().into_iter().map(|(name, t)| Ok((name, t.copy()?))).collect()
    }

    /// The averages of [`Average::state`] themselves, which the next update changes: to be written, without room for copies.
    pub(crate) fn averages(&self) -> Vec<(String, Tensor)> {
        self.slots.iter().map(|(name, _, average)| (format!("{PREFIX}{name}"), average.clone())).collect()
    }

    /// Takes up what [`Average::state`] gave, from any device. Fails, changing nothing, where one is missing or of another
    /// shape or type.
    pub fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let mut averages = Vec::with_capacity(self.slots.len());
        for (name, _, like) in &self.slots {
            let key = format!("{PREFIX}{name}");
            match state.iter().find(|(name, _)| *name == key) {
                Some((_, t)) if t.shape() == like.shape() && t.dtype() == like.dtype() => {
                    averages.push(t.to_device(like.device())?.contiguous()?.copy()?);
                }
                Some((_, t)) => bail!("{key} is {:?} in the state, not {:?}", t.shape(), like.shape()),
                None => bail!("the state has no {key}"),
            }
        }
        self.slots.iter_mut().zip(averages).for_each(|(slot, average)| slot.2 = average);
        #[cfg(feature = "cuda")]
        {
            self.on_device = std::cell::OnceCell::new();
        }
        Ok(())
    }
}

/// Moves an average by a part of its distance to a variable.
fn approach<T: Scalar>(average: &Tensor, var: &Var, part: f64) -> Result<()> {
    let part = T::from_f64_exact(part);
    with_mut(average, |a: &mut [T]| {
        with_mut(var, |p: &mut [T]| {
            a.par_chunks_mut(CHUNK).zip(p.par_chunks(CHUNK)).for_each(|(a, p)| {
                a.iter_mut().zip(p).for_each(|(a, p)| *a += part * (*p - *a));
            });
        })
    })?
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn value(var: &Var) -> f64 {
        var.to_vec1::<f64>().unwrap()[0]
    }

    #[test]
    fn the_average_follows_its_formula() {
        let var = Var::new(&[2.0f64], &Device::Cpu).unwrap();
        let average = Average::new(vec![("w".into(), var.clone())], 0.6).unwrap();
        let mut expected = 2.0;
        for step in 1..=40u64 {
            let weight = (step as f64).sin();
            var.set(&Tensor::new(&[weight], &Device::Cpu).unwrap()).unwrap();
            average.update(step).unwrap();
            let keep = (1.0 + step as f64) / (10.0 + step as f64);
            expected = keep.min(0.6) * expected + (1.0 - keep.min(0.6)) * weight;
        }
        average.swap().unwrap();
        assert!((value(&var) - expected).abs() < 1e-14);
        average.swap().unwrap();
        assert_eq!(value(&var), 40f64.sin());
    }

    #[test]
    fn a_state_that_does_not_fit_changes_nothing() {
        let var = |n: usize| Var::zeros(n, DType::F64, &Device::Cpu).unwrap();
        let mut average = Average::new(vec![("w".into(), var(2))], 0.5).unwrap();
        let state = average.state().unwrap();
        assert!(average.load_state(&state).is_ok());
        for other in [Vec::new(), vec![("ema.w".to_owned(), var(3).as_detached_tensor())]] {
            assert!(average.load_state(&other).unwrap_err().to_string().contains("ema.w"));
        }
    }
}
