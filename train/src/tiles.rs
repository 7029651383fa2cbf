//! A network on a picture of any size: tiles that overlap, whose seams are feathered.
//!
//! What a tile computes near an edge inside the picture, it computes from zeros where the picture goes on. That margin
//! is thrown away; over the next pixels one tile fades into the other. Tiles begin at multiples of 32, where the pooling
//! of the whole picture would begin too.

use candle_core::{Device, Tensor};
use image::RgbImage;

use crate::{
    Error, data,
    net::{Corrn, MULTIPLE, Pass},
};

/// Pixels at a tile's inner edges that are thrown away.
const MARGIN: usize = 96;
/// Pixels over which one tile fades into the next.
const FEATHER: usize = 64;
/// Least overlap of two tiles.
const OVERLAP: usize = 2 * MARGIN + FEATHER;
/// Least side of a tile: three of them never meet in one seam.
pub const MIN_SIDE: usize = 2 * OVERLAP;

/// Tiles along one side of a picture.
#[derive(Debug, Clone, PartialEq)]
struct Axis {
    /// Where each tile begins.
    starts: Vec<usize>,
    /// Length of a tile.
    side: usize,
}

impl Axis {
    /// Covers `len` pixels, and what they are padded with to a multiple of 32, by tiles of at most `side`.
    fn new(len: usize, side: usize) -> Self {
        let padded = len.next_multiple_of(MULTIPLE);
        if padded <= side {
            return Self { starts: vec![0], side: padded };
        }
        // Evenly, so that the last tile is no sliver; rounding to 32 must not eat into the overlap.
        let gaps = (padded - side).div_ceil(side - OVERLAP - MULTIPLE);
        let units = (padded - side) / MULTIPLE;
        Self { starts: (0..=gaps).map(|i| i * units / gaps * MULTIPLE).collect(), side }
    }

    /// Weight of each pixel of tile `i`; at every pixel of the picture the tiles' weights add to 1.
    fn weights(&self, i: usize) -> Vec<f32> {
        // How far tile k has faded in at a pixel: 0 to 1, and 1 throughout for the first one and beyond the last.
        let faded = |k: usize, at: usize| match self.starts.get(k) {
            Some(0) => 1.0,
            Some(start) => ((at as f32 + 0.5 - (start + MARGIN) as f32) / FEATHER as f32).clamp(0.0, 1.0),
            None => 0.0,
        };
        let start = self.starts[i];
        (start..start + self.side).map(|at| faded(i, at) - faded(i + 1, at)).collect()
    }
}

/// The tiles of a picture.
#[derive(Debug)]
pub struct Tiles {
    rows: Axis,
    columns: Axis,
}

impl Tiles {
    /// Of a picture of `height` x `width`, at most `side` (a multiple of 32, at least [`MIN_SIDE`]) in height and width.
    pub fn new(height: u32, width: u32, side: usize) -> Self {
        Self { rows: Axis::new(height as usize, side), columns: Axis::new(width as usize, side) }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.rows.starts.len() * self.columns.starts.len()
    }

    /// Applies a network tile by tile: B and R, of the picture's size. `done` is called after each tile.
    ///
    /// # Errors
    /// What Candle answers, and outputs that are not numbers.
    pub fn separate(
        &self,
        net: &Corrn,
        picture: &RgbImage,
        device: &Device,
        mut done: impl FnMut(),
    ) -> Result<(RgbImage, RgbImage), Error> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let mut sum = vec![0f32; 3 * height * width];
        for (i, top) in self.rows.starts.iter().enumerate() {
            let rows = self.rows.weights(i);
            for (j, left) in self.columns.starts.iter().enumerate() {
                let columns = self.columns.weights(j);
                let x = data::window(picture, (*top, *left), (self.rows.side, self.columns.side), device)?;
                add(
                    &mut sum,
                    (height, width),
                    (*top, *left),
                    &net.forward(&x, Pass::eval())?.background,
                    &rows,
                    &columns,
                )?;
                done();
            }
        }
        if sum.iter().any(|v| v.is_nan()) {
            return Err(Error::Failed("the network's output is not a number".into()));
        }
        let byte = |v: f32| (v.clamp(0.0, 1.0) * 255.0).round() as u8;
        let mut reflection = picture.clone();
        reflection.iter_mut().zip(&sum).for_each(|(i, b)| *i = byte(f32::from(*i) / 255.0 - b));
        let background = RgbImage::from_raw(picture.width(), picture.height(), sum.into_iter().map(byte).collect());
        let background = background.ok_or_else(|| Error::Failed("a picture of another size".into()))?;
        Ok((background, reflection))
    }
}

/// Adds a tile of 1 x 3 x rows x columns, weighted, to a picture of height x width x 3.
fn add(
    sum: &mut [f32],
    (height, width): (usize, usize),
    (top, left): (usize, usize),
    tile: &Tensor,
    rows: &[f32],
    columns: &[f32],
) -> Result<(), Error> {
    let values: Vec<f32> = tile.flatten_all()?.to_vec1()?;
    let plane = rows.len() * columns.len();
    for (y, row) in rows.iter().enumerate().take(height - top) {
        for (x, column) in columns.iter().enumerate().take(width - left) {
            let weight = row * column;
            if weight > 0.0 {
                let to = ((top + y) * width + left + x) * 3;
                for c in 0..3 {
                    sum[to + c] += weight * values[c * plane + y * columns.len() + x];
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Weights add to 1 at every pixel, and no pixel of a margin counts.
        #[test]
        fn tiles_share_every_pixel(len in 1usize..6000, units in 0usize..20) {
            let axis = Axis::new(len, MIN_SIDE + units * MULTIPLE);
            let mut sum = vec![0f32; len.next_multiple_of(MULTIPLE)];
            for (i, start) in axis.starts.iter().enumerate() {
                prop_assert!(start.is_multiple_of(MULTIPLE) && axis.side.is_multiple_of(MULTIPLE));
                let weights = axis.weights(i);
                prop_assert!(weights.iter().all(|w| (0.0..=1.0).contains(w)));
                if i > 0 {
                    prop_assert!(weights[..MARGIN].iter().all(|w| *w == 0.0));
                }
                if i + 1 < axis.starts.len() {
                    prop_assert!(weights[axis.side - MARGIN..].iter().all(|w| *w == 0.0));
                }
                sum[*start..].iter_mut().zip(&weights).for_each(|(s, w)| *s += w);
            }
            prop_assert!(sum.iter().all(|s| (s - 1.0).abs() < 1e-6), "{:?}", axis);
        }
    }
}
