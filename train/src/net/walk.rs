//! What carries the network out. Its wiring is written once, in the decoders, and walked with tensors ([`Pass`]) or with the
//! names of a graph's values (ONNX), so that what is exported cannot differ from what runs.

use candle_core::{Result, Tensor};

use super::blocks::{Block, Pass};
use crate::ops;

/// The four things that happen to the network's values besides splitting them up.
pub(crate) trait Walk {
    /// What flows between the layers: N x C x H x W, in whatever order.
    type Value: Clone;

    /// One layer of the stage table.
    fn block(&self, block: &Block, x: &Self::Value) -> Result<Self::Value>;

    /// One after another along the channels.
    fn cat(&self, parts: &[&Self::Value]) -> Result<Self::Value>;

    /// 1 / (1 + exp(-x)).
    fn sigmoid(&self, x: &Self::Value) -> Result<Self::Value>;

    /// a - b, in a's type.
    fn subtract(&self, a: &Self::Value, b: &Self::Value) -> Result<Self::Value>;

    /// Layers one after another.
    fn chain(&self, blocks: &[Block], x: &Self::Value) -> Result<Self::Value> {
        blocks.iter().try_fold(x.clone(), |x, block| self.block(block, &x))
    }
}

impl Walk for Pass {
    type Value = Tensor;

    fn block(&self, block: &Block, x: &Tensor) -> Result<Tensor> {
        block.forward(x, *self)
    }

    fn cat(&self, parts: &[&Tensor]) -> Result<Tensor> {
        ops::cat(parts, self.format().channels())
    }

    fn sigmoid(&self, x: &Tensor) -> Result<Tensor> {
        ops::sigmoid(x)
    }

    fn subtract(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        ops::subtract(a, b)
    }
}
