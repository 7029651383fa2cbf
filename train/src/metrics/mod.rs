//! Scores of a picture against the truth, in f64 and independent of the training loss.
//!
//! | profile | size | SSIM and SI | PSNR | besides |
//! |---|---|---|---|---|
//! | `corrn` | 224x288 (portrait 288x224), Lanczos | 11x11 Gaussian, sigma 1.5, zero padding, biased moments | joint over RGB | SSIM_r and SI_r under a mask |
//! | `native` | as it is | as `corrn` | as `corrn` | as `corrn` |
//! | `field` | as it is | SSIM 7x7 uniform, sample covariance, 3-pixel border cropped; no SI | mean of the channels' | LMSE, NCC |
//!
//! `corrn` is what the CoRRN paper's tables use, `field` what ERRNet, RAGNet, RDNet and XReflection report.

mod gaussian;
mod gradients;
mod local;
mod psnr;
mod region;
mod rescale;
mod uniform;

use std::fmt;

use image::{RgbImage, imageops::FilterType};
use serde::{Deserialize, Serialize};

pub use gradients::{Compared, Gradients};
pub use region::Region;
pub use rescale::Rescale;

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

    /// Scores `picture` against `truth`, both at the size at which they are to be scored, and SSIM and SI besides over
    /// `region` alone where one is given.
    ///
    /// # Panics
    /// When their sizes differ: callers pair pictures.
    pub fn score(self, picture: &RgbImage, truth: &RgbImage, region: Option<&Region>) -> Score {
        assert_eq!(picture.dimensions(), truth.dimensions(), "pictures to compare have one size");
        let (a, b) = (Planes::of(picture), Planes::of(truth));
        match self {
            Self::Corrn | Self::Native => {
                let maps = gaussian::Maps::new(&a, &b);
                let regional = region.and_then(|region| maps.mean_over(region));
                let (ssim, si) = maps.mean();
                Score {
                    ssim,
                    si: Some(si),
                    psnr: psnr::joint(&a, &b),
                    ssim_r: regional.map(|r| r.0),
                    si_r: regional.map(|r| r.1),
                    ..Score::default()
                }
            }
            Self::Field => Score {
                ssim: uniform::ssim(&a, &b),
                psnr: psnr::mean_of_channels(&a, &b),
                lmse: local::lmse(&a, &b),
                ncc: local::ncc(&a, &b),
                ..Score::default()
            },
        }
    }
}

/// A picture's scores, or means over pictures. What a profile does not have, or a picture does not define, is none.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Score {
    /// Structural similarity, at most 1.
    pub ssim: f64,
    /// Structure index, at most 1; not part of `field`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub si: Option<f64>,
    /// Peak signal-to-noise ratio in dB; none when it is infinite.
    pub psnr: Option<f64>,
    /// SSIM over a region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssim_r: Option<f64>,
    /// SI over a region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub si_r: Option<f64>,
    /// Local mean squared error, 0 at best; `field` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lmse: Option<f64>,
    /// Normalised cross-correlation, -1 to 1; `field` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ncc: Option<f64>,
}

/// A figure of a score, for tables.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// As papers write it.
    pub title: &'static str,
    /// As files name it.
    pub key: &'static str,
    /// Digits after the point.
    pub digits: usize,
    /// Takes it from a score.
    pub of: fn(&Score) -> Option<f64>,
}

/// Every figure, in the order of tables.
pub const FIGURES: [Figure; 7] = [
    Figure { title: "SSIM", key: "ssim", digits: 4, of: |s| Some(s.ssim) },
    Figure { title: "SI", key: "si", digits: 4, of: |s| s.si },
    Figure { title: "PSNR", key: "psnr", digits: 2, of: |s| s.psnr },
    Figure { title: "SSIM_r", key: "ssim_r", digits: 4, of: |s| s.ssim_r },
    Figure { title: "SI_r", key: "si_r", digits: 4, of: |s| s.si_r },
    Figure { title: "LMSE", key: "lmse", digits: 4, of: |s| s.lmse },
    Figure { title: "NCC", key: "ncc", digits: 4, of: |s| s.ncc },
];

/// Means over pictures, each over those that have the figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mean {
    /// The means.
    #[serde(flatten)]
    pub score: Score,
    /// Half the width of each mean's 95 % interval: 1.96 standard errors. 0 of a single picture.
    pub interval: Score,
    /// Pictures whose PSNR is infinite and not in the mean.
    pub infinite_psnr: usize,
}

impl Mean {
    /// The mean of scores; none of an empty list.
    pub fn of(scores: &[Score]) -> Option<Self> {
        let statistics = |of: fn(&Score) -> Option<f64>| -> Option<(f64, f64)> {
            let values: Vec<f64> = scores.iter().filter_map(of).collect();
            let n = values.len() as f64;
            if values.is_empty() {
                return None;
            }
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0).max(1.0);
            Some((mean, 1.96 * (variance / n).sqrt()))
        };
        let [ssim, si, psnr, ssim_r, si_r, lmse, ncc] = FIGURES;
        let ssim = statistics(ssim.of)?;
        let [si, psnr, ssim_r, si_r, lmse, ncc] =
            [si, psnr, ssim_r, si_r, lmse, ncc].map(|figure| statistics(figure.of));
        let score = |ssim, part: fn((f64, f64)) -> f64| Score {
            ssim,
            si: si.map(part),
            psnr: psnr.map(part),
            ssim_r: ssim_r.map(part),
            si_r: si_r.map(part),
            lmse: lmse.map(part),
            ncc: ncc.map(part),
        };
        let infinite_psnr = scores.iter().filter(|s| s.psnr.is_none()).count();
        Some(Self { score: score(ssim.0, |s| s.0), interval: score(ssim.1, |s| s.1), infinite_psnr })
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
