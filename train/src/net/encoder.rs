//! CencN: the five stages of VGG16-BN, shared by both decoders, and a 3x3 convolution on top.

use candle_core::Result;

use super::{
    blocks::{Block, Builder},
    walk::Walk,
};

/// The context encoder.
#[derive(Debug)]
pub(crate) struct Encoder {
    stages: Vec<Vec<Block>>,
    top: Block,
}

/// What the encoder gives to the decoders.
#[derive(Debug)]
pub(crate) struct Features<V> {
    /// Stage outputs at 1/2, 1/4, 1/8, 1/16 and 1/32 of the image.
    pub(crate) stages: [V; 5],
    /// The 3x3 convolution's output at 1/32.
    pub(crate) top: V,
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
    pub(crate) fn forward<W: Walk>(&self, image: &W::Value, walk: &W) -> Result<Features<W::Value>> {
        let stage = |i: usize, x: &W::Value| walk.chain(&self.stages[i], x);
        let s1 = stage(0, image)?;
        let s2 = stage(1, &s1)?;
        let s3 = stage(2, &s2)?;
        let s4 = stage(3, &s3)?;
        let s5 = stage(4, &s4)?;
        let top = walk.block(&self.top, &s5)?;
        Ok(Features { stages: [s1, s2, s3, s4, s5], top })
    }
}
