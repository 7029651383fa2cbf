//! Every preset and model: I = B + R, replay, and what the numbers drawn do to pixels.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::{Bench, SMALL, done, told};

const PRESETS: [&str; 8] = ["corrn-paper", "corrn-released", "sir2-fit", "ceilnet", "errnet", "bdn", "zhang", "dsrnet"];

/// What no preset has, all at once, in light.
const OPTICS: &str = "mix:\n  light: srgb\n  defocus_radius: [1, 4]\n  zoom: [1, 2]\n  flip_vertical: 0.5\n  ghost: \
                      {thickness_mm: [3, 10], angle_degrees: [20, 60], field_width_mm: [90, 110], absorption_per_m: \
                      [4, 32]}\nunscaled: true";

/// A lens, a sheet of glass whose reflectance differs over the picture, a mask and a camera's own curve.
const PHYSICAL: &str = "preset: ceilnet\nmix:\n  light: camera\n  camera_curve: [[0, 0], [0.25, 0.04], [0.5, 0.18], [0.75, 0.5], [1, 1]]\n  \
                        aperture: {f_number: [2.8, 11], focal_length_mm: [18, 55], focus_m: [1, 3], reflected_m: [0.8, 10], \
                        kernel: KERNEL}\n  ghost: {thickness_mm: [3, 10], angle_degrees: [20, 45], field_width_mm: [400, 900], \
                        absorption_per_m: [4, 32], fresnel: {view_degrees: [30, 60]}}\n  attenuation: {least: [0.3, 0.9]}";

#[test]
fn every_preset_adds_up_and_replays() {
    let kernels = ["disc", "gaussian"].map(|kernel| PHYSICAL.replace("KERNEL", kernel));
    // Layers beyond white, of which a screen would otherwise fall.
    let beyond = ["exposure_ev: [1, 1]", "alpha: [1.5, 1.5], beta: [1.5, 1.5]"]
        .map(|mix| format!("preset: dsrnet\nmix: {{{mix}}}"));
    let compressed = "preset: zhang\nmix: {jpeg_quality: [30, 95]}".to_owned();
    let more = [OPTICS.to_owned(), compressed].into_iter().chain(kernels).chain(beyond);
    let recipes = PRESETS.iter().map(|p| format!("preset: {p}")).chain(more);
    for more in recipes {
        let bench = Bench::new(16, &format!("{SMALL}\n{more}"));
        done(bench.build("out", &[]));
        // verify compares every subpixel of I with B + R.
        let said = done(bench.run(&["verify", "out"]));
        assert!(said.contains("16 samples, 0 with faults"), "{more}: {said}");
        for i in ["0", "7", "15"] {
            done(bench.run(&["replay", "out", i]));
        }
    }
}

#[test]
fn draws_stay_in_their_ranges_and_fill_them() {
    let bench = Bench::new(1, SMALL);
    let mixer = synth::Mixer::open(&bench.path("recipe.yaml")).unwrap();
    let drawn: Vec<_> = (0..4000).map(|i| mixer.draw(i).1).collect();
    let range = |of: fn(&manifests::dataset::Drawn) -> f64| {
        let values: Vec<f64> = drawn.iter().map(of).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (values.iter().copied().fold(f64::MAX, f64::min), mean, values.iter().copied().fold(f64::MIN, f64::max))
    };
    // Uniform: the mean of 4000 lies within 5 standard errors.
    let (low, mean, high) = range(|d| d.alpha);
    assert!((0.8..0.801).contains(&low) && (0.999..=1.0).contains(&high) && (mean - 0.9).abs() < 0.005);
    let (low, mean, high) = range(|d| d.beta);
    assert!((0.1..0.101).contains(&low) && (0.499..=0.5).contains(&high) && (mean - 0.3).abs() < 0.01);
    for turns in 0..4 {
        let n = drawn.iter().filter(|d| d.quarter_turns == turns).count();
        assert!(n.abs_diff(1000) < 140, "{n} of 4000 turned by {turns} quarters");
    }
    let flips = drawn.iter().filter(|d| d.flip).count();
    assert!(flips.abs_diff(2000) < 160, "{flips} of 4000 flipped");
    // The two weights are independent: their correlation is that of chance.
    let r: f64 = drawn.iter().map(|d| (d.alpha - 0.9) / 0.0577 * (d.beta - 0.3) / 0.1155).sum::<f64>() / 4000.0;
    assert!(r.abs() < 0.08, "{r}");
}

