//! Scores of real pictures against PyTorch's and scikit-image's, in `../shared`; without it these tests skip and say so.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use serde_json::Value;
use train::{data::read_rgb, metrics::Profile};

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
        for (stem, expected) in document["images"].as_object().unwrap() {
            let (a, b) = (picture(&folder.join(left), stem), picture(&folder.join(right), stem));
            for (name, profile) in [("field", Profile::Field), ("corrn", Profile::Native)] {
                let (found, expected) = (profile.score(&a, &b), &expected[name]);
                let place = format!("{set} {stem} {name}");
                close(&format!("{place} ssim"), Some(found.ssim), &expected["ssim"]);
                close(&format!("{place} psnr"), found.psnr, &expected["psnr"]);
                if name == "corrn" {
                    close(&format!("{place} si"), found.si, &expected["si"]);
                }
            }
            compared += 1;
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
        let score = profile.score(&resized, &resized);
        assert!((score.ssim - 1.0).abs() < 1e-12 && score.psnr.is_none(), "{profile}: {score:?}");
        assert!(score.si.is_none_or(|si| (si - 1.0).abs() < 1e-12));
    }
}
