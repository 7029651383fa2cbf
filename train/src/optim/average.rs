//! The exponential moving average of the weights.

use candle_core::{Result, Tensor, Var, bail};

use super::pairs::Pairs;

/// Prefix of the averages' names in [`Average::state`].
const PREFIX: &str = "ema.";

/// An average of variables, kept beside them: after step t it moves by 1 - d of the distance to the variables, d being the
/// smaller of the decay and (1 + t) / (10 + t), so that the first weights do not linger (as TensorFlow's
/// `ExponentialMovingAverage` with `num_updates`).
pub struct Average {
    decay: f64,
    pairs: Pairs,
}

impl Average {
    /// The average of named variables, which begins as their values. Fails where a variable is neither `f32` nor `f64`.
    pub fn new(vars: Vec<(String, Var)>, decay: f64) -> Result<Self> {
        Ok(Self { decay, pairs: Pairs::new("the average", vars)? })
    }

    /// Moves the average after the optimiser's step `step`, from 1.
    pub fn update(&self, step: u64) -> Result<()> {
        let t = step as f64;
        self.pairs.approach(1.0 - self.decay.min((1.0 + t) / (10.0 + t)))
    }

    /// Exchanges the variables' values with the average.
    pub fn swap(&self) -> Result<()> {
        self.pairs.swap()
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
        self.pairs.beside().map(|(name, average)| (format!("{PREFIX}{name}"), average.clone())).collect()
    }

    /// Takes up what [`Average::state`] gave, from any device. Fails, changing nothing, where one is missing or of another
    /// shape or type.
    pub fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let mut averages = Vec::new();
        for (name, like) in self.pairs.beside() {
            let key = format!("{PREFIX}{name}");
            match state.iter().find(|(name, _)| *name == key) {
                Some((_, t)) if t.shape() == like.shape() && t.dtype() == like.dtype() => {
                    averages.push(t.to_device(like.device())?.contiguous()?.copy()?);
                }
                Some((_, t)) => bail!("{key} is {:?} in the state, not {:?}", t.shape(), like.shape()),
                None => bail!("the state has no {key}"),
            }
        }
        self.pairs.replace(averages);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

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
