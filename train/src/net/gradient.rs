//! GdecN: the gradient of the background, from the encoder's fourth stage, and what it lends to IdecN.

use candle_core::{Result, Tensor};

use super::{
    blocks::{Block, Builder, Pass},
    encoder::{Features, chain},
};

/// The gradient decoder and the enhancement layers between it and IdecN.
#[derive(Debug)]
pub(crate) struct GradientDecoder {
    base: Vec<Block>,
    up4: Vec<Block>,
    up3: Vec<Block>,
    up2: Vec<Block>,
    up1: Block,
    contour: Block,
    enhance: Vec<Block>,
}

/// What the gradient decoder gives.
#[derive(Debug)]
pub(crate) struct Guidance {
    /// The gradient of B, N x 1 x H x W, in (0, 1).
    pub(crate) gradient: Tensor,
    /// Enhanced features at 1/16, 1/8, 1/4 and 1/2 of the image.
    pub(crate) enhanced: [Tensor; 4],
}

impl GradientDecoder {
    pub(crate) fn new(b: &mut Builder<'_>) -> Result<Self> {
        let mut blocks = |names: &[&str]| -> Result<Vec<Block>> {
            names.iter().map(|name| b.block(&format!("{name}.conv"))).collect()
        };
        Ok(Self {
            base: blocks(&["conv6_1", "conv6_2", "deconv5_1", "deconv5_2"])?,
            up4: blocks(&["deconv4_1", "deconv4_2"])?,
            up3: blocks(&["deconv3_1", "deconv3_2"])?,
            up2: blocks(&["deconv2_1", "deconv2_2"])?,
            up1: b.block("deconv1.conv")?,
            contour: b.block("pred1_contour")?,
            enhance: ["featureEnhance5", "featureEnhance4", "featureEnhance3", "featureEnhance2"]
                .iter()
                .map(|name| b.block(&format!("{name}.conv")))
                .collect::<Result<_>>()?,
        })
    }

    pub(crate) fn forward(&self, features: &Features, pass: Pass) -> Result<Guidance> {
        let [s1, s2, s3, s4] = &features.stages;
        let with = |g: &Tensor, stage: &Tensor| Tensor::cat(&[g, stage], 1);
        let g5 = chain(&self.base, s4, pass)?;
        let g4 = chain(&self.up4, &with(&g5, s4)?, pass)?;
        let g3 = chain(&self.up3, &with(&g4, s3)?, pass)?;
        let g2 = chain(&self.up2, &with(&g3, s2)?, pass)?;
        let g1 = self.up1.forward(&with(&g2, s1)?, pass)?;
        let gradient = candle_nn::ops::sigmoid(&self.contour.forward(&g1, pass)?)?;
        let enhance = |i: usize, g: &Tensor| self.enhance[i].forward(g, pass);
        Ok(Guidance { gradient, enhanced: [enhance(0, &g5)?, enhance(1, &g4)?, enhance(2, &g3)?, enhance(3, &g2)?] })
    }
}
