//! 8-bit RGB pictures to N x 3 x H x W tensors in [0, 1] and back.

use std::{
    io::{Cursor, Read},
    path::Path,
};

use candle_core::{DType, Device, Tensor};
use image::{
    DynamicImage, ImageDecoder, ImageEncoder, ImageError, ImageFormat, RgbImage, codecs::png::PngEncoder,
    metadata::Orientation,
};

use crate::{Error, net::MULTIPLE};

/// A picture with what its camera wrote into it.
#[derive(Debug)]
pub struct Photograph {
    /// Rows as they lie in the file: EXIF's orientation is not applied.
    pub pixels: RgbImage,
    /// How it is turned to stand upright.
    pub orientation: Orientation,
    /// What is to be said of whatever is made of it.
    pub about: About,
}

/// What a picture's file says beside its pixels.
#[derive(Debug, Default)]
pub struct About {
    /// EXIF, as it was.
    pub exif: Option<Vec<u8>>,
    /// The colour profile that its values are meant in, as it was: of a colour picture only.
    pub icc: Option<Vec<u8>>,
}

/// Bytes of a decoded picture at most: a few bytes of a file may claim any size.
const MOST_BYTES: u64 = 2 << 30;

impl Photograph {
    /// Reads a PNG or JPEG as 8-bit RGB; transparency is dropped. `-` is standard input.
    ///
    /// # Errors
    /// A file that is missing or is no picture.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = if path == Path::new("-") {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        } else {
            std::fs::read(path)
        };
        let bytes = bytes.map_err(Error::io(path, "read"))?;
        let bad = |e: ImageError| Error::input_at(path, format!("is not a readable PNG or JPEG picture ({e})"));
        let reader = image::ImageReader::new(Cursor::new(&bytes)).with_guessed_format();
        let reader = reader.map_err(Error::io(path, "read"))?;
        if reader.format() == Some(ImageFormat::Jpeg) {
            // Of half a file the decoder makes a picture that is grey below.
            synth::check_jpeg(&bytes).map_err(|clause| Error::input_at(path, clause))?;
        }
        let mut decoder = reader.into_decoder().map_err(bad)?;
        if decoder.total_bytes() > MOST_BYTES {
            let (width, height) = decoder.dimensions();
            let message =
                format!("claims {width} x {height} pixels, more than {} GiB: make it smaller", MOST_BYTES >> 30);
            return Err(Error::input_at(path, message));
        }
        let (exif, icc) = (decoder.exif_metadata().map_err(bad)?, decoder.icc_profile().map_err(bad)?);
        let orientation = decoder.orientation().map_err(bad)?;
        // A profile of greys says nothing of the colours that are written.
        let icc = icc.filter(|_| decoder.color_type().has_color());
        let pixels = DynamicImage::from_decoder(decoder).map_err(bad)?.into_rgb8();
        Ok(Self { pixels, orientation, about: About { exif, icc } })
    }

    /// It, upright.
    pub fn upright(self) -> RgbImage {
        let mut picture = DynamicImage::ImageRgb8(self.pixels);
        picture.apply_orientation(self.orientation);
        picture.into_rgb8()
    }
}

/// Reads a PNG or JPEG as 8-bit RGB; transparency is dropped.
///
/// # Errors
/// A file that is missing or is no picture.
pub fn read_rgb(path: &Path) -> Result<RgbImage, Error> {
    Ok(Photograph::read(path)?.pixels)
}

/// Writes a PNG whole or not at all.
///
/// # Errors
/// What the folder answers.
pub fn save_png(path: &Path, picture: &RgbImage) -> Result<(), Error> {
    save_png_with(path, picture, &About::default())
}

/// Writes a PNG with EXIF and colour profile, whole or not at all.
///
/// # Errors
/// What the folder answers.
pub fn save_png_with(path: &Path, picture: &RgbImage, about: &About) -> Result<(), Error> {
    let failed = |e: &dyn std::fmt::Display| Error::Failed(format!("{}: cannot encode: {e}", path.display()));
    let mut bytes = Vec::new();
    let mut encoder = PngEncoder::new(&mut bytes);
    if let Some(exif) = &about.exif {
        encoder.set_exif_metadata(exif.clone()).map_err(|e| failed(&e))?;
    }
    if let Some(icc) = &about.icc {
        encoder.set_icc_profile(icc.clone()).map_err(|e| failed(&e))?;
    }
    picture.write_with_encoder(encoder).map_err(|e| failed(&e))?;
    Ok(manifests::write_atomic(path, &bytes)?)
}

