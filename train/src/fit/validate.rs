//! Validation: scores of the network's B and of the unprocessed input, and a picture to look at.

use std::path::PathBuf;

use candle_core::{DType, Device};
use image::{RgbImage, imageops};
use manifests::{dataset::Sample, run::Scores};

use crate::{
    Error, data,
    metrics::{Mean, Profile, Score},
    net::{Corrn, Pass},
};

/// Rows of the sample picture.
const SHOWN: usize = 4;
/// Pixels between pictures.
const GAP: u32 = 4;

/// The samples that choose the best checkpoint.
#[derive(Debug)]
pub(crate) struct Validation {
    root: PathBuf,
    samples: Vec<Sample>,
}

/// What a validation gave.
#[derive(Debug)]
pub(crate) struct Report {
    /// Scores of the network's B.
    pub(crate) output: Scores,
    /// Scores of I.
    pub(crate) input: Scores,
    /// Rows of I, B of the network, B, R of the network, R.
    pub(crate) picture: RgbImage,
}

impl Validation {
    /// Validates on these samples of a data set.
    pub(crate) fn new(root: PathBuf, samples: Vec<Sample>) -> Self {
        Self { root, samples }
    }

    /// Runs the network over all samples in evaluation mode.
    ///
    /// # Errors
    /// A picture that cannot be read, or outputs that are not numbers.
    pub(crate) fn run(&self, net: &Corrn, device: &Device) -> Result<Report, Error> {
        let (mut output, mut input, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for sample in &self.samples {
            let read = |file: &manifests::dataset::SampleFile| data::read_rgb(&self.root.join(file.path.as_str()));
            let (mixture, background) = (read(&sample.mixture)?, read(&sample.background)?);
            let x = data::to_tensor(std::slice::from_ref(&mixture), DType::F32, device)?;
            let out = net.forward(&x, Pass::eval())?;
            let found = data::to_picture(&out.background)?;
            output.push(Profile::Native.score(&found, &background, None));
            input.push(Profile::Native.score(&mixture, &background, None));
            if rows.len() < SHOWN {
                rows.push([mixture, found, background, data::to_picture(&out.reflection)?, read(&sample.reflection)?]);
            }
        }
        Ok(Report { output: scores(&output)?, input: scores(&input)?, picture: sheet(&rows) })
    }
}

fn scores(each: &[Score]) -> Result<Scores, Error> {
    let mean = Mean::of(each).ok_or_else(|| Error::Failed("a validation without samples".into()))?;
    // All pictures equal to the truth: beyond any figure, and JSON has no infinity.
    let psnr = mean.score.psnr.unwrap_or(f64::MAX);
    Ok(Scores { ssim: mean.score.ssim, si: mean.score.si.unwrap_or(mean.score.ssim), psnr, n: each.len() })
}

/// Pictures in rows, on white.
fn sheet(rows: &[[RgbImage; 5]]) -> RgbImage {
    let width = rows.iter().map(|r| r.iter().map(|p| p.width() + GAP).sum::<u32>()).max().unwrap_or(GAP);
    let height = rows.iter().map(|r| r[0].height() + GAP).sum::<u32>().max(GAP);
    let mut sheet = RgbImage::from_pixel(width - GAP, height - GAP, image::Rgb([255; 3]));
    let mut y = 0;
    for row in rows {
        let mut x = 0;
        for picture in row {
            imageops::replace(&mut sheet, picture, i64::from(x), i64::from(y));
            x += picture.width() + GAP;
        }
        y += row[0].height() + GAP;
    }
    sheet
}
