//! PNG bytes of a picture: the same for the same pixels, and fast.

use crate::pixels::Rgb8;

/// Encodes 8-bit RGB.
///
/// The fast DEFLATE of the crate `fdeflate` with its own row filters: for photographs about as small
/// as zlib's level 3 at several times the speed. No time stamp, no text: equal pixels are equal bytes.
///
/// # Errors
/// Only for a picture without pixels or of more than 2^31 columns.
pub fn png(picture: &Rgb8) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::with_capacity(picture.data.len());
    png_into(picture, &mut bytes)?;
    Ok(bytes)
}

/// As [`png()`], into memory that is there: what `bytes` held is gone.
///
/// # Errors
/// As [`png()`].
pub fn png_into(picture: &Rgb8, bytes: &mut Vec<u8>) -> Result<(), png::EncodingError> {
    bytes.clear();
    let size = picture.size();
    let mut encoder = png::Encoder::new(bytes, size.width, size.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.data)?;
    writer.finish()
}
