//! IdecN: the picture, from the top of the encoder, guided at each scale by the encoder and GdecN.

use candle_core::{Result, Tensor};
use manifests::run::Branches;

use super::{
    blocks::{Block, Builder, Pass},
    encoder::{Features, chain},
    extraction::Extraction,
    gradient::Guidance,
};

/// The image decoder.
#[derive(Debug)]
pub(crate) struct BackgroundDecoder {
    extraction_a: Extraction,
    extraction_b: Extraction,
    up: Vec<Block>,
    output: Vec<Block>,
    branches: Branches,
}

impl BackgroundDecoder {
    pub(crate) fn new(b: &mut Builder<'_>, branches: Branches) -> Result<Self> {
        let extraction_a = Extraction::a(b)?;
        let extraction_b = Extraction::b(b)?;
        let up: Result<_> = (0..5).map(|i| b.block(&format!("deconv{i}R.0.transconv"))).collect();
        let output: Result<_> = (0..2).map(|i| b.block(&format!("output.{i}.conv"))).collect();
        Ok(Self { extraction_a, extraction_b, up: up?, output: output?, branches })
    }

    /// The last layer's output, N x 3 x H x W, not below 0.
    pub(crate) fn forward(&self, features: &Features, guidance: Option<&Guidance>, pass: Pass) -> Result<Tensor> {
        let [s1, s2, s3, s4] = &features.stages;
        let enhanced = |i: usize| guidance.map(|g| &g.enhanced[i]);
        let d = self.extraction_a.forward(&features.top, pass)?;
        let d = self.up(0, &d, Some(s4), enhanced(0), pass)?;
        let d = self.up(1, &d, Some(s3), enhanced(1), pass)?;
        let d = self.extraction_b.forward(&d, pass)?;
        let d = self.up(2, &d, Some(s2), enhanced(2), pass)?;
        let d = self.up(3, &d, Some(s1), enhanced(3), pass)?;
        let d = self.up(4, &d, None, guidance.map(|g| &g.gradient), pass)?;
        chain(&self.output, &d, pass)
    }

    /// Three parallel transposed convolutions, then the encoder's stage and GdecN's features of the same scale.
    fn up(&self, i: usize, x: &Tensor, stage: Option<&Tensor>, guide: Option<&Tensor>, pass: Pass) -> Result<Tensor> {
        let y = self.up[i].forward(x, pass)?;
        let mut parts = match self.branches {
            Branches::Independent => vec![&y],
            Branches::Shared => vec![&y, &y, &y],
        };
        parts.extend(stage);
        parts.extend(guide);
        Tensor::cat(&parts, 1)
    }
}
