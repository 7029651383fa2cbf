//! From a file's bytes to an upright RGB picture, or one clause that says why not.
//!
//! JPEG and PNG of any depth; a PNG's alpha is laid over black, which is what a reflection without
//! light is. EXIF orientation is obeyed.

use std::io::Cursor;

use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageFormat, ImageReader, Limits};

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
        Some(ImageFormat::Jpeg) => check_jpeg_end(bytes)?,
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
    if decoder.original_color_type() == ExtendedColorType::Cmyk8 {
        return Err("is a CMYK JPEG; convert it to RGB".into());
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

/// Refuses a JPEG that ends before its end marker: decoders fill what is missing with grey and say nothing.
fn check_jpeg_end(bytes: &[u8]) -> Result<(), String> {
    let truncated = || "is truncated: the JPEG has no end marker".to_owned();
    let scan = first_scan(bytes).ok_or_else(truncated)?;
    // Within a scan FF is followed by 00 or a marker, so FF D9 is the end and nothing else.
    if bytes[scan..].windows(2).any(|w| w == [0xff, 0xd9]) { Ok(()) } else { Err(truncated()) }
}

/// Offset of the first start-of-scan marker: walks the segments, so that a thumbnail inside one is not seen.
fn first_scan(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        let (&marker, length) = (bytes.get(at + 1)?, bytes.get(at + 2..at + 4));
        match (bytes.get(at)?, marker) {
            (0xff, 0xda) => return Some(at),
            (0xff, 0xff) => at += 1,
            (0xff, 0x01 | 0xd0..=0xd8) => at += 2,
            (0xff, _) => at += 2 + usize::from(u16::from_be_bytes(length?.try_into().ok()?)),
            _ => at += 1,
        }
    }
}
