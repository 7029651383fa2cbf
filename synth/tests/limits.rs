//! Limits of samples' figures, exposure, noise and what becomes of values above white.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::{Bench, SMALL, done, told, tree};

#[test]
fn numbers_that_break_a_limit_are_drawn_anew_and_counted() {
    let limits = "limits: {clipped: 0.01, effective_beta: [0.2, 0.35], contrast: 0.01, redraws: 3}";
    let bench = Bench::new(60, &format!("{SMALL}\n{limits}"));
    let said = done(bench.build("out", &["--threads", "3"]));
    let reader = synth::dataset::open(&bench.path("out")).unwrap();
    let (mut redrawn, mut rejected) = (0, 0);
    let mixer = synth::Mixer::open(&bench.path("recipe.yaml")).unwrap();
    for sample in &reader.samples {
        if sample.rejected == 0 {
            assert_eq!(mixer.outline(sample.index).1, sample.size, "other numbers of the same size: {sample:?}");
        }
        let quality = sample.quality.unwrap();
        assert!(sample.clipped <= 0.01 && quality.contrast >= 0.01, "{sample:?}");
        assert!((0.2..=0.35).contains(&quality.effective_beta), "{sample:?}");
        // Without optics the weight that is found is the one that was drawn, up to rounding.
        assert!((quality.effective_beta - sample.drawn.beta).abs() < 0.01, "{sample:?}");
        assert!(sample.redrawn <= 3 * (sample.rejected + 1));
        redrawn += sample.redrawn;
        rejected += sample.rejected;
    }
    // Beta is drawn from [0.1, 0.5]: most first draws are outside.
    assert!(redrawn > 40 && rejected > 0, "{redrawn} {rejected}");
    assert!(
        said.contains(&format!("limits: {redrawn} draws repeated, {rejected} pairs of photographs rejected")),
        "{said}"
    );
    let stats: serde_json::Value = serde_json::from_str(&done(bench.run(&["stats", "out", "--json"]))).unwrap();
    assert_eq!((stats["redrawn"].as_u64(), stats["rejected"].as_u64()), (Some(redrawn.into()), Some(rejected.into())));
    done(bench.run(&["verify", "out"]));
    for i in ["0", "31", "59"] {
        done(bench.run(&["replay", "out", i]));
    }
    done(bench.build("again", &["--threads", "1"]));
    assert_eq!(tree(&bench.path("out")), tree(&bench.path("again")));
    // Counted again, not made again.
    assert!(done(bench.build("out", &[])).contains(&format!("limits: {redrawn} draws repeated")));
}

#[test]
fn limits_that_nothing_keeps_are_told_and_leave_what_is_done() {
    let bench = Bench::new(4, &format!("{SMALL}\nlimits: {{effective_beta: [0.9, 1], redraws: 0}}"));
    let (code, said) = told(&bench.build("out", &["--threads", "1"]));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("sample 0: none of 100 pairs") && said.contains("outside [0.9, 1]"), "{said}");
    for (limits, clause) in [("{}", "limits none of"), ("{contrast: 0.1, redraws: 101}", "must be at most 100")] {
        bench.recipe(4, &format!("limits: {limits}"));
        let (code, said) = told(&bench.build("new", &[]));
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(clause), "{said}");
    }
}

#[test]
fn fitted_samples_never_clip_and_keep_their_proportions() {
    let mix = "mix: {alpha: [1, 1], beta: [1, 1], exposure_ev: [0.5, 1], clipping: scale}";
    let bench = Bench::new(12, &format!("{SMALL}\n{mix}"));
    done(bench.build("out", &[]));
    let reader = synth::dataset::open(&bench.path("out")).unwrap();
    for (i, sample) in reader.samples.iter().enumerate() {
        assert_eq!(sample.clipped, 0.0);
        assert!((0.5..=1.0).contains(&sample.drawn.exposure_ev));
        let brightest = image::open(reader.paths(i).mixture).unwrap().into_rgb8().into_raw().into_iter().max();
        // Two stops of light on photographs brighter than a quarter reach white.
        assert!((250..=255).contains(&brightest.unwrap()), "{brightest:?}");
    }
    done(bench.run(&["verify", "out"]));
    done(bench.run(&["replay", "out", "5"]));
}

