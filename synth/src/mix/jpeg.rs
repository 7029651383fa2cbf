//! Compression as JPEG (ITU-T T.81, 1992): what CoRRN's released generator saves its mixtures as, and what most pictures that a
//! network is applied to have been through.

use std::io::Cursor;

use image::{ExtendedColorType, ImageFormat, ImageReader, codecs::jpeg::JpegEncoder};

use crate::pixels::Rgb8;

/// The picture after compression at `quality`, 1 to 100 on the scale of the Independent JPEG Group, colour at full
/// resolution.
pub(crate) fn compressed(picture: &Rgb8, quality: u8) -> Result<Rgb8, String> {
    let told = |e: image::ImageError| format!("cannot be compressed as JPEG ({e})");
    let (size, mut bytes) = (picture.size(), Vec::new());
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    encoder.encode(&picture.data, size.width, size.height, ExtendedColorType::Rgb8).map_err(told)?;
    let reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Jpeg);
    let data = reader.decode().map_err(told)?.into_rgb8().into_raw();
    Ok(Rgb8 { height: picture.height, width: picture.width, data })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn better_quality_is_nearer() {
        let value = |i: usize| ((i * 37 % 251) as f64 * 0.3 + (i as f64 / 90.0).sin() * 80.0 + 100.0) as u8;
        let picture = Rgb8 { height: 40, width: 56, data: (0..40 * 56 * 3).map(value).collect() };
        let error = |quality| {
            let after = compressed(&picture, quality).unwrap();
            assert_eq!((after.height, after.width, after.data.len()), (40, 56, picture.data.len()));
            let squares = picture.data.iter().zip(&after.data).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2));
            squares.sum::<u64>()
        };
        let errors = [10, 75, 100].map(error);
        assert!(errors.is_sorted_by(|worse, better| worse > better), "{errors:?}");
        assert!(compressed(&Rgb8::black(16, 16), 75).unwrap().data.iter().all(|v| *v == 0));
    }
}
