//! A session in RAW becomes a data set, and its files hold the light that the lens let through.

use std::path::Path;

use manifests::{
    read_log,
    session::{SHOTS_FILE, Shot},
};
use synth::raw::{Linear, decode};
use tests::run;

use crate::{CAPTURE, SYNTH};

fn plan(quality: &str) -> String {
    format!(
        "version: 1
name: raw
camera: {{ quality: {quality} }}
scenes:
  - {{ id: hall, place: indoor, light: bright }}
  - {{ id: shop, place: indoor, light: bright }}
  - {{ id: yard, place: outdoor, light: bright }}
sweeps:
  - {{ subject: background, shutter: [1/500, 1/250, 1/125], f_number: [8] }}
  - {{ subject: reflection, shutter: [1/60, 1/30], f_number: [8] }}
"
    )
}

/// Shoots the plan and gives what was stored.
fn shoot(dir: &Path, quality: &str) -> Vec<Shot> {
    std::fs::write(dir.join("plan.yaml"), plan(quality)).unwrap();
    let at = |name: &str| dir.join(name).display().to_string();
    let arguments = ["run", &at("plan.yaml"), "--session", &at("session"), "--camera", "rehearsal", "--yes"];
    run(CAPTURE, dir, arguments).ok();
    read_log(&dir.join("session").join(SHOTS_FILE)).unwrap().rows
}

/// At half of its size: every cell holds every colour, and nothing is interpolated.
fn linear(dir: &Path, shot: &Shot) -> Linear {
    let file = shot.files.iter().find(|f| f.path.as_str().ends_with(".nef")).unwrap();
    decode(&std::fs::read(file.path.under(&dir.join("session"))).unwrap(), |short, _| short >= 500).unwrap()
}

/// Means over blocks: noise goes, light stays. None where a pixel is saturated or nearly dark.
fn blocks(picture: &Linear, channel: usize) -> Vec<Option<f64>> {
    let mean = |top: usize, left: usize| {
        let values =
            (top..top + 25).flat_map(|y| (left..left + 25).map(move |x| (y * picture.width + x) * 3 + channel));
        let values: Vec<f64> = values.map(|at| f64::from(picture.data[at])).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean > 0.02 && values.iter().all(|v| *v < 0.95)).then_some(mean)
    };
    let rows = (0..picture.height - 24).step_by(25);
    rows.flat_map(|y| (0..picture.width - 24).step_by(25).map(move |x| (y, x))).map(|(y, x)| mean(y, x)).collect()
}

#[test]
fn a_stop_is_a_factor_of_two_in_the_files_and_the_jpeg_shows_the_same_light() {
    let dir = tempfile::tempdir().unwrap();
    let shots = shoot(dir.path(), "nef-jpeg-fine");
    let of = |scene: &str, shutter: &str| {
        let is = |s: &&Shot| s.scene.as_str() == scene && s.requested.shutter.to_string() == shutter;
        shots.iter().find(is).unwrap()
    };
    let (mut stops, mut shown) = (vec![Vec::new(); 3], vec![Vec::new(); 3]);
    for scene in ["hall", "shop", "yard"] {
        let pictures = ["1/500", "1/250", "1/125"].map(|shutter| linear(dir.path(), of(scene, shutter)));
        let developed = developed(dir.path(), of(scene, "1/250"));
        for picture in pictures.iter().chain([&developed]) {
            assert_eq!((picture.height, picture.width, picture.whole), (500, 750, (1000, 1500)));
        }
        for channel in 0..3 {
            let ratios = |a: &Linear, b: &Linear| {
                let pairs = blocks(a, channel).into_iter().zip(blocks(b, channel));
                pairs.filter_map(|(a, b)| Some(b? / a?)).collect::<Vec<f64>>()
            };
            stops[channel].extend(ratios(&pictures[0], &pictures[1]));
            stops[channel].extend(ratios(&pictures[1], &pictures[2]));
            shown[channel].extend(ratios(&developed, &pictures[1]));
        }
    }
    let tenths = |ratios: &mut Vec<f64>| {
        assert!(ratios.len() > 100, "only {} blocks", ratios.len());
        ratios.sort_by(f64::total_cmp);
        [1, 5, 9].map(|tenth| ratios[ratios.len() * tenth / 10])
    };
    for channel in 0..3 {
        let [low, middle, high] = tenths(&mut stops[channel]);
        assert!(low > 1.94 && (1.98..2.02).contains(&middle) && high < 2.06, "{channel}: {low} {middle} {high}");
        let [low, middle, high] = tenths(&mut shown[channel]);
        assert!(low > 0.9 && (0.97..1.03).contains(&middle) && high < 1.1, "{channel}: {low} {middle} {high}");
    }
}

/// The light that a shot's JPEG shows, in cells of 2 x 2, as RAW files are read.
fn developed(dir: &Path, shot: &Shot) -> Linear {
    let jpeg = shot.files.iter().find(|f| f.path.as_str().ends_with(".jpg")).unwrap();
    let jpeg = image::open(jpeg.path.under(&dir.join("session"))).unwrap().to_rgb8();
    let light = |v: u8| {
        let v = f64::from(v) / 255.0;
        (if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }) as f32
    };
    let cell = |y: u32, x: u32, c: usize| {
        let corners = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(i, j)| light(jpeg.get_pixel(2 * x + j, 2 * y + i)[c]));
        corners.iter().sum::<f32>() / 4.0
    };
    let (width, height) = (jpeg.width() / 2, jpeg.height() / 2);
    let data = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
    let data = data.flat_map(|(y, x)| [0, 1, 2].map(|c| cell(y, x, c))).collect();
    let whole = (jpeg.height() as usize, jpeg.width() as usize);
    Linear { height: height as usize, width: width as usize, data, whole }
}

#[test]
fn a_session_in_raw_is_built_verified_and_replayed() {
    let dir = tempfile::tempdir().unwrap();
    shoot(dir.path(), "nef");
    let recipe = "version: 1\nname: raw\nseed: 3\ncount: 24\nmix: {light: srgb}\nsizes: [96x160]\nsplits: {train: 0.34, \
                  validation: 0.33, test: 0.33}\nsources:\n  backgrounds:\n    - {session: session, licence: ours}\n  \
                  reflections:\n    - {session: session, licence: ours}\n";
    std::fs::write(dir.path().join("recipe.yaml"), recipe).unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    run(SYNTH, dir.path(), ["build", &at("recipe.yaml"), "--out", &at("dataset")]).ok();
    let dataset = synth::dataset::open(&dir.path().join("dataset")).unwrap().dataset;
    assert!(dataset.backgrounds.iter().chain(&dataset.reflections).all(|s| s.path.ends_with(".nef")));
    assert_eq!((dataset.backgrounds[0].size.height, dataset.backgrounds[0].size.width), (1000, 1500));
    run(SYNTH, dir.path(), ["verify", &at("dataset")]).ok();
    run(SYNTH, dir.path(), ["replay", &at("dataset"), "7"]).ok();
}
