//! One factor on an output's colours before it is scored: what a network loses in brightness is no reflection.

use std::{fmt, str::FromStr};

use image::RgbImage;

/// The factor.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Rescale {
    /// None: the output as it is.
    #[default]
    No,
    /// The same for each picture; the authors' code takes 1.1.
    By(f64),
    /// Each picture's least-squares factor towards the truth, over all subpixels.
    Fit,
}

impl Rescale {
    /// The picture times the factor, rounded and clipped to 8 bits.
    pub fn apply(self, picture: RgbImage, truth: &RgbImage) -> RgbImage {
        let factor = match self {
            Self::No => return picture,
            Self::By(factor) => factor,
            Self::Fit => least_squares(&picture, truth),
        };
        let mut picture = picture;
        // A cast of a float saturates at 0 and 255.
        picture.iter_mut().for_each(|v| *v = (f64::from(*v) * factor).round() as u8);
        picture
    }
}

/// The factor s that minimises |s picture - truth|^2; 1 for a black picture.
fn least_squares(picture: &RgbImage, truth: &RgbImage) -> f64 {
    let pairs = picture.iter().zip(truth.iter()).map(|(p, t)| (f64::from(*p), f64::from(*t)));
    let (pt, pp) = pairs.fold((0.0, 0.0), |(pt, pp), (p, t)| (pt + p * t, pp + p * p));
    if pp > 0.0 { pt / pp } else { 1.0 }
}

impl FromStr for Rescale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "no" => Ok(Self::No),
            "fit" => Ok(Self::Fit),
            factor => match factor.parse() {
                Ok(factor) if (0.1..=10.0).contains(&factor) => Ok(Self::By(factor)),
                _ => Err("no, fit, or a factor from 0.1 to 10 (the authors' is 1.1)".into()),
            },
        }
    }
}

impl fmt::Display for Rescale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No => f.write_str("no"),
            Self::By(factor) => write!(f, "{factor}"),
            Self::Fit => f.write_str("fit"),
        }
    }
}