/// Pictures of one size to N x 3 x H x W in [0, 1].
///
/// # Errors
/// Pictures of different sizes, or no picture.
pub fn to_tensor(pictures: &[RgbImage], dtype: DType, device: &Device) -> Result<Tensor, Error> {
    let Some(first) = pictures.first() else { return Err(Error::Failed("a batch without pictures".into())) };
    let (w, h) = first.dimensions();
    let plane = (w * h) as usize;
    let mut values = vec![0f32; pictures.len() * 3 * plane];
    for (picture, out) in pictures.iter().zip(values.chunks_exact_mut(3 * plane)) {
        if picture.dimensions() != (w, h) {
            return Err(Error::Failed("a batch has pictures of different sizes".into()));
        }
        for (i, pixel) in picture.as_raw().chunks_exact(3).enumerate() {
            for c in 0..3 {
                out[c * plane + i] = f32::from(pixel[c]) / 255.0;
            }
        }
    }
    let tensor = Tensor::from_vec(values, (pictures.len(), 3, h as usize, w as usize), &Device::Cpu)?;
    Ok(tensor.to_dtype(dtype)?.to_device(device)?)
}

/// The first picture of N x 3 x H x W (or N x 1 x H x W, as grey), clamped to [0, 1] and rounded to 8 bits.
///
/// # Errors
/// Another shape, or values that are not numbers.
pub fn to_picture(tensor: &Tensor) -> Result<RgbImage, Error> {
    let (_, c, h, w) = tensor.dims4()?;
    let values: Vec<f32> = tensor.get(0)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    if values.iter().any(|v| v.is_nan()) {
        return Err(Error::Failed("the network's output is not a number".into()));
    }
    let byte = |v: f32| (v.clamp(0.0, 1.0) * 255.0).round() as u8;
    Ok(RgbImage::from_fn(w as u32, h as u32, |x, y| {
        let at = |channel: usize| byte(values[channel.min(c - 1) * h * w + y as usize * w + x as usize]);
        image::Rgb([at(0), at(1), at(2)])
    }))
}

/// N x C x H x W extended right and below to multiples of 32 by mirroring (edges repeat on pictures too small to).
///
/// # Errors
/// What Candle answers.
pub fn pad_to_multiple(x: &Tensor) -> Result<Tensor, Error> {
    let mut out = x.clone();
    for dim in [2, 3] {
        let len = x.dim(dim)?;
        let padded = len.next_multiple_of(MULTIPLE);
        let index: Vec<u32> = (0..padded).map(|i| mirror(i, len) as u32).collect();
        if padded > len {
            out = out.index_select(&Tensor::new(index.as_slice(), x.device())?, dim)?;
        }
    }
    Ok(out)
}

/// Part of a picture as 1 x 3 x rows x columns in [0, 1]; what lies right of it and below is mirrored, as in
/// [`pad_to_multiple`].
///
/// # Errors
/// What Candle answers.
pub fn window(
    picture: &RgbImage,
    (top, left): (usize, usize),
    (rows, columns): (usize, usize),
    device: &Device,
) -> Result<Tensor, Error> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut values = vec![0f32; 3 * rows * columns];
    for y in 0..rows {
        for x in 0..columns {
            let from = (mirror(top + y, height) * width + mirror(left + x, width)) * 3;
            for c in 0..3 {
                values[(c * rows + y) * columns + x] = f32::from(picture.as_raw()[from + c]) / 255.0;
            }
        }
    }
    Ok(Tensor::from_vec(values, (1, 3, rows, columns), &Device::Cpu)?.to_device(device)?)
}

/// Place `i` of a row that goes to and fro over `len` places.
fn mirror(i: usize, len: usize) -> usize {
    if len == 1 {
        return 0;
    }
    let period = 2 * (len - 1);
    let i = i % period;
    i.min(period - i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_survive_the_way_to_a_tensor_and_back() -> Result<(), Error> {
        let picture = RgbImage::from_fn(5, 3, |x, y| image::Rgb([(x * 50) as u8, (y * 100) as u8, 255]));
        let tensor = to_tensor(std::slice::from_ref(&picture), DType::F32, &Device::Cpu)?;
        assert_eq!(tensor.dims(), [1, 3, 3, 5]);
        assert_eq!(to_picture(&tensor)?, picture);
        Ok(())
    }

    #[test]
    fn padding_mirrors_without_repeating_the_edge() -> Result<(), Error> {
        let row: Vec<usize> = (0..9).map(|i| mirror(i, 4)).collect();
        assert_eq!(row, [0, 1, 2, 3, 2, 1, 0, 1, 2]);
        let x = Tensor::zeros((1, 3, 33, 64), DType::F32, &Device::Cpu)?;
        assert_eq!(pad_to_multiple(&x)?.dims(), [1, 3, 64, 64]);
        Ok(())
    }
}
