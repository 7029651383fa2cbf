//! Scores of a picture against the truth, in f64 and independent of the training loss.
//!
//! | profile | size | SSIM and SI | PSNR |
//! |---|---|---|---|
//! | `corrn` | 224x288 (portrait 288x224), Lanczos | 11x11 Gaussian, sigma 1.5, zero padding, biased moments | joint over RGB |
//! | `native` | as it is | as `corrn` | as `corrn` |
//! | `field` | as it is | SSIM 7x7 uniform, sample covariance, 3-pixel border cropped; no SI | mean of the channels' |
//!
//! `corrn` is what the CoRRN paper's tables use, `field` what ERRNet, RAGNet, RDNet and XReflection report.

mod gaussian;
mod psnr;
mod uniform;

use std::fmt;

use image::{RgbImage, imageops::FilterType};
use serde::{Deserialize, Serialize};

/// A convention for scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// The CoRRN paper's: 224x288, 11x11 Gaussian windows, joint PSNR.
    #[default]
    Corrn,
    /// ERRNet's and its successors': native size, 7x7 uniform windows, mean of the channels' PSNR.
    Field,
    /// As `corrn`, without the resize.
    Native,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Corrn => "corrn",
            Self::Field => "field",
            Self::Native => "native",
        })
    }
}

impl Profile {
    /// Rows and columns at which a picture of `height` x `width` is scored.
    pub fn size(self, height: u32, width: u32) -> (u32, u32) {
        match self {
            Self::Corrn if height > width => (288, 224),
            Self::Corrn => (224, 288),
            Self::Field | Self::Native => (height, width),
        }
    }

    /// The picture at the profile's size: Lanczos, as Pillow reduces.
    pub fn resize(self, picture: &RgbImage) -> RgbImage {
        let (h, w) = self.size(picture.height(), picture.width());
        if (h, w) == (picture.height(), picture.width()) {
            return picture.clone();
        }
        image::imageops::resize(picture, w, h, FilterType::Lanczos3)
    }

    /// Scores `picture` against `truth`, both at the size at which they are to be scored.
    ///
    /// # Panics
    /// When their sizes differ: callers pair pictures.
    pub fn score(self, picture: &RgbImage, truth: &RgbImage) -> Score {
        assert_eq!(picture.dimensions(), truth.dimensions(), "pictures to compare have one size");
        let (a, b) = (Planes::of(picture), Planes::of(truth));
        match self {
            Self::Corrn | Self::Native => {
                let (ssim, si) = gaussian::ssim_si(&a, &b);
                Score { ssim, si: Some(si), psnr: psnr::joint(&a, &b) }
            }
            Self::Field => Score { ssim: uniform::ssim(&a, &b), si: None, psnr: psnr::mean_of_channels(&a, &b) },
        }
    }
}

/// A picture's scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Structural similarity, at most 1.
    pub ssim: f64,
    /// Structure index, at most 1; not part of `field`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub si: Option<f64>,
    /// Peak signal-to-noise ratio in dB; none when it is infinite.
    pub psnr: Option<f64>,
}

/// Means over pictures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mean {
    /// Mean SSIM.
    pub ssim: f64,
    /// Mean SI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub si: Option<f64>,
    /// Mean of the finite PSNRs, in dB.
    pub psnr: Option<f64>,
    /// Pictures whose PSNR is infinite and not in the mean.
    pub infinite_psnr: usize,
}

impl Mean {
    /// The mean of scores; none of an empty list.
    pub fn of(scores: &[Score]) -> Option<Self> {
        let mean = |values: Vec<f64>| {
            let n = values.len();
            (n > 0).then(|| values.iter().sum::<f64>() / n as f64)
        };
        Some(Self {
            ssim: mean(scores.iter().map(|s| s.ssim).collect())?,
            si: mean(scores.iter().filter_map(|s| s.si).collect()),
            psnr: mean(scores.iter().filter_map(|s| s.psnr).collect()),
            infinite_psnr: scores.iter().filter(|s| s.psnr.is_none()).count(),
        })
    }
}

/// The three channels of a picture, row by row, in [0, 255].
struct Planes {
    height: usize,
    width: usize,
    channels: [Vec<f64>; 3],
}

impl Planes {
    fn of(picture: &RgbImage) -> Self {
        let plane = |c: usize| picture.pixels().map(|p| f64::from(p.0[c])).collect();
        Self {
            height: picture.height() as usize,
            width: picture.width() as usize,
            channels: [plane(0), plane(1), plane(2)],
        }
    }
}
