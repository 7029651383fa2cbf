//! Figures from a photograph's pixels, taken as it is stored.

use image::RgbImage;
use manifests::session::ShotQuality;

/// Decodes a JPEG.
///
/// # Errors
/// A file that does not end as a JPEG does: decoders fill what is missing with grey and say nothing. Else what the
/// decoder says.
pub fn decode(jpeg: &[u8]) -> Result<RgbImage, String> {
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
/// Luma is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601, as JPEG has it); sharpness is the variance of its Laplacian
/// (4-neighbour stencil, inner pixels; Pech-Pacheco et al., ICPR 2000).
pub fn measure(picture: &RgbImage) -> ShotQuality {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixels = (width * height).max(1) as f64;
    let (mut sums, mut clipped, mut black) = ([0u64; 3], 0u64, 0u64);
    let mut luma = Vec::with_capacity(width * height);
    for p in picture.pixels() {
        let [r, g, b] = p.0;
        for (sum, v) in sums.iter_mut().zip(p.0) {
            *sum += u64::from(v);
        }
        clipped += u64::from(p.0.contains(&255));
        black += u64::from(p.0.iter().all(|v| *v <= 2));
        luma.push((0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)) / 255.0);
    }
    let mean = sums.map(|s| s as f64 / 255.0 / pixels);
    ShotQuality {
        mean,
        level: 0.299 * mean[0] + 0.587 * mean[1] + 0.114 * mean[2],
        clipped: clipped as f64 / pixels,
        black: black as f64 / pixels,
        sharpness: laplacian_variance(&luma, width, height),
    }
}

fn laplacian_variance(luma: &[f32], width: usize, height: usize) -> f64 {
    if width < 3 || height < 3 {
        return 0.0;
    }
    let (mut sum, mut squares) = (0.0f64, 0.0f64);
    for y in 1..height - 1 {
        let row = y * width;
        for i in row + 1..row + width - 1 {
            let v = f64::from(luma[i - 1] + luma[i + 1] + luma[i - width] + luma[i + width] - 4.0 * luma[i]);
            sum += v;
            squares += v * v;
        }
    }
    let n = ((width - 2) * (height - 2)) as f64;
    (squares / n - (sum / n).powi(2)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_picture_known_by_hand() {
        // Left half black, right half white, 8 x 4.
        let picture = RgbImage::from_fn(8, 4, |x, _| image::Rgb(if x < 4 { [0; 3] } else { [255; 3] }));
        let q = measure(&picture);
        assert_eq!((q.mean, q.clipped, q.black), ([0.5; 3], 0.5, 0.5));
        // Inner pixels: 2 of 6 columns see the edge, as +1 and -1.
        assert!((q.sharpness - 1.0 / 3.0).abs() < 1e-9, "{}", q.sharpness);
        let flat = measure(&RgbImage::from_pixel(8, 4, image::Rgb([51, 102, 204])));
        assert!((flat.level - (0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.8)).abs() < 1e-12);
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
