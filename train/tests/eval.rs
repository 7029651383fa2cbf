//! `train eval` on folders of triplets: layouts, masks, regions, rescaling, and what it prints.
#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "shared with the tests of fit")]
mod support;

use std::path::Path;

use image::{GrayImage, Luma, Rgb, RgbImage};
use serde_json::Value;
use support::{failure, train};

const WIDTH: u32 = 64;
const HEIGHT: u32 = 48;

fn background(x: u32, y: u32) -> [u8; 3] {
    [(60 + 2 * x) as u8, (40 + 3 * y) as u8, ((x * y) % 97 + 60) as u8]
}

/// I, B and R with a reflection in the left half alone, twenty levels more in each channel.
fn triplet(folder: &Path, names: [&str; 3]) {
    let left = |x: u32| if x < WIDTH / 2 { 40 } else { 0 };
    let save = |name: &str, f: &dyn Fn(u32, u32) -> [u8; 3]| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_fn(WIDTH, HEIGHT, |x, y| Rgb(f(x, y))).save(path).unwrap();
    };
    save(names[0], &|x, y| background(x, y).map(|v| v + left(x)));
    save(names[1], &background);
    save(names[2], &|x, _| [left(x); 3]);
}

fn eval(arguments: &[&str]) -> Value {
    let output = train(&[&["eval", "--baseline", "--json", "--profile", "native"], arguments].concat());
    assert!(output.status.success(), "{:?}", failure(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn scores_under_a_mask_or_where_the_reflection_is_are_lower_than_over_the_picture() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    triplet(&folder.path().join("near/scene1"), ["I.png", "B.png", "R.png"]);
    triplet(&folder.path().join("far"), ["I/a.png", "B/a.png", "R/a.png"]);
    let document = eval(&[&root]);
    assert!(document["mean"].get("ssim_r").is_none(), "no mask, and none asked for: {document}");

    let derived = eval(&[&root, "--region", "0.1"]);
    let mean = &derived["mean"];
    assert!(mean["ssim_r"].as_f64() < mean["ssim"].as_f64() && mean["si_r"].is_f64(), "{derived}");
    assert_eq!(derived["subsets"]["near"]["n"], 1);
    assert_eq!(derived["subsets"]["far"]["size"], serde_json::json!([HEIGHT, WIDTH]));

    // The same half as masks gives the same figures; the other half, far from the reflection, is perfect.
    let mask =
        |left: bool| GrayImage::from_fn(WIDTH, HEIGHT, |x, _| Luma([if (x < WIDTH / 2) == left { 255 } else { 0 }]));
    mask(true).save(folder.path().join("near/scene1/mask.png")).unwrap();
    std::fs::create_dir(folder.path().join("far/mask")).unwrap();
    GrayImage::from_fn(WIDTH, HEIGHT, |x, _| Luma([if x >= WIDTH / 2 + 6 { 255 } else { 0 }]))
        .save(folder.path().join("far/mask/a.png"))
        .unwrap();
    let masked = eval(&[&root]);
    assert_eq!(masked["subsets"]["near"]["mean"]["ssim_r"], derived["subsets"]["near"]["mean"]["ssim_r"]);
    assert!((masked["subsets"]["far"]["mean"]["ssim_r"].as_f64().unwrap() - 1.0).abs() < 1e-12, "{masked}");

    // A mask of another size is refused.
    GrayImage::new(8, 8).save(folder.path().join("far/mask/a.png")).unwrap();
    let (code, text) = failure(&train(&["eval", "--baseline", &root]));
    assert!(code == Some(2) && text.contains("mask/a.png: is 8x8, and its mixture"), "{text}");
}

#[test]
fn every_line_says_subset_picture_profile_size_and_n() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    for (subset, scene) in [("near", "1"), ("near", "2"), ("far", "1")] {
        triplet(&folder.path().join(subset).join(scene), ["I.png", "B.png", "R.png"]);
    }
    let csv = folder.path().join("scores.csv").display().to_string();
    let output = train(&["eval", "--baseline", &root, "--profile", "field", "--csv", &csv]);
    assert!(output.status.success(), "{:?}", failure(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["subset", "picture", "profile", "size", "n", "SSIM", "PSNR", "LMSE", "NCC"]);
    let heads: Vec<&[&str]> = rows[1..].iter().map(|row| &row[..5]).collect();
    assert_eq!(
        heads,
        [
            ["far", "input", "field", "48x64", "1"],
            ["near", "input", "field", "48x64", "2"],
            ["all", "input", "field", "48x64", "3"],
        ]
    );
    let csv = std::fs::read_to_string(csv).unwrap();
    assert!(
        csv.starts_with("subset,name,profile,rescale,height,width,ssim,psnr,lmse,ncc\nfar,far/1,field,no,48,64,"),
        "{csv}"
    );
}

#[test]
fn a_darkened_picture_is_mended_by_its_least_squares_factor() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    let save = |name: &str, factor: f64| {
        let dark = |v: u8| (f64::from(v) * factor).round() as u8;
        let picture = RgbImage::from_fn(WIDTH, HEIGHT, |x, y| Rgb(background(x, y).map(dark)));
        picture.save(folder.path().join(name)).unwrap();
    };
    save("B.png", 1.0);
    save("I.png", 0.8);
    let psnr = |rescale: &str| eval(&[&root, "--rescale", rescale])["mean"]["psnr"].as_f64().unwrap();
    let (as_it_is, fitted, authors) = (psnr("no"), psnr("fit"), psnr("1.1"));
    assert!(as_it_is < authors && authors < fitted && fitted > 45.0, "{as_it_is} {authors} {fitted}");
    let (code, text) = failure(&train(&["eval", "--baseline", &root, "--rescale", "0"]));
    assert!(code == Some(2) && text.contains("a factor from 0.1 to 10"), "{text}");
}

#[test]
fn apertures_in_paths_are_lines_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    for place in ["solid/Focus_32/1", "solid/Focus_11/1", "solid/Focus_11/2", "solid/Thick_5/1"] {
        triplet(&folder.path().join(place), ["I.png", "B.png", "R.png"]);
    }
    let csv = folder.path().join("scores.csv").display().to_string();
    let output = train(&["eval", "--baseline", &root, "--csv", &csv]);
    assert!(output.status.success(), "{:?}", failure(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<(&str, &str)> = text
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .map(|words| (words[0], words[4]))
        .collect();
    assert_eq!(lines, [("solid", "4"), ("f/11", "2"), ("f/32", "1")], "{text}");
    let document = eval(&[&root]);
    assert_eq!(document["apertures"]["f/11"]["n"], 2, "{document}");
    let csv = std::fs::read_to_string(csv).unwrap();
    assert!(csv.starts_with("subset,name,profile,rescale,height,width,aperture,ssim"), "{csv}");
    assert!(csv.contains("solid/Focus_32/1,corrn,no,224,288,f/32,"), "{csv}");
}

#[test]
fn gradients_of_the_truth_are_its_own_and_a_reflections_edge_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    triplet(folder.path(), ["I.png", "B.png", "R.png"]);
    let gradients =
        |arguments: &[&str]| eval(&[&[root.as_str(), "--gradients"], arguments].concat())["gradients"].clone();
    let found = gradients(&[]);
    let shares =
        |layer: &str| -> Vec<f64> { found[layer].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect() };
    let (truth, output) = (shares("truth"), shares("output"));
    assert_eq!(truth.len(), 511);
    // The reflection ends in the middle: one difference of -40 more in each row.
    let more: Vec<usize> = (0..511).filter(|i| output[*i] > truth[*i] + 1e-4).collect();
    assert!(more.iter().any(|i| (*i as i32 - 255) < -30), "{more:?}");
    assert!(found["kl_output"].as_f64().unwrap() > 1e-3, "{found}");
    // The background itself in the place of the mixture is at no distance.
    std::fs::copy(folder.path().join("B.png"), folder.path().join("I.png")).unwrap();
    assert_eq!(gradients(&[])["kl_output"], 0.0);
    let text = String::from_utf8(train(&["eval", "--baseline", &root, "--gradients"]).stdout).unwrap();
    assert!(text.ends_with("gradients: divergence from the truth (KL, nats) 0.00000\n"), "{text}");
}

/// Links to folders are followed, what archives of macOS leave beside files is no picture, and pictures that are no pairs of a
/// layout hinder nobody.
#[cfg(unix)]
#[test]
fn trees_as_people_keep_them_are_scored() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    triplet(&folder.path().join("real/scene"), ["I/a.png", "B/a.png", "R/a.png"]);
    std::fs::create_dir_all(path("data/other")).unwrap();
    std::os::unix::fs::symlink(path("real"), path("data/linked")).unwrap();
    std::os::unix::fs::symlink(path("data"), path("data/loop")).unwrap();
    std::os::unix::fs::symlink("nowhere", path("data/gone")).unwrap();
    for note in ["real/scene/I/._a.png", "data/other/z.png", "data/other/z.jpg"] {
        std::fs::write(path(note), "no picture").unwrap();
    }
    assert_eq!(eval(&[&path("data")])["n"], 1);
    let half = std::fs::read(path("real/scene/I/a.png")).unwrap();
    image::load_from_memory(&half).unwrap().save(path("real/scene/I/a.jpg")).unwrap();
    std::fs::remove_file(path("real/scene/I/a.png")).unwrap();
    let jpeg = std::fs::read(path("real/scene/I/a.jpg")).unwrap();
    std::fs::write(path("real/scene/I/a.jpg"), &jpeg[..jpeg.len() / 2]).unwrap();
    let (code, said) = failure(&train(&["eval", "--baseline", &path("data")]));
    assert!(code == Some(2) && said.contains("I/a.jpg: is truncated"), "{said}");
}

#[test]
fn what_cannot_be_written_is_told_before_anything_is_scored() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    triplet(folder.path(), ["I.png", "B.png", "R.png"]);
    for flag in ["--csv", "--page"] {
        let (code, said) = failure(&train(&["eval", "--baseline", &path(""), flag, &path("nowhere/scores")]));
        assert_eq!(code, Some(2));
        assert!(said.contains("nowhere/scores: there is no folder") && said.lines().count() == 1, "{said}");
    }
    let (code, said) = failure(&train(&["eval", "--baseline", &path("I.png")]));
    assert!(code == Some(2) && said.contains("is a file: give a folder"), "{said}");
}
