//! CencN: the five stages of VGG16-BN, shared by both decoders, and a 3x3 convolution on top.

use candle_core::{Result, Tensor};

use super::blocks::{Block, Builder, Pass};

/// The context encoder.
#[derive(Debug)]
pub(crate) struct Encoder {
    stages: Vec<Vec<Block>>,
    top: Block,
}

/// What the encoder gives to the decoders.
#[derive(Debug)]
pub(crate) struct Features {
    /// Stage outputs at 1/2, 1/4, 1/8 and 1/16 of the image.
    pub(crate) stages: [Tensor; 4],
    /// The top at 1/32.
    pub(crate) top: Tensor,
}

impl Encoder {
    pub(crate) fn new(b: &mut Builder<'_>) -> Result<Self> {
        let mut stages = Vec::new();
        for (name, convs) in [("convs1R", 2), ("convs2R", 2), ("convs3R", 3), ("convs4R", 3), ("convs5R", 3)] {
            let blocks: Result<_> = (0..convs).map(|i| b.block(&format!("{name}.{}", 3 * i))).collect();
            stages.push(blocks?);
        }
        Ok(Self { stages, top: b.block("conv6R.conv")? })
    }

    /// I, N x 3 x H x W, to features.
    pub(crate) fn forward(&self, image: &Tensor, pass: Pass) -> Result<Features> {
        let stage = |i: usize, x: &Tensor| chain(&self.stages[i], x, pass);
        let s1 = stage(0, image)?;
        let s2 = stage(1, &s1)?;
        let s3 = stage(2, &s2)?;
        let s4 = stage(3, &s3)?;
        let s5 = stage(4, &s4)?;
        Ok(Features { stages: [s1, s2, s3, s4], top: self.top.forward(&s5, pass)? })
    }
}

/// Blocks one after another.
pub(crate) fn chain(blocks: &[Block], x: &Tensor, pass: Pass) -> Result<Tensor> {
    blocks.iter().try_fold(x.clone(), |x, block| block.forward(&x, pass))
}
