//! IdecN: the picture, from the top of the encoder, guided at each scale by the encoder and GdecN.

use candle_core::Result;
use manifests::run::Branches;

use super::{
    blocks::{Block, Builder},
    encoder::Features,
    extraction::Extraction,
    gradient::Guidance,
    walk::Walk,
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

    /// Makes the first answers faint: the last norm gives `level` plus or minus `level`, below 0 cut off.
    pub(crate) fn start_at(&self, level: f64) -> Result<()> {
        self.output.last().map_or(Ok(()), |last| last.scale_to(level))
    }

    /// The last layer's output, N x 3 x H x W, not below 0.
    pub(crate) fn forward<W: Walk>(
        &self,
        features: &Features<W::Value>,
        guidance: Option<&Guidance<W::Value>>,
        walk: &W,
    ) -> Result<W::Value> {
        let [s1, s2, s3, s4, _] = &features.stages;
        let enhanced = |i: usize| guidance.map(|g| &g.enhanced[i]);
        let d = self.extraction_a.forward(&features.top, walk)?;
        let d = self.up(0, &d, Some(s4), enhanced(0), walk)?;
        let d = self.up(1, &d, Some(s3), enhanced(1), walk)?;
        let d = self.extraction_b.forward(&d, walk)?;
        let d = self.up(2, &d, Some(s2), enhanced(2), walk)?;
        let d = self.up(3, &d, Some(s1), enhanced(3), walk)?;
        let d = self.up(4, &d, None, guidance.map(|g| &g.gradient), walk)?;
        walk.chain(&self.output, &d)
    }

    /// Three parallel transposed convolutions, then the encoder's stage and GdecN's features of the same scale.
    fn up<W: Walk>(
        &self,
        i: usize,
        x: &W::Value,
        stage: Option<&W::Value>,
        guide: Option<&W::Value>,
        walk: &W,
    ) -> Result<W::Value> {
        let y = walk.block(&self.up[i], x)?;
        let mut parts = match self.branches {
            Branches::Independent => vec![&y],
            Branches::Shared => vec![&y, &y, &y],
        };
        parts.extend(stage);
        parts.extend(guide);
        walk.cat(&parts)
    }
}
