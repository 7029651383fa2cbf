#![allow(clippy::unwrap_used, reason = "tests")]

use image::{ImageEncoder, codecs::jpeg::JpegEncoder};
use proptest::prelude::*;

use super::*;
use crate::decode::decode;

/// Shapes and noise, so that blocks have all kinds of coefficients.
fn photograph(height: usize, width: usize) -> Rgb8 {
    let mut state = 1u32;
    let data = (0..height * width).flat_map(|i| {
        let (y, x) = ((i / width) as f64, (i % width) as f64);
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = f64::from(state >> 24) / 16.0;
        [0.031, 0.017, 0.042].map(|k| (120.0 + 100.0 * ((x * k).sin() * (y * 0.023).cos()) + noise) as u8)
    });
    Rgb8 { height, width, data: data.collect() }
}

fn encoded(picture: &Rgb8, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (w, h) = (picture.width as u32, picture.height as u32);
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    encoder.write_image(&picture.data, w, h, image::ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// The mean of each `n` x `n` pixels; at the border of those that are there.
fn box_means(picture: &Rgb8, n: usize) -> Rgb8 {
    let (height, width) = (picture.height.div_ceil(n), picture.width.div_ceil(n));
    let mut small = Rgb8::black(height, width);
    for (i, value) in small.data.iter_mut().enumerate() {
        let (y, x, c) = (i / 3 / width, i / 3 % width, i % 3);
        let rows = y * n..((y + 1) * n).min(picture.height);
        let columns = x * n..((x + 1) * n).min(picture.width);
        let count = (rows.len() * columns.len()) as u32;
        let sum: u32 = rows
            .flat_map(|r| columns.clone().map(move |s| (r * picture.width + s) * 3 + c))
            .map(|at| u32::from(picture.data[at]))
            .sum();
        *value = ((sum + count / 2) / count) as u8;
    }
    small
}

fn largest_difference(a: &Rgb8, b: &Rgb8) -> u8 {
    assert_eq!((a.height, a.width), (b.height, b.width));
    a.data.iter().zip(&b.data).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

/// At an eighth without subsampling each value is a block's mean, which a full decode has too, up to its rounding
/// of each pixel and of colours.
#[test]
fn an_eighth_is_the_mean_of_blocks() {
    let bytes = encoded(&photograph(173, 241), 90);
    let small = reduced(&bytes, |_, _| true).unwrap();
    assert_eq!((small.height, small.width), (22, 31));
    let whole = decode(&bytes).unwrap();
    let inner = |p: &Rgb8| {
        let data = (0..21).flat_map(|y| p.data[y * 31 * 3..(y * 31 + 30) * 3].to_vec()).collect();
        Rgb8 { height: 21, width: 30, data }
    };
    // Blocks at the right and lower border hold what the encoder filled them with as well.
    assert!(largest_difference(&inner(&small), &inner(&box_means(&whole, 8))) <= 2);
}

#[test]
fn a_quarter_is_close_to_the_mean_of_four_by_four() {
    let bytes = encoded(&photograph(176, 240), 95);
    let small = reduced(&bytes, |height, _| height > 30).unwrap();
    assert_eq!((small.height, small.width), (44, 60));
    let means = box_means(&decode(&bytes).unwrap(), 4);
    let error = small.data.iter().zip(&means.data).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>();
    // Two points' frequencies are not a mean of four points, but nearly.
    assert!(error / (small.data.len() as f64) < 1.5, "{}", error / small.data.len() as f64);
    assert!(reduced(&bytes, |height, _| height > 44).is_none(), "not larger than a quarter");
}

/// Real photographs by other encoders, with subsampled colour, where they are there.
#[test]
fn photographs_with_subsampled_colour() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/bsds200");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return println!("skipped: no photographs in {}", folder.display());
    };
    let mut seen = 0;
    for path in entries.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "jpg")).take(60) {
        let bytes = std::fs::read(&path).unwrap();
        let whole = decode(&bytes).unwrap();
        for (n, bound) in [(8usize, 2.0), (4, 6.0)] {
            let small = reduced(&bytes, |height, _| height >= whole.height / n).unwrap();
            let means = box_means(&whole, n);
            let error = small.data.iter().zip(&means.data).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>();
            let mean = error / small.data.len() as f64;
            assert!(mean < bound, "{}: {mean} levels at 1/{n}", path.display());
        }
        seen += 1;
    }
    assert!(seen > 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn damaged_files_never_panic(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
                                 keep in any::<prop::sample::Index>()) {
        let mut bytes = encoded(&photograph(64, 80), 85);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = reduced(&bytes, |_, _| true);
        let _ = reduced(&bytes, |height, _| height > 8);
        let _ = reduced(&bytes[..keep.index(bytes.len())], |_, _| true);
    }
}
