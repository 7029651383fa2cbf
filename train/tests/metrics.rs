//! Scores against PyTorch's, scikit-image's and numpy's: of made pictures, and of real ones in `../shared`, without which
//! that test skips and says so.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use serde_json::Value;
use train::{
    data::read_rgb,
    metrics::{Mean, Profile, Region, Rescale, Score},
};

fn shared() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    if !root.join("golden/metrics.json").is_file() {
        println!("skipped: {} is not there", root.display());
        return None;
    }
    Some(root)
}

fn picture(folder: &Path, stem: &str) -> image::RgbImage {
    let path = ["png", "jpg", "jpeg"].map(|e| folder.join(format!("{stem}.{e}"))).into_iter().find(|p| p.is_file());
    read_rgb(&path.unwrap()).unwrap()
}

fn close(name: &str, found: Option<f64>, expected: &Value) {
    match (found, expected.as_f64()) {
        (Some(found), Some(expected)) => {
            assert!((found - expected).abs() < 1e-4, "{name}: {found} instead of {expected}");
        }
        (found, expected) => assert_eq!(found, expected, "{name}"),
    }
}

#[test]
fn every_picture_scores_as_in_pytorch_and_scikit_image() {
    let Some(root) = shared() else { return };
    let golden: Value = serde_json::from_slice(&std::fs::read(root.join("golden/metrics.json")).unwrap()).unwrap();
    let mut compared = 0;
    for (set, document) in golden.as_object().unwrap() {
        let (folder, pair) = set.split_once('/').unwrap();
        let (left, right) = pair.split_once("_vs_").unwrap();
        let folder = root.join("data").join(folder);
        let mut scores: [Vec<Score>; 2] = Default::default();
        for (stem, expected) in document["images"].as_object().unwrap() {
            let (a, b) = (picture(&folder.join(left), stem), picture(&folder.join(right), stem));
            for (k, (name, profile)) in [("field", Profile::Field), ("corrn", Profile::Native)].into_iter().enumerate()
            {
                let (found, expected) = (profile.score(&a, &b, None), &expected[name]);
                scores[k].push(found);
                let place = format!("{set} {stem} {name}");
                close(&format!("{place} ssim"), Some(found.ssim), &expected["ssim"]);
                close(&format!("{place} psnr"), found.psnr, &expected["psnr"]);
                if name == "corrn" {
                    close(&format!("{place} si"), found.si, &expected["si"]);
                }
            }
            compared += 1;
        }
        // RAGNet's outputs score 22.947 dB and .7930 under `field`, as published.
        for (name, scores) in ["field", "corrn"].iter().zip(&scores) {
            let (found, expected) = (Mean::of(scores).unwrap().score, &document["mean_of_finite"][name]);
            close(&format!("{set} {name} mean ssim"), Some(found.ssim), &expected["ssim"]);
            close(&format!("{set} {name} mean psnr"), found.psnr, &expected["psnr"]);
        }
    }
    assert!(compared >= 100, "only {compared} pictures compared");
}

#[test]
fn a_picture_scores_perfectly_against_itself() {
    let picture =
        image::RgbImage::from_fn(40, 33, |x, y| image::Rgb([(x * 6) as u8, (y * 7) as u8, (x * y % 251) as u8]));
    for profile in [Profile::Corrn, Profile::Field, Profile::Native] {
        let resized = profile.resize(&picture);
        let score = profile.score(&resized, &resized, None);
        assert!((score.ssim - 1.0).abs() < 1e-12 && score.psnr.is_none(), "{profile}: {score:?}");
        assert!(score.si.is_none_or(|si| (si - 1.0).abs() < 1e-12));
    }
}

/// The two pictures and the mask of `golden/make_scores.py`.
fn made() -> (image::RgbImage, image::RgbImage, image::GrayImage) {
    let truth = |x: u32, y: u32, c: u32| (x * x / 9 + y * 3 + c * 40 + x * y / 7) % 256;
    let estimate = |x: u32, y: u32, c: u32| (truth(x, y, c) * 5 / 6 + (x * y + c * 11) % 37).min(255);
    let picture = |f: &dyn Fn(u32, u32, u32) -> u32| {
        image::RgbImage::from_fn(87, 63, |x, y| image::Rgb([0, 1, 2].map(|c| f(x, y, c) as u8)))
    };
    let mask = image::GrayImage::from_fn(87, 63, |x, y| {
        let (dx, dy) = (i64::from(x) - 40, i64::from(y) - 30);
        image::Luma([if dx * dx + dy * dy < 500 { 255 } else { 0 }])
    });
    (picture(&estimate), picture(&truth), mask)
}

#[test]
fn made_pictures_score_as_in_numpy() {
    let golden: Value = serde_json::from_str(include_str!("golden/scores.json")).unwrap();
    let (estimate, truth, mask) = made();
    let close = |key: &str, found: Option<f64>| {
        let (found, expected) = (found.unwrap(), golden[key].as_f64().unwrap());
        assert!((found - expected).abs() < 1e-9, "{key}: {found} instead of {expected}");
    };
    let region = Region::of_mask(&mask, Profile::Native);
    close("pixels", Some(region.pixels() as f64));
    let score = Profile::Native.score(&estimate, &truth, Some(&region));
    close("ssim", Some(score.ssim));
    close("si", score.si);
    close("ssim_r", score.ssim_r);
    close("si_r", score.si_r);
    let score = Profile::Field.score(&estimate, &truth, None);
    close("lmse", score.lmse);
    close("ncc", score.ncc);
    for (key, rescale) in [("rescaled_psnr", "fit"), ("rescaled_1.1_psnr", "1.1")] {
        let rescaled = rescale.parse::<Rescale>().unwrap().apply(estimate.clone(), &truth);
        close(key, Profile::Native.score(&rescaled, &truth, None).psnr);
    }
}

#[test]
fn what_a_picture_does_not_define_is_no_figure() {
    let flat = image::RgbImage::from_pixel(30, 30, image::Rgb([7; 3]));
    let black = image::RgbImage::new(30, 30);
    let nowhere = Region::of_mask(&image::GrayImage::new(30, 30), Profile::Native);
    let score = Profile::Native.score(&flat, &black, Some(&nowhere));
    assert_eq!((score.ssim_r, score.si_r, nowhere.pixels()), (None, None, 0));
    let score = Profile::Field.score(&flat, &black, None);
    assert_eq!((score.ncc, score.lmse), (None, None));
    assert_eq!(Rescale::Fit.apply(black.clone(), &flat), black);
}

#[test]
fn means_have_intervals_and_leave_infinite_ratios_out() {
    let score = |ssim, psnr| Score { ssim, psnr, ..Score::default() };
    let mean = Mean::of(&[score(0.5, Some(20.0)), score(0.7, None), score(0.9, Some(30.0))]).unwrap();
    assert!((mean.score.ssim - 0.7).abs() < 1e-12 && mean.score.psnr == Some(25.0) && mean.infinite_psnr == 1);
    // Sample deviation 0.2 over the root of 3.
    assert!((mean.interval.ssim - 1.96 * 0.2 / 3f64.sqrt()).abs() < 1e-12);
    assert!((mean.interval.psnr.unwrap() - 1.96 * 50f64.sqrt() / 2f64.sqrt()).abs() < 1e-12);
    assert!(Mean::of(&[]).is_none());
}
