//! From a file's bytes to an upright RGB picture, or one clause that says why not.
//!
//! JPEG and PNG of any depth; a PNG's alpha is laid over black, which is what a reflection without
//! light is. EXIF orientation is obeyed.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::pixels::Rgb8;

/// Longest side, and most pixels, that are decoded: beyond any camera, below what exhausts a machine.
const MAX_SIDE: u32 = 65_535;
const MAX_PIXELS: u64 = 256_000_000;

/// Decodes a photograph.
///
/// # Errors
/// A clause without the file's name: `is a CMYK JPEG; convert it to RGB`.
pub(crate) fn decode(bytes: &[u8]) -> Result<Rgb8, String> {
    if bytes.is_empty() {
        return Err("is empty (0 bytes)".into());
    }
    let broken = |e: image::ImageError| format!("cannot be decoded ({})", e.to_string().trim_end_matches('.'));
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| format!("cannot be read ({e})"))?;
    match reader.format() {
        Some(ImageFormat::Jpeg) => check_jpeg(bytes)?,
        Some(ImageFormat::Png) => {}
        _ => return Err("is neither a JPEG nor a PNG picture, whatever its name says".into()),
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_PIXELS * 8);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(format!("claims {width} x {height} pixels, above the limit of {} million", MAX_PIXELS / 1_000_000));
    }
    let orientation = decoder.orientation().map_err(broken)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    picture.apply_orientation(orientation);
    let (height, width) = (picture.height() as usize, picture.width() as usize);
    Ok(Rgb8 { height, width, data: rgb_bytes(picture) })
}

/// 8-bit RGB of any picture; alpha over black.
fn rgb_bytes(picture: DynamicImage) -> Vec<u8> {
    if !picture.color().has_alpha() {
        return picture.into_rgb8().into_raw();
    }
    let over_black = |v: u8, a: u8| ((u32::from(v) * u32::from(a) + 127) / 255) as u8;
    picture.into_rgba8().pixels().flat_map(|p| [0, 1, 2].map(|c| over_black(p[c], p[3]))).collect()
}

/// Refuses what decoders pass over in silence: a missing end is filled with grey, CMYK (most often Adobe's inverted
/// kind) comes out in other colours.
fn check_jpeg(bytes: &[u8]) -> Result<(), String> {
    let truncated = || "is truncated: the JPEG has no end marker".to_owned();
    let (scan, components) = jpeg_header(bytes).ok_or_else(truncated)?;
    if components == 4 {
        return Err("is a CMYK JPEG; convert it to RGB".into());
    }
    // Within a scan FF is followed by 00 or a marker, so FF D9 is the end and nothing else.
    if bytes[scan..].windows(2).any(|w| w == [0xff, 0xd9]) { Ok(()) } else { Err(truncated()) }
}

/// Offset of the first start-of-scan marker and number of colour components: walks the segments, so that a thumbnail
/// inside one is not seen.
fn jpeg_header(bytes: &[u8]) -> Option<(usize, u8)> {
    let (mut at, mut components) = (2, 0);
    loop {
        match (*bytes.get(at)?, *bytes.get(at + 1)?) {
            (0xff, 0xda) => return Some((at, components)),
            (0xff, 0x01 | 0xd0..=0xd8) => at += 2,
            (0xff, marker) if marker != 0xff => {
                // Start of frame of any process; C4, C8 and CC among them mean other things.
                if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
                    components = *bytes.get(at + 9)?;
                }
                at += 2 + usize::from(u16::from_be_bytes(bytes.get(at + 2..at + 4)?.try_into().ok()?));
            }
            // A fill byte, or rubbish between segments.
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    /// A small picture as a JPEG or a PNG.
    fn encoded(format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let picture = image::RgbImage::from_fn(24, 17, |x, y| image::Rgb([(x * 9) as u8, (y * 13) as u8, 77]));
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    proptest! {
        // Whatever the bytes, the answer is a picture or a clause: nothing panics.
        #[test]
        fn any_bytes_are_a_picture_or_a_clause(bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0..3) {
            let start: &[u8] = [&b""[..], b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"][kind as usize];
            let _ = decode(&[start, &bytes].concat());
        }
        #[test]
        fn any_damage_is_a_picture_or_a_clause(
            jpeg in any::<bool>(),
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
            keep in any::<prop::sample::Index>(),
        ) {
            let mut bytes = encoded(if jpeg { ImageFormat::Jpeg } else { ImageFormat::Png });
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let _ = decode(&bytes);
            let _ = decode(&bytes[..keep.index(bytes.len())]);
        }
    }
}