#[test]
fn noise_is_in_the_layers_and_the_sum_still_holds() {
    let plain = "mix: {light: srgb, rotate: false, flip: 0, clipping: scale, beta: [0.3, 0.3], alpha: [0.5, 0.5]";
    let bench = Bench::new(8, &format!("{SMALL}\n{plain}}}"));
    done(bench.build("clean", &[]));
    bench.recipe(8, &format!("{SMALL}\n{plain}, noise: {{gain: [0.001, 0.001], read: [0.01, 0.01]}}}}"));
    done(bench.build("noisy", &[]));
    // verify compares every subpixel of I with B + R.
    assert!(done(bench.run(&["verify", "noisy"])).contains("0 with faults"));
    done(bench.run(&["replay", "noisy", "3"]));
    let pixels = |folder: &str, i: usize| {
        let reader = synth::dataset::open(&bench.path(folder)).unwrap();
        image::open(reader.paths(i).background).unwrap().into_rgb8().into_raw()
    };
    for i in 0..8 {
        let (clean, noisy) = (pixels("clean", i), pixels("noisy", i));
        let error: f64 = clean.iter().zip(&noisy).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
        let deviation = (error / clean.len() as f64).sqrt();
        assert!((1.0..12.0).contains(&deviation), "{deviation} levels");
    }
}

/// Numbers that are drawn anew are those of the sample's size: the lens blurs a small sample by fewer pixels.
#[test]
fn a_lens_that_is_drawn_anew_blurs_the_sample_that_there_is() {
    let lens = "{f_number: [2.8, 11], focal_length_mm: [18, 55], focus_m: [1, 3], reflected_m: [0.8, 10]}";
    let limits = "limits: {effective_beta: [0.2, 0.3], redraws: 5}";
    let bench = Bench::new(40, &format!("sizes: [96x160, 32x32]\nmix: {{aperture: {lens}}}\n{limits}"));
    let mixer = synth::Mixer::open(&bench.path("recipe.yaml")).unwrap();
    let mut anew = 0;
    for i in 0..40 {
        let sample = mixer.sample(i).unwrap();
        let (drawn, lens) = (&sample.drawn, sample.drawn.aperture.unwrap());
        let image = |metres: f64| 1.0 / (1.0 / lens.focal_length_mm - 1.0 / (metres * 1000.0));
        let (sharp, blurred) = (image(lens.focus_m), image(lens.reflected_m));
        let disc_mm = lens.focal_length_mm / lens.f_number * (sharp - blurred).abs() / blurred;
        let long_side = f64::from(sample.mixture.size().height.max(sample.mixture.size().width));
        assert!((drawn.defocus_radius - disc_mm / 2.0 / 23.5 * long_side).abs() < 1e-9, "{drawn:?}");
        anew += u32::from(sample.redrawn + sample.rejected > 0);
    }
    assert!(anew > 10, "{anew}");
}

/// Layers beyond white are cut, and count as clipped, whether they add in display values or in light.
#[test]
fn what_a_weight_cuts_at_white_counts_as_clipped() {
    let clipped = |light: &str| {
        let mix = format!("mix: {{alpha: [2, 2], beta: [0, 0], light: {light}}}");
        let bench = Bench::new(6, &format!("{SMALL}\n{mix}"));
        done(bench.build("out", &[]));
        assert!(done(bench.run(&["verify", "out"])).contains("0 with faults"));
        let reader = synth::dataset::open(&bench.path("out")).unwrap();
        for (i, sample) in reader.samples.iter().enumerate() {
            let pixels = image::open(reader.paths(i).background).unwrap().into_rgb8().into_raw();
            let white = pixels.iter().filter(|v| **v == 255).count() as f64 / pixels.len() as f64;
            assert!(sample.clipped > 0.0 && sample.clipped <= white, "{light}: {} of {white}", sample.clipped);
        }
        reader.samples
    };
    let plain = clipped("display");
    assert!(plain.iter().zip(clipped("gamma22")).any(|(a, b)| a.clipped != b.clipped));
}

/// Draws that no limit ends are ended by whoever asks.
#[test]
fn a_stop_is_heeded_between_the_draws_of_one_sample() {
    use rustix::process::{Pid, Signal, kill_process};
    let limits = "mix: {defocus_radius: [20, 20]}\nlimits: {effective_beta: [0.9, 1], redraws: 100}";
    let bench = Bench::new(4, &format!("sizes: [448x576]\n{limits}"));
    let mut child = bench.command("out", &[]).stderr(std::process::Stdio::null()).spawn().unwrap();
    while !bench.path("out/samples.jsonl").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
}