/// The radius of a sample's disc is that of the lens drawn for it; a wider aperture blurs more, and a preset's own blur is
/// replaced.
#[test]
fn the_aperture_drives_the_defocus() {
    let bench = Bench::new(60, &format!("{SMALL}\n{}", PHYSICAL.replace("KERNEL", "disc")));
    let mixer = synth::Mixer::open(&bench.path("recipe.yaml")).unwrap();
    let mut radii = Vec::new();
    for i in 0..60 {
        let drawn = mixer.sample(i).unwrap().drawn;
        let lens = drawn.aperture.unwrap();
        let pupil_mm = lens.focal_length_mm / lens.f_number;
        // The image of what is in focus lies this far behind the lens; the other's cone is cut there.
        let image = |metres: f64| 1.0 / (1.0 / lens.focal_length_mm - 1.0 / (metres * 1000.0));
        let (sharp, blurred) = (image(lens.focus_m), image(lens.reflected_m));
        let disc_mm = pupil_mm * (sharp - blurred).abs() / blurred;
        let long_side = [64.0, 48.0][drawn.size as usize];
        assert!((drawn.defocus_radius - disc_mm / 2.0 / 23.5 * long_side).abs() < 1e-9, "{drawn:?}");
        assert_eq!(drawn.blur_sigma, 0.0);
        radii.push(drawn.defocus_radius);
    }
    assert!(radii.iter().any(|r| *r > 0.5), "{radii:?}");
    done(bench.build("out", &[]));
    let stats: serde_json::Value = serde_json::from_str(&done(bench.run(&["stats", "out", "--json"]))).unwrap();
    let lens = stats["numbers"].as_array().unwrap().iter().find(|n| n["name"] == "f_number").unwrap();
    assert_eq!(lens["asked"], serde_json::json!([2.8, 11.0]));
    let median = lens["quantiles"][1].as_f64().unwrap();
    assert!((5.0..9.0).contains(&median), "{median}");
}

/// A mask takes nothing off where its least value is 1, and never adds.
#[test]
fn a_mask_only_takes_light_off_the_reflection() {
    let pictures = |least: &str| {
        let mix = format!("mix: {{rotate: false, flip: 0, attenuation: {{least: [{least}, {least}], cells: 2}}}}");
        let bench = Bench::new(6, &format!("{SMALL}\n{mix}"));
        let mixer = synth::Mixer::open(&bench.path("recipe.yaml")).unwrap();
        (0..6).map(|i| mixer.sample(i).unwrap()).collect::<Vec<_>>()
    };
    for (whole, masked) in pictures("1").iter().zip(&pictures("0.2")) {
        assert_eq!(whole.background, masked.background);
        let pairs = || whole.reflection.data.iter().zip(&masked.reflection.data);
        assert!(pairs().all(|(w, m)| m <= w && f64::from(*m) >= 0.2 * f64::from(*w) - 1.0));
        assert!(pairs().any(|(w, m)| f64::from(*m) < 0.9 * f64::from(*w) - 1.0));
    }
}

#[test]
fn unscaled_layers_are_the_photographs_and_weights_lead_from_one_to_the_other() {
    let bench = Bench::new(20, &format!("{SMALL}\nunscaled: true"));
    let mixer = synth::Mixer::open(&bench.path("recipe.yaml")).unwrap();
    for i in 0..20 {
        let sample = mixer.sample(i).unwrap();
        let [background, reflection] = sample.unscaled.as_ref().unwrap();
        for (layer, whole, weight) in
            [(&sample.background, background, sample.drawn.alpha), (&sample.reflection, reflection, sample.drawn.beta)]
        {
            for (scaled, value) in layer.data.iter().zip(&whole.data) {
                assert!((f64::from(*scaled) - f64::from(*value) * weight).abs() <= 0.5 + 1e-9);
            }
        }
    }
}

