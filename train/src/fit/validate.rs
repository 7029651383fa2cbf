//! Validation: scores of the network's B and of the unprocessed input, and a picture to look at.

use candle_core::{DType, Device};
use image::{RgbImage, imageops};
use manifests::run::Scores;

use super::stop::Stop;
use crate::{
    Error,
    data::{self, Layers, Samples},
    metrics::{Mean, Profile, Score},
    net::{Corrn, Pass},
};

/// Rows of the sample picture.
const SHOWN: usize = 4;
/// Pixels between pictures.
const GAP: u32 = 4;

/// The samples that choose the best checkpoint.
#[derive(Debug)]
pub(crate) struct Validation(Samples);

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
    /// Validates on these samples.
    pub(crate) fn new(samples: Samples) -> Self {
        Self(samples)
    }

    /// Runs the network over all samples in evaluation mode; none where somebody asks to stop meanwhile: whoever does may not
    /// wait as long as it takes.
    ///
    /// # Errors
    /// A picture that cannot be read, or outputs that are not numbers.
    pub(crate) fn run(&self, net: &Corrn, device: &Device, stop: &Stop) -> Result<Option<Report>, Error> {
        let (mut output, mut input, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..self.0.len() {
            if stop.requested() {
                return Ok(None);
            }
            let Layers { mixture, background, reflection, .. } = self.0.read(i)?;
            let x = data::to_tensor(std::slice::from_ref(&mixture), DType::F32, device)?;
            let out = net.forward(&x, Pass::eval())?;
            let found = data::to_picture(&out.background)?;
            output.push(Profile::Native.score(&found, &background, None));
            input.push(Profile::Native.score(&mixture, &background, None));
            if rows.len() < SHOWN {
                rows.push([mixture, found, background, data::to_picture(&out.reflection)?, reflection]);
            }
        }
        Ok(Some(Report { output: scores(&output)?, input: scores(&input)?, picture: sheet(&rows) }))
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
