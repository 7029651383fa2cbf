//! Figures from a photograph's pixels, taken as it is stored.

use image::RgbImage;
use manifests::{plan::Light, session::ShotQuality};

use crate::nef;

/// Part of the pixels that are the darkest.
const DARKEST: f64 = 0.02;
/// Mean luma from which a picture is a bright one.
const BRIGHT: f64 = 0.25;

/// Decodes what there is to look at in a photograph's file: a JPEG, or the one inside a NEF (`raw`). Answers it with
/// the columns and rows of the file's own picture.
///
/// # Errors
/// What is missing: the file is damaged.
pub(crate) fn picture(file: &[u8], raw: bool) -> Result<(RgbImage, (u32, u32)), String> {
    if raw {
        let nef = nef::read(file)?;
        let preview = nef.preview.ok_or("not a whole NEF: it holds no JPEG to look at")?;
        let picture = decode(preview).map_err(|e| format!("the JPEG inside it is damaged: {e}"))?;
        return Ok((picture, nef.size));
    }
    let picture = decode(file)?;
    let size = picture.dimensions();
    Ok((picture, size))
}

/// Decodes a JPEG.
///
/// # Errors
/// A file that does not end as a JPEG does: decoders fill what is missing with grey and say nothing. Else what the
/// decoder says.
fn decode(jpeg: &[u8]) -> Result<RgbImage, String> {
    // Some bodies pad files with zeros behind the end-of-image marker.
    let end = jpeg.iter().rposition(|b| *b != 0).map_or(0, |i| i + 1);
    if !jpeg[..end].ends_with(&[0xff, 0xd9]) {
        return Err("not a whole JPEG: its end is missing".into());
    }
    image::load_from_memory_with_format(jpeg, image::ImageFormat::Jpeg)
        .map(image::DynamicImage::into_rgb8)
        .map_err(|e| format!("not a whole JPEG: {e}"))
}

/// Mean, clipping and sharpness of a picture in display values.
///
/// Of a large picture every few rows are looked at, all columns: figures of a million pixels or more are as good.
///
/// Luma is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601, as JPEG has it); sharpness is the variance of its Laplacian
/// (4-neighbour stencil, inner pixels; Pech-Pacheco et al., ICPR 2000).
pub(crate) fn measure(picture: &RgbImage) -> ShotQuality {
    let rows = picture.rows().step_by(step(picture));
    let pixels = (u64::from(picture.width()) * rows.len() as u64).max(1) as f64;
    let (mut counts, mut lumas, mut clipped, mut black) = ([[0u64; 256]; 3], [0u64; 256], 0u64, 0u64);
    for p in rows.flatten() {
        for (count, v) in counts.iter_mut().zip(p.0) {
            count[usize::from(v)] += 1;
        }
        let [r, g, b] = p.0.map(u32::from);
        lumas[((299 * r + 587 * g + 114 * b + 500) / 1000) as usize] += 1;
        clipped += u64::from(p.0.contains(&255));
        black += u64::from(p.0.iter().all(|v| *v <= 2));
    }
    let sum = |count: [u64; 256]| (0u64..).zip(count).map(|(v, n)| v * n).sum::<u64>();
    let mean = counts.map(|c| sum(c) as f64 / 255.0 / pixels);
    let level = 0.299 * mean[0] + 0.587 * mean[1] + 0.114 * mean[2];
    let mut below = 0;
    let darkest = lumas.iter().position(|n| {
        below += n;
        below as f64 >= DARKEST * pixels
    });
    let range = |count: &[u64; 256], i: usize| {
        let n: u64 = count[16 * i..16 * (i + 1)].iter().sum();
        (n as f64 * 10_000.0 / pixels).round() as u16
    };
    ShotQuality {
        mean,
        level,
        darkest: darkest.map(|v| v as f64 / 255.0),
        class: Some(if level >= BRIGHT { Light::Bright } else { Light::Dark }),
        histogram: Some(counts.map(|c| std::array::from_fn(|i| range(&c, i)))),
        clipped: clipped as f64 / pixels,
        black: black as f64 / pixels,
        sharpness: laplacian_variance(picture),
    }
}

/// Mean luminance of a picture in linear light, 1 being white: its values decoded (IEC 61966-2-1) and weighed (Rec. 709).
pub(crate) fn light(picture: &RgbImage) -> f64 {
    let linear: [f64; 256] = std::array::from_fn(|v| {
        let v = v as f64 / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    });
    let of = |p: &image::Rgb<u8>| {
        let [r, g, b] = p.0.map(|v| linear[usize::from(v)]);
        0.2126 * r + 0.7152 * g + 0.0722 * b
    };
    let pixels = (u64::from(picture.width()) * u64::from(picture.height())).max(1) as f64;
    picture.pixels().map(of).sum::<f64>() / pixels
}

