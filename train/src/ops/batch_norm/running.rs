//! Statistics of a batch, and the running ones that evaluation takes.

use candle_core::{DType, Result, Tensor, Var};

/// Statistics of one batch by channel, cut from the tape.
#[derive(Clone, Debug)]
pub struct BatchStats {
    /// 2C values in `f64`: means, then biased variances.
    pub(super) stats: Tensor,
    /// Values a channel: N x H x W.
    pub(super) count: usize,
}

impl BatchStats {
    /// Mean of each channel, C values in `f64`.
    pub fn mean(&self) -> Result<Tensor> {
        self.part(0)
    }

    /// Biased variance of each channel (divided by the number of its values), C values in `f64`.
    pub fn var(&self) -> Result<Tensor> {
        self.part(1)
    }

    fn part(&self, i: usize) -> Result<Tensor> {
        let c = self.stats.elem_count() / 2;
        self.stats.narrow(0, i * c, c)
    }

    /// Moves running statistics, C values each, towards these: by `momentum` of the distance, the variance towards the unbiased
    /// one, as PyTorch does. A GPU does that in one launch, which nothing waits for.
    ///
    /// `bias`, C values of the running statistics' type, is added to the mean: that of a convolution whose batch norm takes it
    /// away again, so that it was left out.
    pub fn enter(&self, bias: Option<&Tensor>, running_mean: &Var, running_var: &Var, momentum: f64) -> Result<()> {
        let unbiased = self.count as f64 / (self.count.max(2) - 1) as f64;
        #[cfg(feature = "cuda")]
        if running_mean.device().is_cuda() {
            return super::cuda::enter(&self.stats, bias, (running_mean, running_var), momentum, unbiased);
        }
        let mut mean = self.mean()?;
        if let Some(bias) = bias {
            mean = (mean + bias.to_dtype(DType::F64)?)?;
        }
        let (mean, var) = (mean.to_dtype(running_mean.dtype())?, self.var()?.to_dtype(running_var.dtype())?);
        for (running, batch) in [(running_mean, mean), (running_var, (var * unbiased)?)] {
            let kept = (running.as_detached_tensor() * (1.0 - momentum))?;
            running.set(&(kept + (batch * momentum)?)?)?;
        }
        Ok(())
    }
}
