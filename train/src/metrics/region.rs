//! Parts of a picture over which scores are taken besides the whole: where the reflection is.

use image::{GrayImage, RgbImage, imageops::FilterType};

use super::Profile;

/// Pixels of a picture at the size at which it is scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    inside: Vec<bool>,
}

impl Region {
    /// From a mask of the picture's own size: at least half white is inside, after a bilinear resize to the profile's
    /// size.
    pub fn of_mask(mask: &GrayImage, profile: Profile) -> Self {
        let (h, w) = profile.size(mask.height(), mask.width());
        let mask = image::imageops::resize(mask, w, h, FilterType::Triangle);
        Self { inside: mask.pixels().map(|p| p.0[0] >= 128).collect() }
    }

    /// Where the reflection, at the profile's size, is at least `level` of white in the mean of its channels; `level` in
    /// [0, 1].
    pub fn of_reflection(reflection: &RgbImage, level: f64) -> Self {
        let least = level * 3.0 * 255.0;
        Self { inside: reflection.pixels().map(|p| p.0.iter().map(|v| f64::from(*v)).sum::<f64>() >= least).collect() }
    }

    /// Number of pixels inside.
    pub fn pixels(&self) -> usize {
        self.inside.iter().filter(|i| **i).count()
    }

    /// Whether each pixel is inside, row by row.
    pub(super) fn inside(&self) -> &[bool] {
        &self.inside
    }
}