/// Rows from one that is looked at to the next: all of a small picture, about a thousand of a large one.
fn step(picture: &RgbImage) -> usize {
    (picture.height() as usize / 1000).max(1)
}

fn laplacian_variance(picture: &RgbImage) -> f64 {
    if picture.width() < 3 || picture.height() < 3 {
        return 0.0;
    }
    // Three rows at a time: the luma of a whole photograph would be another 100 MB.
    let bytes = picture.width() as usize * 3;
    let luma = |y: usize| -> Vec<f32> {
        let row = &picture.as_raw()[y * bytes..(y + 1) * bytes];
        let of = |p: &[u8]| 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]);
        row.chunks_exact(3).map(|p| of(p) / 255.0).collect()
    };
    let step = step(picture);
    let (mut n, mut sum, mut squares) = (0.0f64, 0.0f64, 0.0f64);
    let mut last: Option<(Vec<f32>, Vec<f32>)> = None;
    for y in (1..picture.height() as usize - 1).step_by(step) {
        // Next to each other, two rows are those of the time before.
        let (above, here) = last.take().filter(|_| step == 1).unwrap_or_else(|| (luma(y - 1), luma(y)));
        let below = luma(y + 1);
        for x in 1..here.len() - 1 {
            let v = f64::from(here[x - 1] + here[x + 1] + above[x] + below[x] - 4.0 * here[x]);
            sum += v;
            squares += v * v;
        }
        n += (here.len() - 2) as f64;
        last = Some((here, below));
    }
    (squares / n - (sum / n).powi(2)).max(0.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn figures_of_a_picture_known_by_hand() {
        // Left half black, right half white, 8 x 4.
        let picture = RgbImage::from_fn(8, 4, |x, _| image::Rgb(if x < 4 { [0; 3] } else { [255; 3] }));
        let q = measure(&picture);
        assert_eq!((q.mean, q.clipped, q.black), ([0.5; 3], 0.5, 0.5));
        assert_eq!((q.darkest, q.class), (Some(0.0), Some(Light::Bright)));
        let halves: [u16; 16] = std::array::from_fn(|i| if i % 15 == 0 { 5000 } else { 0 });
        assert_eq!(q.histogram, Some([halves; 3]));
        // Inner pixels: 2 of 6 columns see the edge, as +1 and -1.
        assert!((q.sharpness - 1.0 / 3.0).abs() < 1e-9, "{}", q.sharpness);
        let flat = measure(&RgbImage::from_pixel(8, 4, image::Rgb([51, 102, 204])));
        assert!((flat.level - (0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.8)).abs() < 1e-12);
        assert_eq!(flat.histogram.unwrap()[1][6], 10_000);
        // Every fourth row of a large picture says the same of columns of noise.
        let noise = |x: u32| (x.wrapping_mul(2_654_435_761) >> 24) as u8;
        let large = measure(&RgbImage::from_fn(64, 4000, |x, _| image::Rgb([noise(x); 3])));
        let small = measure(&RgbImage::from_fn(64, 40, |x, _| image::Rgb([noise(x); 3])));
        assert_eq!((large.mean, large.histogram, large.darkest), (small.mean, small.histogram, small.darkest));
        assert!((large.sharpness / small.sharpness - 1.0).abs() < 1e-6);
        let dark = measure(&RgbImage::from_pixel(8, 4, image::Rgb([30; 3])));
        assert_eq!((dark.darkest, dark.class), (Some(30.0 / 255.0), Some(Light::Dark)));
        assert_eq!((flat.sharpness, flat.clipped, flat.black), (0.0, 0.0, 0.0));
    }

    #[test]
    fn a_truncated_jpeg_is_no_picture() {
        let mut whole = std::io::Cursor::new(Vec::new());
        let picture = RgbImage::from_fn(64, 64, |x, y| image::Rgb([(x * 4) as u8, (y * 4) as u8, 99]));
        assert!(picture.write_to(&mut whole, image::ImageFormat::Jpeg).is_ok());
        let mut whole = whole.into_inner();
        assert!(decode(&whole).is_ok());
        assert!(decode(&whole[..whole.len() / 2]).is_err());
        assert!(decode(&[]).is_err());
        whole.extend([0; 512]);
        assert!(decode(&whole).is_ok());
    }
}
