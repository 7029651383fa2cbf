//! GdecN: the gradient of the background, from the encoder's fourth stage, and what it lends to IdecN.

use candle_core::Result;

use super::{
    blocks::{Block, Builder},
    encoder::Features,
    walk::Walk,
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
pub(crate) struct Guidance<V> {
    /// The gradient of B, N x 1 x H x W, in (0, 1).
    pub(crate) gradient: V,
    /// Enhanced features at 1/16, 1/8, 1/4 and 1/2 of the image.
    pub(crate) enhanced: [V; 4],
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

    pub(crate) fn forward<W: Walk>(&self, features: &Features<W::Value>, walk: &W) -> Result<Guidance<W::Value>> {
        let [s1, s2, s3, s4, _] = &features.stages;
        let with = |g: &W::Value, stage: &W::Value| walk.cat(&[g, stage]);
        let g5 = walk.chain(&self.base, s4)?;
        let g4 = walk.chain(&self.up4, &with(&g5, s4)?)?;
        let g3 = walk.chain(&self.up3, &with(&g4, s3)?)?;
        let g2 = walk.chain(&self.up2, &with(&g3, s2)?)?;
        let g1 = walk.block(&self.up1, &with(&g2, s1)?)?;
        let gradient = walk.sigmoid(&walk.block(&self.contour, &g1)?)?;
        let enhance = |i: usize, g: &W::Value| walk.block(&self.enhance[i], g);
        Ok(Guidance { gradient, enhanced: [enhance(0, &g5)?, enhance(1, &g4)?, enhance(2, &g3)?, enhance(3, &g2)?] })
    }
}
