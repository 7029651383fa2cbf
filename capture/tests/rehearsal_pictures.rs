//! The pictures of the rehearsal camera follow from its settings, as stock gphoto2 makes them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod rehearsal_support;

use capture::rehearsal::{GlassSpec, LayerSpec, Options, SceneFile, SceneSpec, View};
use manifests::{Seed, plan::Subject};
use rehearsal_support::{Linear, Rig, correlation, linear};

/// Ratio of two pictures' light over the pixels that are well exposed in both.
fn ratio(brighter: &Linear, darker: &Linear) -> f64 {
    let good = |i: usize| (0.01..0.8).contains(&darker.rgb[i]) && (0.01..0.8).contains(&brighter.rgb[i]);
    brighter.mean_where(good) / darker.mean_where(good)
}

#[test]
fn exposure_is_stop_exact() {
    let rig = Rig::new();
    rig.hands.set_scene("shelf");
    let base = linear(&rig.shoot("1/100", "f/8", "200"));
    // Doubling the time, doubling the sensitivity, and the inverse square of the f-number.
    for (shutter, f_number, iso, expected) in [
        ("1/50", "f/8", "200", 2.0),
        ("1/100", "f/8", "400", 2.0),
        ("1/100", "f/5.6", "200", (8.0f64 / 5.6).powi(2)),
        ("1/25", "f/16", "200", 1.0),
    ] {
        let found = ratio(&linear(&rig.shoot(shutter, f_number, iso)), &base);
        assert!((found / expected - 1.0).abs() < 0.02, "{shutter} {f_number} ISO {iso}: {found} for {expected}");
    }
}

#[test]
fn a_background_is_well_exposed_where_the_documentation_says() {
    let rig = Rig::new();
    for id in ["desk", "shelf", "street", "garden", "kitchen-7", "gallery"] {
        rig.hands.set_scene(id);
        let picture = linear(&rig.shoot("1/60", "f/8", "400"));
        let mean = picture.mean_where(|_| true);
        let clipped = picture.rgb.iter().filter(|v| **v >= 1.0).count() as f64 / picture.rgb.len() as f64;
        // A grey card is 0.18; pictures average about that, within a stop and a half.
        assert!((0.06..0.5).contains(&mean) && clipped < 0.12, "{id}: mean {mean}, clipped {clipped}");
    }
}

#[test]
fn longer_exposures_have_less_noise() {
    let rig = Rig::new();
    rig.hands.set_scene("desk");
    let noise = |shutter: &str, iso: &str| {
        let (a, b) = (linear(&rig.shoot(shutter, "f/8", iso)), linear(&rig.shoot(shutter, "f/8", iso)));
        assert_ne!(a.rgb, b.rgb, "every picture has its own noise");
        let squares: f64 = a.rgb.iter().zip(&b.rgb).map(|(x, y)| (x - y).powi(2)).sum();
        (squares / a.rgb.len() as f64).sqrt()
    };
    // The same brightness from sixteen times less light.
    let (low, high) = (noise("1/6", "200"), noise("1/100", "3200"));
    assert!(high > 1.5 * low, "{high} at ISO 3200, {low} at ISO 200");
}

#[test]
fn rehearsals_are_reproducible() {
    let shots = [Rig::new(), Rig::new()].map(|rig| {
        rig.hands.set_scene("corner-3");
        image::open(rig.shoot("1/60", "f/5.6", "400")).unwrap().to_rgb8().into_raw()
    });
    assert!(shots[0] == shots[1], "two bodies take different first pictures of one scene");
}

#[test]
fn zooming_magnifies_the_scene() {
    let rig = Rig::new();
    rig.hands.set_scene("shelf");
    let at = |mm: f64| {
        rig.hands.set_focal_length(mm);
        assert_eq!(rig.setting("focallength").parse::<f64>().unwrap(), mm);
        linear(&rig.shoot("1/60", "f/11", "400"))
    };
    let (wide, long) = (at(18.0), at(55.0));
    let whole = long.cells(0.0, 0.0, 1.0, 1.0, 40, 27);
    let half = 18.0 / 55.0 / 2.0;
    let crop = |dx: f64| wide.cells(0.5 + dx - half, 0.5 - half, 0.5 + dx + half, 0.5 + half, 40, 27);
    let matching = correlation(&whole, &crop(0.0));
    assert!(matching > 0.97, "the middle of 18 mm is not what 55 mm sees: {matching}");
    assert!(correlation(&whole, &crop(0.05)) < 0.8, "the comparison would accept any part of the scene");
}

