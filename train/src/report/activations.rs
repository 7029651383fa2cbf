//! What the stages of the encoder answer to a picture (CoRRN paper, figure 4).

use candle_core::{DType, Device, Tensor};
use image::{Rgb, RgbImage};
use maud::{Markup, html};

use super::{page::figure, picture};
use crate::{Error, data, eval::Known, metrics::Profile, net::Corrn};

/// Rows of maps for some pictures: each stage's mean over its channels, from the least (dark) to the most (bright).
///
/// # Errors
/// Pictures that cannot be read any more, and what Candle answers.
pub(crate) fn maps(
    net: &Corrn,
    known: &Known,
    profile: Profile,
    which: &[usize],
    device: &Device,
) -> Result<Markup, Error> {
    let mut rows = Vec::new();
    for i in which {
        let picture = known.read(*i, profile, None)?.mixture;
        let stages = of(net, &picture, device)?;
        rows.push((picture, stages));
    }
    let row = |(picture, stages): &(RgbImage, Vec<RgbImage>)| -> Result<Markup, Error> {
        let stage = |(k, map): (usize, &RgbImage)| -> Result<Markup, Error> {
            Ok(figure(&picture::png(map)?, "activations", html! { b { "stage " (k + 1) } " 1/" (2 << k) }))
        };
        let stages: Vec<Markup> = stages.iter().enumerate().map(stage).collect::<Result<_, _>>()?;
        Ok(html! {
            div.row.six {
                (figure(&picture::png(picture)?, "mixture", html! { b { "I" } }))
                @for stage in &stages { (stage) }
            }
        })
    };
    let rows: Vec<Markup> = rows.iter().map(row).collect::<Result<_, _>>()?;
    Ok(html! {
        p.note { "The mean over a stage's channels, from the least (dark) to the most (bright) of each map." }
        @for row in &rows { (row) }
    })
}

/// One map for each stage, at the picture's size.
fn of(net: &Corrn, picture: &RgbImage, device: &Device) -> Result<Vec<RgbImage>, Error> {
    let (w, h) = picture.dimensions();
    let x = data::to_tensor(std::slice::from_ref(picture), DType::F32, device)?;
    let stages = net.stages(&data::pad_to_multiple(&x)?)?;
    stages.iter().enumerate().map(|(k, stage)| map(stage, (w, h), 2 << k)).collect()
}

/// 1 x C x H x W to its mean over the channels, coloured, each number as a square of `scale` pixels.
fn map(stage: &Tensor, (w, h): (u32, u32), scale: u32) -> Result<RgbImage, Error> {
    let mean = stage.to_dtype(DType::F32)?.mean(1)?.squeeze(0)?;
    let columns = mean.dim(1)?;
    let values: Vec<f32> = mean.flatten_all()?.to_vec1()?;
    let (low, high) = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    let at = |x: u32, y: u32| values[(y / scale) as usize * columns + (x / scale) as usize];
    Ok(RgbImage::from_fn(w, h, |x, y| colour((at(x, y) - low) / (high - low).max(1e-12))))
}

/// Dark blue over red to light yellow, of even lightness steps.
fn colour(v: f32) -> Rgb<u8> {
    const STOPS: [[f32; 3]; 5] =
        [[5.0, 5.0, 25.0], [85.0, 20.0, 110.0], [185.0, 55.0, 85.0], [245.0, 135.0, 25.0], [252.0, 252.0, 165.0]];
    let place = v.clamp(0.0, 1.0) * (STOPS.len() - 1) as f32;
    let below = (place as usize).min(STOPS.len() - 2);
    let part = place - below as f32;
    Rgb(std::array::from_fn(|c| (STOPS[below][c] + part * (STOPS[below + 1][c] - STOPS[below][c])).round() as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_shows_the_mean_over_channels_at_the_pictures_size() -> Result<(), Error> {
        // Two channels of 2 x 2: means 0, 1, 2 and 4.
        let values = [0f32, 2.0, 4.0, 8.0, 0.0, 0.0, 0.0, 0.0];
        let stage = Tensor::from_slice(&values, (1, 2, 2, 2), &Device::Cpu)?;
        let map = map(&stage, (7, 6), 4)?;
        assert_eq!(map.dimensions(), (7, 6));
        assert_eq!(*map.get_pixel(0, 3), colour(0.0));
        assert_eq!(*map.get_pixel(4, 0), colour(0.25));
        assert_eq!(*map.get_pixel(3, 4), colour(0.5));
        assert_eq!(*map.get_pixel(6, 5), colour(1.0));
        Ok(())
    }

    #[test]
    fn colours_grow_lighter() {
        let luma = |v: f32| colour(v).0.iter().map(|c| u32::from(*c)).sum::<u32>();
        assert!((0..20).all(|i| luma(i as f32 / 20.0) < luma((i + 1) as f32 / 20.0)));
    }
}
