//! RAW photographs: the light that was put into a file comes out of it, and nothing else does harm.
#![cfg(feature = "raw")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/dng.rs"]
mod dng;
mod support;

use dng::Dng;
use proptest::prelude::*;
use support::{Bench, SMALL, done, told};
use synth::raw::{Linear, decode};

/// Colours with room above: each is seen below saturation.
fn light(row: u32, column: u32) -> [f64; 3] {
    [0.1 + 0.02 * f64::from(row), 0.3, 0.05 + 0.03 * f64::from(column)]
}

/// Half size, of pictures of 24 x 16: cells of 2 x 2 photosites.
fn half(bytes: &[u8]) -> Linear {
    decode(bytes, |short, _| short >= 8).unwrap()
}

/// The least step of the sensor, in light.
const STEP: f64 = 1.0 / (dng::WHITE - dng::BLACK) as f64 / 0.5;

fn assert_light(picture: &Linear, expected: impl Fn(u32, u32) -> [f64; 3]) {
    for (i, pixel) in picture.data.chunks_exact(3).enumerate() {
        let expected = expected((i / picture.width) as u32, (i % picture.width) as u32);
        for c in 0..3 {
            assert!((f64::from(pixel[c]) - expected[c]).abs() < 4.0 * STEP, "pixel {i}: {pixel:?} for {expected:?}");
        }
    }
}

#[test]
fn the_light_comes_back_from_mosaics_and_linear_files_of_both_byte_orders() {
    for (linear, big_endian) in [(false, false), (false, true), (true, false)] {
        let file = Dng { linear, big_endian, ..Dng::mosaic(24, 16) };
        let picture = half(&file.bytes(light));
        assert_eq!((picture.height, picture.width, picture.whole), (8, 12, (16, 24)));
        assert_light(&picture, light);
    }
}

#[test]
fn a_stop_is_a_factor_of_two_and_saturation_is_white() {
    let file = Dng::mosaic(24, 16);
    let at = |stops: i32| half(&file.bytes(|y, x| light(y, x).map(|v| v * 2f64.powi(stops))));
    let (dark, bright) = (at(-2), at(-1));
    for (d, b) in dark.data.iter().zip(&bright.data) {
        assert!((f64::from(b / d) - 2.0).abs() < 0.05, "{d} {b}");
    }
    // No magenta: where green saturates before red and blue do, everything is cut at the same light.
    assert!(half(&file.bytes(|_, _| [3.0; 3])).data.iter().all(|v| (*v - 1.0).abs() < 1e-5));
    assert!(half(&file.bytes(|_, _| [0.0; 3])).data.iter().all(|v| *v == 0.0));
}

#[test]
fn orientation_is_obeyed() {
    // The corner with a bright red cell, after each turn of EXIF's.
    let corner = |y: u32, x: u32| if (y, x) == (0, 0) { [0.8, 0.1, 0.1] } else { [0.1; 3] };
    for (orientation, size, at) in [
        (1, (8, 12), (0, 0)),
        (2, (8, 12), (0, 11)),
        (3, (8, 12), (7, 11)),
        (4, (8, 12), (7, 0)),
        (5, (12, 8), (0, 0)),
        (6, (12, 8), (0, 7)),
        (7, (12, 8), (11, 7)),
        (8, (12, 8), (11, 0)),
    ] {
        let picture = half(&Dng { orientation, ..Dng::mosaic(24, 16) }.bytes(corner));
        assert_eq!((picture.height, picture.width), size, "{orientation}");
        assert_eq!(picture.whole, (size.0 * 2, size.1 * 2));
        let red = picture.data.chunks_exact(3).position(|p| p[0] > 0.5).unwrap();
        assert_eq!((red / picture.width, red % picture.width), at, "{orientation}");
    }
}

#[test]
fn a_reduced_photograph_is_the_mean_of_the_light() {
    let file = Dng::mosaic(64, 32).bytes(|y, x| if (y + x) % 2 == 0 { [0.6; 3] } else { [0.2; 3] });
    let eighth = decode(&file, |short, long| short >= 4 && long >= 8).unwrap();
    assert_eq!((eighth.height, eighth.width, eighth.whole), (4, 8, (32, 64)));
    assert_light(&eighth, |_, _| [0.4; 3]);
    let quarter = decode(&file, |short, _| short >= 5).unwrap();
    assert_eq!((quarter.height, quarter.width), (8, 16));
}

/// Detail that differs from pixel to pixel, of one hue: what interpolation is for.
fn detail(row: u32, column: u32) -> [f64; 3] {
    let (y, x) = (f64::from(row), f64::from(column));
    let wave = 0.3 + 0.1 * (y / 3.1 + (x / 7.0).sin()).sin() + 0.05 * (x / 2.9).cos();
    [wave * 0.8, wave, wave * 0.6]
}

/// Root of the mean squared error, 8 pixels from the border.
fn error(picture: &[f32], width: usize, expected: impl Fn(u32, u32) -> [f64; 3]) -> f64 {
    let height = picture.len() / 3 / width;
    let inside = |y: usize, x: usize| (8..height - 8).contains(&y) && (8..width - 8).contains(&x);
    let (mut sum, mut count) = (0.0, 0);
    for (i, pixel) in picture.chunks_exact(3).enumerate().filter(|(i, _)| inside(i / width, i % width)) {
        let expected = expected((i / width) as u32, (i % width) as u32);
        sum += (0..3).map(|c| (f64::from(pixel[c]) - expected[c]).powi(2)).sum::<f64>();
        count += 3;
    }
    (sum / f64::from(count)).sqrt()
}

