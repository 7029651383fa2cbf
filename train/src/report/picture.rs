//! Pictures inside the page.

use std::{io::Cursor, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use image::{DynamicImage, ImageFormat, RgbImage, codecs::jpeg::JpegEncoder, imageops::FilterType};

use crate::{Error, data::Photograph};

/// A photograph, upright, reduced to at most `side` pixels and encoded as JPEG, as a data URI.
pub(super) fn photograph(path: &Path, side: u32) -> Result<String, Error> {
    jpeg(&Photograph::read(path)?.upright(), side)
}

/// As [`photograph`], of a picture in memory.
pub(super) fn jpeg(picture: &RgbImage, side: u32) -> Result<String, Error> {
    let image = DynamicImage::ImageRgb8(picture.clone());
    let image =
        if image.width().max(image.height()) > side { image.resize(side, side, FilterType::Triangle) } else { image };
    let mut bytes = Vec::new();
    image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 86)).map_err(failed)?;
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes)))
}

/// A small picture without loss, as a data URI: differences between scored pictures are not to be JPEG's.
pub(super) fn png(picture: &RgbImage) -> Result<String, Error> {
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).map_err(failed)?;
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(bytes)))
}

fn failed(e: image::ImageError) -> Error {
    Error::Failed(format!("cannot encode a picture for the page: {e}"))
}
