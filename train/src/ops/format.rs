//! The order of an image's values in memory, and the operations in either.

use candle_core::{Result, Tensor};

use super::{BatchStats, batch_norm, conv_transpose2d, conv2d, max_pool, reorder};

/// In which order images lie in memory. Weights are in PyTorch's order always.
///
/// A GPU's tensor cores multiply channels that lie side by side: images that come channels first are turned around before
/// each convolution, and its result back. The CPU has the first order alone: it turns around what comes in the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// N x C x H x W.
    #[default]
    ChannelsFirst,
    /// N x H x W x C.
    ChannelsLast,
}

impl Format {
    /// The dimension of the channels.
    pub fn channels(self) -> usize {
        match self {
            Self::ChannelsFirst => 1,
            Self::ChannelsLast => 3,
        }
    }

    /// Extents in this order, from N, C, H, W.
    #[cfg(any(feature = "cuda", test))]
    pub(crate) fn dims(self, [n, c, h, w]: [usize; 4]) -> [usize; 4] {
        match self {
            Self::ChannelsFirst => [n, c, h, w],
            Self::ChannelsLast => [n, h, w, c],
        }
    }

    /// N, C, H, W, from extents in this order.
    pub(crate) fn extents(self, [a, b, c, d]: [usize; 4]) -> [usize; 4] {
        match self {
            Self::ChannelsFirst => [a, b, c, d],
            Self::ChannelsLast => [a, d, b, c],
        }
    }

    /// N, C, H, W of an image in this order.
    #[cfg(feature = "cuda")]
    pub(crate) fn of_shape(self, shape: &candle_core::Shape) -> Result<[usize; 4]> {
        let (a, b, c, d) = shape.dims4()?;
        Ok(self.extents([a, b, c, d]))
    }

    /// An image in this order, from N x C x H x W.
    ///
    /// # Errors
    /// What Candle answers.
    pub fn of_image(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::ChannelsFirst => Ok(x.clone()),
            Self::ChannelsLast => reorder::to_last(x, x.dtype()),
        }
    }

    /// N x C x H x W, from an image in this order.
    ///
    /// # Errors
    /// What Candle answers.
    pub fn to_image(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::ChannelsFirst => Ok(x.clone()),
            Self::ChannelsLast => reorder::to_first(x, x.dtype()),
        }
    }

    /// As [`super::conv2d()`].
    ///
    /// # Errors
    /// As there.
    pub fn conv2d(self, x: &Tensor, w: &Tensor, bias: Option<&Tensor>, padding: usize) -> Result<Tensor> {
        self.on(x, |format, x| conv2d::in_format(format, x, w, bias, padding))
    }

    /// As [`super::conv_transpose2d()`].
    ///
    /// # Errors
    /// As there.
    pub fn conv_transpose2d(self, x: &Tensor, w: &Tensor) -> Result<Tensor> {
        self.on(x, |format, x| conv_transpose2d::in_format(format, x, w))
    }

    /// As [`super::max_pool2x2`].
    ///
    /// # Errors
    /// As there.
    pub fn max_pool2x2(self, x: &Tensor) -> Result<Tensor> {
        self.on(x, max_pool::in_format)
    }

    /// As [`super::batch_norm_train`].
    ///
    /// # Errors
    /// As there.
    pub fn batch_norm_train(
        self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        eps: f64,
        relu: bool,
    ) -> Result<(Tensor, BatchStats)> {
        let mut stats = None;
        let y = self.on(x, |format, x| {
            let (y, batch) = batch_norm::train_in_format(format, x, gamma, beta, eps, relu)?;
            stats = Some(batch);
            Ok(y)
        })?;
        match stats {
            Some(stats) => Ok((y, stats)),
            None => candle_core::bail!("batch_norm_train: no statistics were taken"),
        }
    }

    /// As [`super::batch_norm_eval`].
    ///
    /// # Errors
    /// As there.
    pub fn batch_norm_eval(
        self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        running: (&Tensor, &Tensor),
        eps: f64,
        relu: bool,
    ) -> Result<Tensor> {
        self.on(x, |format, x| batch_norm::eval_in_format(format, x, gamma, beta, running, eps, relu))
    }

    /// Runs an operation in this order where the device has it, else in the other.
    fn on(self, x: &Tensor, op: impl FnOnce(Self, &Tensor) -> Result<Tensor>) -> Result<Tensor> {
        if self == Self::ChannelsFirst || x.device().is_cuda() {
            return op(self, x);
        }
        self.of_image(&op(Self::ChannelsFirst, &self.to_image(x)?)?)
    }
}