#[test]
fn at_full_size_every_photosite_has_the_colours_of_the_light() {
    let picture = decode(&Dng::mosaic(96, 64).sites(detail), |_, _| false).unwrap();
    assert_eq!((picture.height, picture.width, picture.whole), (64, 96, (64, 96)));
    let off = error(&picture.data, 96, detail);
    assert!(off < 0.004, "{off}");
    // What is linear already needs no interpolation.
    let file = Dng { linear: true, ..Dng::mosaic(24, 16) }.bytes(light);
    let picture = decode(&file, |_, _| false).unwrap();
    assert_eq!((picture.height, picture.width), (16, 24));
    assert_light(&picture, |y, x| light(y / 2, x / 2));
}

/// dcraw, where it is installed, develops the same file to the same light; its bilinear interpolation stays behind.
#[test]
fn dcraw_develops_the_same_light() {
    let folder = tempfile::tempdir().unwrap();
    let file = Dng::mosaic(96, 64).sites(detail);
    std::fs::write(folder.path().join("a.dng"), &file).unwrap();
    let ours = decode(&file, |_, _| false).unwrap();
    for (quality, margin) in [("0", 1.0), ("3", 2.5)] {
        // Linear, sRGB's primaries, the balance as shot, nothing cut or brightened.
        let output = std::process::Command::new("dcraw")
            .current_dir(folder.path())
            .args(["-c", "-4", "-o", "1", "-w", "-q", quality, "a.dng"])
            .output();
        let Ok(output) = output else {
            println!("skipped: dcraw is not installed");
            return;
        };
        let header = b"P6\n96 64\n65535\n";
        assert!(output.stdout.starts_with(header), "{}", String::from_utf8_lossy(&output.stderr));
        let levels = output.stdout[header.len()..].chunks_exact(2);
        let theirs: Vec<f32> = levels.map(|v| f32::from(u16::from_be_bytes([v[0], v[1]])) / 65_535.0).collect();
        let mean = |values: &[f32], c: usize| {
            let channel = values.iter().skip(c).step_by(3);
            channel.clone().map(|v| f64::from(*v)).sum::<f64>() / channel.count() as f64
        };
        for c in 0..3 {
            let (a, b) = (mean(&ours.data, c), mean(&theirs, c));
            assert!((a / b - 1.0).abs() < 0.01, "channel {c}: {a} here, {b} in dcraw");
        }
        let (here, there) = (error(&ours.data, 96, detail), error(&theirs, 96, detail));
        assert!(here < margin * there, "-q {quality}: {here} here, {there} in dcraw");
    }
}

#[test]
fn a_file_that_ends_early_or_claims_too_much_is_a_clause() {
    let file = Dng::mosaic(24, 16).bytes(light);
    for length in 0..file.len() {
        assert!(decode(&file[..length], |_, _| false).is_err(), "{length} of {} bytes passed", file.len());
    }
    let said = decode(&file[..file.len() - 1], |_, _| false).unwrap_err();
    assert_eq!(said, "is truncated: its picture ends behind the file");
    let at = file.windows(4).position(|w| w == [0x00, 0x01, 0x04, 0x00]).unwrap();
    let mut bomb = file.clone();
    bomb[at + 8..at + 12].copy_from_slice(&4_000_000_000u32.to_le_bytes());
    let said = decode(&bomb, |_, _| false).unwrap_err();
    assert_eq!(said, "claims 4000000000 x 16 pixels, above the limit of 256 million");
}

proptest! {
    #[test]
    fn any_damage_is_a_picture_or_a_clause(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut file = Dng::mosaic(8, 8).bytes(light);
        for (at, value) in damage {
            // Mostly in the directory: the picture is nine tenths of the file.
            let at = at.index(360.min(file.len()));
            file[at] = value;
        }
        let _ = decode(&file, |_, _| false);
    }
}

#[test]
fn raw_photographs_are_sources_like_others() {
    let bench = Bench::new(12, SMALL);
    for (i, name) in ["000.dng", "100.DNG", "101.dng", "102.dng", "103.dng"].iter().enumerate() {
        let file = Dng { orientation: [1, 6, 3, 1, 1][i], ..Dng::mosaic(240, 160) };
        // Unlike each other: near-duplicates would share a scene.
        let bytes = file.bytes(|y, x| light((y * (i as u32 + 2)) % 23, (x * (2 * i as u32 + 1)) % 17));
        let bytes = if *name == "103.dng" { &bytes[..bytes.len() / 2] } else { &bytes[..] };
        std::fs::write(bench.path("behind").join(name), bytes).unwrap();
    }
    let (code, said) = told(&bench.build("fatal", &[]));
    assert_eq!(code, 2);
    assert!(said.contains("103.dng: is truncated: its picture ends behind the file"), "{said}");
    bench.recipe(12, &format!("{SMALL}\nunreadable: skip"));
    let said = done(bench.build("out", &[]));
    assert!(said.contains("103.dng"), "{said}");
    let reader = synth::dataset::open(&bench.path("out")).unwrap();
    let sizes: Vec<(String, u32, u32)> = reader
        .dataset
        .backgrounds
        .iter()
        .filter(|s| s.path.to_lowercase().ends_with("dng"))
        .map(|s| (s.path.clone(), s.size.height, s.size.width))
        .collect();
    // 000.dng lies beside 000.jpg, the same photograph developed.
    assert_eq!(
        sizes,
        [("100.DNG".to_owned(), 240, 160), ("101.dng".to_owned(), 160, 240), ("102.dng".to_owned(), 160, 240)]
    );
    done(bench.run(&["verify", "out"]));
    for i in 0..12 {
        done(bench.run(&["replay", "out", &i.to_string()]));
    }
}