/// What CoRRN's released generator makes: its size, linked weights, layers before weights, and a mixture that was a JPEG.
#[test]
fn the_released_generator_compresses_the_mixture_alone() {
    let bench = Bench::new(12, "preset: corrn-released\nsplits: {train: 1, validation: 0, test: 0}");
    done(bench.build("out", &[]));
    let reader = synth::dataset::open(&bench.path("out")).unwrap();
    let recipe = &reader.dataset.recipe;
    assert_eq!((recipe.sizes().len(), recipe.sizes()[0].to_string().as_str()), (1, "96x128"));
    let read = |path: &std::path::Path| image::open(path).unwrap().into_rgb8().into_raw();
    for (i, line) in reader.samples.iter().enumerate() {
        assert_eq!(line.drawn.jpeg_quality, Some(75));
        let paths = reader.paths(i);
        let (mixture, background, reflection) =
            (read(&paths.mixture), read(&paths.background), read(&paths.reflection));
        let layers = background.iter().zip(&reflection);
        let errors: Vec<f64> =
            mixture.iter().zip(layers).map(|(i, (b, r))| f64::from(*i) - f64::from(b.saturating_add(*r))).collect();
        let rms = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
        assert!((0.5..25.0).contains(&rms), "{rms}");
        let [whole, _] = paths.unscaled.unwrap().map(|path| read(&path));
        let weighted = |(b, w): (&u8, &u8)| (f64::from(*b) - f64::from(*w) * line.drawn.alpha).abs() <= 0.5 + 1e-6;
        assert!(background.iter().zip(&whole).all(weighted));
    }
    for i in ["0", "11"] {
        done(bench.run(&["replay", "out", i]));
    }
    // A mixture that is no longer what compression made of its layers is found.
    let (path, line) = (reader.paths(3).mixture, &reader.samples[3]);
    let mut other = image::open(&path).unwrap().into_rgb8();
    other.put_pixel(5, 5, image::Rgb([1, 2, 3]));
    other.save(&path).unwrap();
    let hash = manifests::Digest::of(&std::fs::read(&path).unwrap()).to_string();
    let log = std::fs::read_to_string(bench.path("out/samples.jsonl")).unwrap();
    std::fs::write(bench.path("out/samples.jsonl"), log.replace(&line.mixture.blake3.to_string(), &hash)).unwrap();
    let (code, said) = told(&bench.run(&["verify", "out"]));
    assert!(code == 1 && said.contains("sample 3: the mixture is"), "{code} {said}");
}

#[test]
fn linked_pairs_stay_linked() {
    let bench = Bench::new(1, &format!("{SMALL}\npreset: corrn-released"));
    let mixer = synth::Mixer::open(&bench.path("recipe.yaml")).unwrap();
    let mut seen = std::collections::BTreeMap::new();
    for i in 0..300 {
        let drawn = mixer.draw(i).1;
        *seen.entry(format!("{} {}", drawn.alpha, drawn.beta)).or_insert(0) += 1;
    }
    assert_eq!(seen.keys().collect::<Vec<_>>(), ["0.7 0.9", "0.8 0.7", "0.9 0.8"]);
    assert!(seen.values().all(|n| (60..140).contains(n)), "{seen:?}");
}

/// Pinned as `determinism.rs` pins plain mixtures: optics, noise, windows and compression give the same bytes until
/// [`synth::ARITHMETIC`] goes up.
#[test]
fn every_model_is_pinned() {
    let kernels = ["disc", "gaussian"].map(|kernel| PHYSICAL.replace("KERNEL", kernel));
    let noise =
        "mix: {light: srgb, noise: {gain: [0.001, 0.002], read: [0.01, 0.02]}, exposure_ev: [-1, 1], clipping: scale}";
    let more = [OPTICS.to_owned(), noise.to_owned()].into_iter().chain(kernels);
    let mut hasher = blake3::Hasher::new();
    for more in PRESETS.iter().map(|p| format!("preset: {p}")).chain(more) {
        let bench = Bench::new(6, &format!("{SMALL}\n{more}"));
        let mixer = synth::Mixer::open(&bench.path("recipe.yaml")).unwrap();
        for i in 0..6 {
            let sample = mixer.sample(i).unwrap();
            [sample.mixture, sample.background, sample.reflection].iter().for_each(|p| _ = hasher.update(&p.data));
        }
    }
    assert_eq!(hasher.finalize().to_hex().as_str(), "a6eab24f3f3d61e35dad11a9e5f933f98f9357516ba7606b8598889e83973843");
}
