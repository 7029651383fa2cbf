//! Feature extraction: the reduction blocks of Inception-ResNet-v2 with strides 1 and, for their pooling, 1x1 + 7x7.

use candle_core::Result;

use super::{
    blocks::{Block, Builder},
    walk::Walk,
};

/// Parallel paths whose outputs are concatenated.
#[derive(Debug)]
pub(crate) struct Extraction {
    paths: Vec<Vec<Block>>,
}

impl Extraction {
    /// Reduction-A: paths of two, one and three convolutions; 576 channels at full width.
    pub(crate) fn a(b: &mut Builder<'_>) -> Result<Self> {
        Self::new(b, "featureExtractionA", &[&["path1.0", "path1.1"], &["path2"], &["path3.0", "path3.1", "path3.2"]])
    }

    /// Reduction-B: paths of two, two, two and three convolutions; 640 channels at full width.
    pub(crate) fn b(b: &mut Builder<'_>) -> Result<Self> {
        let paths: [&[&str]; 4] = [
            &["path1.0", "path1.1"],
            &["path2.0", "path2.1"],
            &["path3.0", "path3.1"],
            &["path4.0", "path4.1", "path4.2"],
        ];
        Self::new(b, "featureExtractionB", &paths)
    }

    fn new(b: &mut Builder<'_>, name: &str, paths: &[&[&str]]) -> Result<Self> {
        let mut path = |layers: &&[&str]| -> Result<Vec<Block>> {
            layers.iter().map(|layer| b.block(&format!("{name}.{layer}.conv"))).collect()
        };
        Ok(Self { paths: paths.iter().map(&mut path).collect::<Result<_>>()? })
    }

    pub(crate) fn forward<W: Walk>(&self, x: &W::Value, walk: &W) -> Result<W::Value> {
        let outputs: Vec<W::Value> = self.paths.iter().map(|path| walk.chain(path, x)).collect::<Result<_>>()?;
        walk.cat(&outputs.iter().collect::<Vec<_>>())
    }
}
