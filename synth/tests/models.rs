//! Every preset and model: I = B + R, replay, and what the numbers drawn do to pixels.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::{Bench, SMALL, done};

const PRESETS: [&str; 8] = ["corrn-paper", "corrn-released", "sir2-fit", "ceilnet", "errnet", "bdn", "zhang", "dsrnet"];

/// What no preset has, all at once, in light.
const OPTICS: &str = "mix:\n  light: srgb\n  defocus_radius: [1, 4]\n  zoom: [1, 2]\n  flip_vertical: 0.5\n  ghost: \
                      {thickness_mm: [3, 10], angle_degrees: [20, 60], field_width_mm: [90, 110], absorption_per_m: \
                      [4, 32]}\nunscaled: true";

#[test]
fn every_preset_adds_up_and_replays() {
    let recipes = PRESETS.iter().map(|p| format!("preset: {p}")).chain([OPTICS.to_owned()]);
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
