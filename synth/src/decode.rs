//! From a file's bytes to an upright RGB picture, or one clause that says why not.
//!
//! JPEG, PNG, TIFF and WebP of any depth; alpha is laid over black, which is what a reflection without
//! light is. RAW photographs (NEF, DNG) are developed to linear light and shown through the sRGB curve: no tone curve,
//! so that a recipe with `encoding: srgb` mixes the light that fell on the sensor. EXIF orientation is obeyed.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use manifests::{Size, recipe::Encoding};

use crate::{jpeg, mix::Curve, pixels::Rgb8, raw};

/// Longest side, and most pixels, that are decoded: beyond any camera, below what exhausts a machine.
const MAX_SIDE: u32 = 65_535;
const MAX_PIXELS: u64 = 256_000_000;
/// Bytes of a decoded picture at most: 256 million pixels of 8-bit RGB, or 170 million of 16.
const MAX_BYTES: u64 = 1 << 30;

/// What files that are decoded here are called by.
pub(crate) const SUFFIXES: [&str; 8] = ["jpg", "jpeg", "png", "tif", "tiff", "webp", "nef", "dng"];
/// Those of them that are RAW.
pub(crate) const RAW_SUFFIXES: [&str; 2] = ["nef", "dng"];

/// A photograph, upright.
pub(crate) struct Decoded {
    /// It, perhaps at a part of its size.
    pub(crate) picture: Rgb8,
    /// Its whole size.
    pub(crate) size: Size,
}

/// Decodes a photograph, whole.
///
/// # Errors
/// A clause without the file's name: `is a CMYK JPEG; convert it to RGB`.
pub(crate) fn decode(bytes: &[u8]) -> Result<Rgb8, String> {
    decode_for(bytes, |_, _| false).map(|decoded| decoded.picture)
}

/// Decodes a photograph, if it can be had at an eighth or a quarter of its size and `enough(short side, long side)` holds
/// there, at that.
///
/// # Errors
/// As [`decode`].
pub(crate) fn decode_for(bytes: &[u8], enough: impl Fn(usize, usize) -> bool) -> Result<Decoded, String> {
    if bytes.is_empty() {
        return Err("is empty (0 bytes)".into());
    }
    if raw::is_raw(bytes) {
        return raw::decode(bytes, enough).map(shown);
    }
    let broken = |e: image::ImageError| format!("cannot be decoded ({})", e.to_string().trim_end_matches('.'));
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| format!("cannot be read ({e})"))?;
    match reader.format() {
        Some(ImageFormat::Jpeg) => check_jpeg(bytes)?,
        Some(ImageFormat::Png | ImageFormat::Tiff | ImageFormat::WebP) => {}
        _ => return Err("is no JPEG, PNG, TIFF, WebP, NEF or DNG picture, whatever its name says".into()),
    }
    let is_jpeg = reader.format() == Some(ImageFormat::Jpeg);
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
    let small = if is_jpeg { jpeg::reduced(bytes, |h, w| enough(h.min(w), h.max(w))) } else { None };
    let mut picture = match small.and_then(|p| RgbImage::from_raw(p.width as u32, p.height as u32, p.data)) {
        Some(small) => DynamicImage::ImageRgb8(small),
        None if decoder.total_bytes() > MAX_BYTES => {
            let most = MAX_BYTES >> 30;
            return Err(format!("would take {} bytes, above the limit of {most} GiB", decoder.total_bytes()));
        }
        None => DynamicImage::from_decoder(decoder).map_err(broken)?,
    };
    picture.apply_orientation(orientation);
    let (h, w) = (picture.height() as usize, picture.width() as usize);
    use image::metadata::Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    let turned = matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH);
    let size = if turned { Size { height: width, width: height } } else { Size { height, width } };
    Ok(Decoded { picture: Rgb8 { height: h, width: w, data: rgb_bytes(picture) }, size })
}

/// Display values of linear light.
fn shown(light: raw::Linear) -> Decoded {
    let curve = Curve::of(Encoding::Srgb, &[]);
    let data = light.data.iter().map(|v| curve.encode(*v)).collect();
    let (height, width) = light.whole;
    let size = Size { height: height as u32, width: width as u32 };
    Decoded { picture: Rgb8 { height: light.height, width: light.width, data }, size }
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
///
/// # Errors
/// A clause without the file's name.
pub fn check_jpeg(bytes: &[u8]) -> Result<(), String> {
    let truncated = || "is truncated: the JPEG has no end marker".to_owned();
    let (scan, components) = jpeg_header(bytes).ok_or_else(truncated)?;
    if components == 4 {
        return Err("is a CMYK JPEG; convert it to RGB".into());
    }
    // Within a scan FF is followed by 00 or a marker, so FF D9 is the end and nothing else.
    // Searched from the back: it is the last thing in all but a few files.
    if bytes[scan..].windows(2).rev().any(|w| w == [0xff, 0xd9]) { Ok(()) } else { Err(truncated()) }
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
mod tests;
