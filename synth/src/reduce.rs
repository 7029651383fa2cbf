//! From a photograph to the sizes that samples have.

use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::U8x3,
};
use manifests::{Size, dataset::Window};

use crate::pixels::Rgb8;

/// Pixels of a reduced photograph at most.
pub(crate) const MOST_PIXELS: usize = 100_000_000;

/// The size that a photograph takes for `asked`: whole images, so portrait photographs give portrait samples.
pub(crate) fn oriented(asked: Size, portrait: bool) -> (usize, usize) {
    let (a, b) = (asked.height as usize, asked.width as usize);
    let (short, long) = (a.min(b), a.max(b));
    if portrait { (long, short) } else { (short, long) }
}

/// Scales a photograph, keeping its shape, so that it covers `height` x `width` `zoom` times.
pub(crate) fn cover(picture: &Rgb8, height: usize, width: usize, zoom: f64) -> Result<Rgb8, String> {
    let (h, w) = (picture.height as f64, picture.width as f64);
    let scale = (height as f64 / h).max(width as f64 / w) * zoom;
    let side = |n: f64, least: usize| ((n * scale).round() as usize).clamp(least, 65_535);
    let (h, w) = (side(h, height), side(w, width));
    if h * w > MOST_PIXELS {
        return Err(format!(
            "is so narrow that it would have {h} x {w} pixels to cover {height} x {width} {zoom} times"
        ));
    }
    resize(picture, h, w)
}

/// Cuts a window out of a photograph that covers `size` at least `window.zoom` times, and brings it to that size.
pub(crate) fn cut(picture: &Rgb8, size: Size, window: Window) -> Result<Rgb8, String> {
    let (height, width) = oriented(size, picture.height > picture.width);
    // How often the picture covers the sample; the window is that much larger than the sample, over its own scale.
    let covers = (picture.height as f64 / height as f64).min(picture.width as f64 / width as f64);
    let side = |n: usize, most: usize| ((n as f64 * covers / window.zoom).round() as usize).clamp(1, most);
    let (h, w) = (side(height, picture.height), side(width, picture.width));
    let place = |left_over: usize, fraction: f64| ((left_over as f64 * fraction) as usize).min(left_over);
    let (top, left) = (place(picture.height - h, window.top), place(picture.width - w, window.left));
    let rows = (top..top + h).flat_map(|y| {
        let start = (y * picture.width + left) * 3;
        picture.data[start..start + w * 3].iter().copied()
    });
    resize(&Rgb8 { height: h, width: w, data: rows.collect() }, height, width)
}

/// Resizes to exactly `height` x `width`.
///
/// Bicubic (Catmull-Rom, a = -0.5), widened to the scale when reducing, so that every source pixel counts:
/// what Pillow calls BICUBIC. Fixed-point arithmetic: the same bits with any vector extension.
pub(crate) fn resize(picture: &Rgb8, height: usize, width: usize) -> Result<Rgb8, String> {
    if (picture.height, picture.width) == (height, width) {
        return Ok(picture.clone());
    }
    resize_with(&mut Resizer::new(), picture, height, width)
}

/// The resizing itself, for pixels of one type: the crate's function for any type is a minute of compiling.
fn resize_with(resizer: &mut Resizer, picture: &Rgb8, height: usize, width: usize) -> Result<Rgb8, String> {
    let told = |e: &dyn std::fmt::Display| format!("cannot be resized ({e})");
    let size = picture.size();
    let from = TypedImageRef::<U8x3>::from_buffer(size.width, size.height, &picture.data).map_err(|e| told(&e))?;
    let mut resized = Rgb8::black(height, width);
    let size = resized.size();
    let mut to = TypedImage::<U8x3>::from_buffer(size.width, size.height, &mut resized.data).map_err(|e| told(&e))?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    resizer.resize_typed(&from, &mut to, &options).map_err(|e| told(&e))?;
    Ok(resized)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use fast_image_resize::CpuExtensions;

    #[test]
    fn no_vector_extension_changes_a_bit() {
        let data = (0..300 * 451 * 3u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let picture = Rgb8 { height: 300, width: 451, data };
        let fast = resize(&picture, 96, 160).unwrap();
        let mut plain = Resizer::new();
        // SAFETY: no extension is always supported.
        unsafe { plain.set_cpu_extensions(CpuExtensions::None) };
        assert_eq!(fast, resize_with(&mut plain, &picture, 96, 160).unwrap());
    }

    #[test]
    fn windows_lie_within_and_have_the_size() {
        let picture = Rgb8::black(90, 60);
        let size = Size { height: 32, width: 40 };
        let covering = cover(&picture, 40, 32, 2.0).unwrap();
        assert_eq!((covering.height, covering.width), (96, 64), "upright, as the photograph is");
        for (zoom, top, left) in [(1.0, 0.0, 0.0), (2.0, 1.0, 1.0), (1.5, 0.99, 0.3)] {
            let window = cut(&covering, size, Window { zoom, top, left }).unwrap();
            assert_eq!((window.height, window.width), (40, 32));
        }
    }
}
