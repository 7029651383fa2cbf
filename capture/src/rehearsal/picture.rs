//! Picture files: JPEG with EXIF, thumbnails.

use std::time::SystemTime;

use image::{ExtendedColorType, ImageEncoder, codecs::jpeg::JpegEncoder};

use super::{
    exif, nef,
    optics::{Raster, Settings},
    sensor::Mosaic,
    store::Picture,
};

/// Compression setting of the body, property 5004.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quality {
    pub(super) raw: bool,
    /// Quality of the JPEG encoder for basic, normal or fine; none for RAW alone.
    pub(super) jpeg: Option<u8>,
}

impl Quality {
    /// Basic, normal, fine: 0 to 2; NEF: 4; NEF with each of the three: 5 to 7.
    pub(super) fn of(code: i64) -> Self {
        let grade = [78, 88, 95];
        match code {
            4 => Self { raw: true, jpeg: None },
            5..=7 => Self { raw: true, jpeg: Some(grade[(code - 5) as usize]) },
            _ => Self { raw: false, jpeg: Some(grade[code.clamp(0, 2) as usize]) },
        }
    }
}

/// What the picture's EXIF says.
pub(super) struct About<'a> {
    pub(super) settings: &'a Settings,
    pub(super) focal_mm: f64,
    pub(super) taken: SystemTime,
    pub(super) number: u64,
}

/// The files of one release, RAW first. The mosaic is taken only where the quality wants one.
pub(super) fn encode(
    raster: &Raster,
    mosaic: impl FnOnce() -> Mosaic,
    quality: Quality,
    about: &About<'_>,
) -> Vec<Picture> {
    let (width, height) = raster.size;
    let mut pictures = Vec::new();
    if quality.raw {
        let preview = bare_jpeg(raster, 78).unwrap_or_default();
        let bytes = nef::encode(&mosaic(), &preview, about);
        pictures.push(Picture { extension: "NEF", bytes, width, height });
    }
    if let Some(grade) = quality.jpeg
        && let Some(bytes) = jpeg(raster, grade, Some(exif::tiff(about, raster.size)))
    {
        pictures.push(Picture { extension: "JPG", bytes, width, height });
    }
    pictures
}

/// A JPEG with EXIF put into it, behind the marker that it begins with.
pub(super) fn with_exif(jpeg: &[u8], (width, height): (u32, u32), about: &About<'_>) -> Picture {
    let tiff = exif::tiff(about, (width, height));
    let mut bytes = Vec::with_capacity(jpeg.len() + tiff.len() + 10);
    bytes.extend_from_slice(&jpeg[..jpeg.len().min(2)]);
    bytes.extend_from_slice(&[0xFF, 0xE1]);
    bytes.extend_from_slice(&((tiff.len() + 8) as u16).to_be_bytes());
    bytes.extend_from_slice(b"Exif\0\0");
    bytes.extend_from_slice(&tiff);
    bytes.extend_from_slice(jpeg.get(2..).unwrap_or_default());
    Picture { extension: "JPG", bytes, width, height }
}

/// A JPEG without EXIF.
pub(super) fn bare_jpeg(raster: &Raster, grade: u8) -> Option<Vec<u8>> {
    jpeg(raster, grade, None)
}

fn jpeg(raster: &Raster, grade: u8, exif: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let (width, height) = raster.size;
    let mut bytes = Vec::with_capacity(raster.rgb.len() / 3);
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, grade);
    let written = exif.map_or(Ok(()), |e| encoder.set_exif_metadata(e)).map_err(|e| e.to_string()).and_then(|()| {
        encoder.write_image(&raster.rgb, width, height, ExtendedColorType::Rgb8).map_err(|e| e.to_string())
    });
    match written {
        Ok(()) => Some(bytes),
        Err(error) => {
            log::error!("rehearsal camera: no JPEG of {width} x {height}: {error}");
            None
        }
    }
}

/// A thumbnail of a JPEG, 160 columns; none when the bytes are no whole JPEG.
pub(super) fn thumbnail(bytes: &[u8]) -> Option<Vec<u8>> {
    let small =
        image::load_from_memory_with_format(bytes, image::ImageFormat::Jpeg).ok()?.thumbnail(160, 120).to_rgb8();
    bare_jpeg(&Raster { size: small.dimensions(), rgb: small.into_raw() }, 80)
}
