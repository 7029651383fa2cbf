//! What the crate `rawler` (LGPL-2.1) reads from NEF and DNG; the only file that names it.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use rawler::{
    RawImage, RawImageData,
    decoders::{Orientation, RawDecodeParams},
    imgop::{sensor::SensorType, xyz::Illuminant},
    rawimage::RawPhotometricInterpretation,
    rawsource::RawSource,
};

use super::{Mosaic, Samples, directories};

/// Linear sRGB to XYZ (IEC 61966-2-1), whose sums of rows are D65.
const XYZ: [[f64; 3]; 3] =
    [[0.412_453, 0.357_580, 0.180_423], [0.212_671, 0.715_160, 0.072_169], [0.019_334, 0.119_193, 0.950_227]];

/// Reads a mosaic, or a linear picture, with what it takes to develop it.
pub(super) fn mosaic(bytes: &[u8]) -> Result<Mosaic, String> {
    quiet();
    let source = RawSource::new_from_slice(bytes);
    // The crate's readers of damaged files panic; they keep nothing between files.
    let read = panic::catch_unwind(AssertUnwindSafe(|| {
        rawler::get_decoder(&source)?.raw_image(&source, &RawDecodeParams::default(), false)
    }));
    let image = match read {
        Ok(Ok(image)) => image,
        Ok(Err(e)) => return Err(format!("cannot be decoded ({})", first_line(&e.to_string()))),
        Err(_) => return Err("cannot be decoded (its parts do not fit together)".into()),
    };
    from_image(image, directories::orientation(bytes))
}

/// Messages of many lines would not be one clause.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_end_matches('.')
}

/// Keeps the crate's panics, which are caught, off the terminal.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let other = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.location().is_none_or(|at| !at.file().contains("rawler")) {
                other(info);
            }
        }));
    });
}

fn from_image(image: RawImage, orientation: Option<u16>) -> Result<Mosaic, String> {
    let (colours, samples) = match &image.photometric {
        RawPhotometricInterpretation::LinearRaw if image.cpp == 3 => ([0, 1, 2, 0], 3),
        RawPhotometricInterpretation::Cfa(filters)
            if image.cpp == 1 && filters.sensor == SensorType::Bayer && filters.cfa.is_rgb() =>
        {
            ([(0, 0), (0, 1), (1, 0), (1, 1)].map(|(row, column)| filters.cfa.color_at(row, column)), 1)
        }
        _ => return Err("has other colour filters than rows of red and green, green and blue".into()),
    };
    let (mut rows, mut columns) = (0..image.height, 0..image.width);
    if let Some(area) = image.crop_area.or(image.active_area) {
        let bound = |from: usize, length: usize, end: usize| from.min(end)..from.saturating_add(length).min(end);
        (rows, columns) = (bound(area.p.y, area.d.h, image.height), bound(area.p.x, area.d.w, image.width));
    }
    if samples == 1 {
        // Cells begin where the filters' pattern does.
        (rows, columns) = (even(rows), even(columns));
    }
    let needed = image.width.checked_mul(image.height).and_then(|n| n.checked_mul(samples));
    let held = match &image.data {
        RawImageData::Integer(levels) => levels.len(),
        RawImageData::Float(levels) => levels.len(),
    };
    if rows.is_empty() || columns.is_empty() || needed.is_none_or(|needed| held < needed) {
        return Err("cannot be decoded (it holds no picture)".into());
    }
    let levels = |given: Vec<f32>| -> [f32; 4] {
        let last = given.last().copied().unwrap_or(0.0);
        std::array::from_fn(|place| given.get(place).copied().unwrap_or(last))
    };
    let matrix = camera_matrix(&image)?;
    Ok(Mosaic {
        stride: image.width,
        samples,
        rows,
        columns,
        colours,
        black: levels(image.blacklevel.as_vec()),
        white: levels(image.whitelevel.as_vec()),
        balance: balance(&image, &matrix),
        to_srgb: to_srgb(&matrix).ok_or("has a colour matrix without inverse")?,
        orientation: orientation.unwrap_or(match image.orientation {
            Orientation::Unknown => 1,
            known => known.to_u16(),
        }),
        data: match image.data {
            RawImageData::Integer(levels) => Samples::Integer(levels),
            RawImageData::Float(levels) => Samples::Float(levels),
        },
    })
}

fn even(range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    range.start.next_multiple_of(2)..range.end / 2 * 2
}

/// XYZ to camera colours. Taken for daylight where the file has several: the white balance does the rest.
fn camera_matrix(image: &RawImage) -> Result<[[f64; 3]; 3], String> {
    use Illuminant as I;
    let order = [I::D65, I::D55, I::D50, I::D75, I::Daylight, I::FineWeather, I::Flash, I::C, I::B, I::A];
    let (_, flat) = image.color_matrix_find_first(order).ok_or("has no colour matrix, and its camera is not known")?;
    if flat.len() != 9 {
        return Err(format!("has a camera of {} colours", flat.len() / 3));
    }
    Ok(std::array::from_fn(|row| std::array::from_fn(|column| f64::from(flat[row * 3 + column]))))
}

/// The balance that the camera noted, or that of D65; the smallest factor is 1, so that what saturates is white.
fn balance(image: &RawImage, matrix: &[[f64; 3]; 3]) -> [f32; 3] {
    let noted = [0, 1, 2].map(|c| f64::from(image.wb_coeffs[c]));
    let factors = if noted.iter().all(|k| k.is_finite() && *k > 0.0) {
        noted
    } else {
        matrix.map(|row| 1.0 / (0..3).map(|k| row[k] * XYZ[k].iter().sum::<f64>()).sum::<f64>().max(1e-6))
    };
    let least = factors.iter().copied().fold(f64::INFINITY, f64::min);
    factors.map(|k| (k / least) as f32)
}

/// Balanced camera colours to linear sRGB: the inverse of (camera from XYZ) times (XYZ from sRGB), whose rows are
/// normalised first.
fn to_srgb(matrix: &[[f64; 3]; 3]) -> Option<[[f32; 3]; 3]> {
    let product = matrix.map(|row| [0, 1, 2].map(|j| (0..3).map(|k| row[k] * XYZ[k][j]).sum::<f64>()));
    let m = product.map(|row| row.map(|v| v / row.iter().sum::<f64>()));
    let minor = |r: usize, c: usize| {
        let (r1, r2, c1, c2) = ((r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3);
        m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
    };
    let determinant: f64 = (0..3).map(|c| m[0][c] * minor(0, c)).sum();
    let usable = determinant.is_finite() && determinant.abs() > 1e-9;
    usable.then(|| std::array::from_fn(|r| std::array::from_fn(|c| (minor(c, r) / determinant) as f32)))
}