#[test]
fn blur_grows_with_the_aperture_and_with_defocus() {
    let rig = Rig::new();
    rig.hands.set_scene("desk");
    rig.hands.set_subject(Subject::Background);
    rig.hands.set_focal_length(55.0);
    let sharp = linear(&rig.shoot("1/15", "f/5.6", "100")).sharpness();
    let focused = rig.hands.focus();
    rig.hands.set_focus(focused / 3.0);
    // Equal exposure, so that noise does not pass for sharpness.
    let open = linear(&rig.shoot("1/15", "f/5.6", "100")).sharpness();
    let stopped = linear(&rig.shoot("1/4", "f/11", "100")).sharpness();
    let closed = linear(&rig.shoot("1", "f/22", "100")).sharpness();
    assert!(open < 0.7 * stopped && stopped < 0.8 * closed && closed < sharp, "{open} {stopped} {closed} {sharp}");
}

#[test]
fn glass_and_paper_make_what_the_mixing_model_says() {
    let scene = SceneSpec {
        id: "set".parse().unwrap(),
        seed: Seed(11),
        background: LayerSpec { view: View::Shelf, distance_m: 2.0, luminance: 150.0 },
        reflection: LayerSpec { view: View::Garden, distance_m: 3.0, luminance: 900.0 },
        glass: GlassSpec::default(),
    };
    let through = scene.glass.transmittance();
    let file = SceneFile { version: 1, scenes: vec![scene] };
    let rig = Rig::with(Options { scene: file, ..Options::default() });
    rig.hands.set_scene("set");
    let shoot = |subject| {
        rig.hands.set_subject(subject);
        linear(&rig.shoot("1/60", "f/8", "400"))
    };
    let background = shoot(Subject::Background);
    let reflection = shoot(Subject::Reflection);
    let mixture = shoot(Subject::Mixture);
    let cells = |p: &Linear| p.cells(0.0, 0.0, 1.0, 1.0, 30, 20);
    let (b, r, i) = (cells(&background), cells(&reflection), cells(&mixture));
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    assert!(mean(&r) > 0.02 && mean(&r) < mean(&b), "reflection {}, background {}", mean(&r), mean(&b));
    for k in 0..b.len() {
        let expected = through * b[k] + r[k];
        // The paper itself gives the reflection picture a trace of light; the rest is clipping and rounding.
        assert!((i[k] - expected).abs() < 0.012 + 0.02 * expected, "cell {k}: {} for {expected}", i[k]);
    }
    assert!(correlation(&b, &r).abs() < 0.5, "the reflection resembles the background");
}

#[test]
fn exif_agrees_with_the_settings() {
    let rig = Rig::new();
    for (shutter, f_number, iso, mm) in
        [("1/125", 8.0, 800u32, 35.0), ("13/10", 11.0, 100, 24.0), ("10/30", 5.6, 6400, 55.0)]
    {
        rig.hands.set_focal_length(mm);
        let path = rig.shoot(shutter, &format!("f/{f_number}"), &iso.to_string());
        let mut reader = std::io::BufReader::new(std::fs::File::open(path).unwrap());
        let tags = exif::Reader::new().read_from_container(&mut reader).unwrap();
        let field = |tag| tags.get_field(tag, exif::In::PRIMARY).unwrap_or_else(|| panic!("no {tag}"));
        let number = |tag| match &field(tag).value {
            exif::Value::Rational(v) => v[0].to_f64(),
            other => f64::from(other.get_uint(0).unwrap()),
        };
        let seconds: manifests::Shutter = shutter.parse().unwrap();
        assert!((number(exif::Tag::ExposureTime) / seconds.seconds() - 1.0).abs() < 1e-3);
        assert_eq!(number(exif::Tag::FNumber), f_number);
        assert_eq!(number(exif::Tag::PhotographicSensitivity) as u32, iso);
        assert_eq!(number(exif::Tag::FocalLength), mm);
        assert_eq!(field(exif::Tag::Model).display_value().to_string(), "\"NIKON D5300\"");
        assert_eq!(field(exif::Tag::Make).display_value().to_string(), "\"NIKON CORPORATION\"");
        assert_eq!(number(exif::Tag::PixelXDimension) as u32, 1500);
        assert!(field(exif::Tag::SubSecTimeOriginal).display_value().to_string().len() >= 2);
        assert!(field(exif::Tag::DateTimeOriginal).display_value().to_string().starts_with("20"));
    }
}
