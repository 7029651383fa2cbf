//! Statistics beside real pairs, and checks of data sets that someone else made.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use image::RgbImage;
use support::{Bench, SMALL, done, picture, told};

/// Structure that resizing by two keeps apart: smooth waves, other ones for each `n`.
fn smooth(n: u32, width: u32, height: u32) -> RgbImage {
    let wave = |x: u32, y: u32, k: f64| {
        let (u, v) = (f64::from(x) / f64::from(width), f64::from(y) / f64::from(height));
        let phase = k * (u * f64::from(n % 7 + 2) + v * f64::from(n % 5 + 1)) + f64::from(n);
        (110.0 + 60.0 * phase.sin() + 30.0 * (phase * 0.7 + v * 4.0).cos()) as u8
    };
    RgbImage::from_fn(width, height, |x, y| image::Rgb([1.0, 1.3, 0.8].map(|k| wave(x, y, k))))
}

/// alpha B + beta R, rounded.
fn mixed(b: &RgbImage, r: &RgbImage, alpha: f64, beta: f64) -> RgbImage {
    let values = b.iter().zip(r.iter()).map(|(b, r)| (f64::from(*b) * alpha + f64::from(*r) * beta).round());
    RgbImage::from_raw(b.width(), b.height(), values.map(|v| v.min(255.0) as u8).collect()).unwrap()
}

fn stats(bench: &Bench, more: &[&str]) -> serde_json::Value {
    let said = done(bench.run(&[&["stats", "out", "--json"], more].concat()));
    serde_json::from_str(said.lines().find(|l| l.starts_with('{')).unwrap()).unwrap()
}

#[test]
fn real_pairs_give_their_weights_and_the_distance_of_their_gradients() {
    let bench = Bench::new(30, SMALL);
    done(bench.build("out", &[]));
    for (letters, layers) in
        [("real", ["blended", "transmission_layer", "reflection_layer"]), ("short", ["I", "B", "R"])]
    {
        for layer in layers {
            std::fs::create_dir_all(bench.path(letters).join(layer)).unwrap();
        }
        for n in 0..4 {
            let (b, r) = (smooth(n, 160, 120), smooth(n + 30, 160, 120));
            let weights = [(0.9, 0.2), (0.9, 0.3), (0.7, 0.4), (0.7, 0.5)][n as usize];
            for (layer, shown) in layers.iter().zip([&mixed(&b, &r, weights.0, weights.1), &b, &r]) {
                shown.save(bench.path(letters).join(layer).join(format!("{n}.png"))).unwrap();
            }
        }
    }
    let with = stats(&bench, &["--real", "real"]);
    assert_eq!(with["real"]["pairs"], 4);
    let number = |name: &str| with["real"]["numbers"].as_array().unwrap().iter().find(|n| n["name"] == name).unwrap();
    for (name, [low, mean, high]) in [("alpha", [0.7, 0.8, 0.9]), ("beta", [0.2, 0.35, 0.5])] {
        for (key, expected) in [("min", low), ("mean", mean), ("max", high)] {
            let found = number(name)[key].as_f64().unwrap();
            assert!((found - expected).abs() < 0.01, "{name} {key}: {found}");
        }
    }
    assert_eq!(with, stats(&bench, &["--real", "short"]));
    // The distance of two distributions is at least that of their means.
    for (own, real) in with["gradients"].as_array().unwrap().iter().zip(with["real"]["gradients"].as_array().unwrap()) {
        let (mean, other) = (own["mean"].as_f64().unwrap(), real["mean"].as_f64().unwrap());
        assert!(own["layer"] == real["layer"] && own["pictures"] == 30 && real["pictures"] == 4, "{own} {real}");
        let distance = own["from_real"].as_f64().unwrap();
        assert!(distance > 0.0 && distance >= (mean - other).abs() - 1e-9, "{own} {real}");
    }
    // A data set beside itself: the same gradients, at no distance; and fewer samples are about as good.
    let own = stats(&bench, &["--real", "out"]);
    assert!(own["gradients"][0]["pictures"] == 30 && own["real"]["pairs"] == 30);
    let few = stats(&bench, &["--pictures", "7"]);
    assert!(few["gradients"][0]["pictures"] == 7 && few["real"].is_null());
    assert_eq!(stats(&bench, &["--pictures", "0"])["gradients"], serde_json::json!([]));
    let text = done(bench.run(&["stats", "out", "--real", "real"]));
    assert!(text.contains("4 real pairs") && text.contains("real pairs are "), "{text}");
}

#[test]
fn folders_without_real_pairs_are_told() {
    let bench = Bench::new(4, SMALL);
    done(bench.build("out", &[]));
    let refused = |clause: &str| {
        let (code, said) = told(&bench.run(&["stats", "out", "--real", "real"]));
        assert!(code == 2 && said.contains(clause) && said.lines().count() == 1, "{code} {said}");
    };
    refused("real: holds no real pairs");
    for layer in ["I", "B"] {
        std::fs::create_dir_all(bench.path("real").join(layer)).unwrap();
    }
    picture(1, 40, 30).save(bench.path("real/I/1.png")).unwrap();
    picture(1, 40, 30).save(bench.path("real/B/2.png")).unwrap();
    refused("real/I: no picture here has one of its name in real/B");
    std::fs::write(bench.path("real/B/1.png"), b"").unwrap();
    let (code, said) = told(&bench.run(&["stats", "out", "--real", "real"]));
    assert!(code == 2 && said.contains("real/B/1.png: is empty (0 bytes)"), "{said}");
}

#[test]
fn anyones_data_set_is_checked_for_pictures_in_two_splits() {
    let bench = Bench::new(4, SMALL);
    for (split, first) in [("train", 0), ("test", 20)] {
        for layer in ["blended", "transmission_layer"] {
            std::fs::create_dir_all(bench.path("theirs").join(split).join(layer)).unwrap();
        }
        for n in first..first + 6 {
            let b = smooth(n, 160, 120);
            let folder = bench.path("theirs").join(split);
            // Within a split one background may be used often.
            b.save(folder.join(format!("transmission_layer/{n}.png"))).unwrap();
            b.save(folder.join(format!("transmission_layer/{n}-again.png"))).unwrap();
            mixed(&b, &smooth(n + 50, 160, 120), 0.8, 0.5).save(folder.join(format!("blended/{n}.png"))).unwrap();
        }
    }
    let said = done(bench.run(&["check", "theirs"]));
    assert!(said.contains("theirs: 36 pictures, 0 leaks between splits"), "{said}");
    // Smaller and with JPEG's loss, under another name.
    smooth(3, 80, 60).save(bench.path("theirs/test/transmission_layer/new.jpg")).unwrap();
    let (code, said) = told(&bench.run(&["check", "theirs"]));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("new.jpg (test)") && said.contains("transmission_layer/3.png (train)"), "{said}");
    let (code, said) = told(&bench.run(&["check", "theirs/test/blended"]));
    assert!(code == 2 && said.contains("each split needs a folder here"), "{said}");
    std::fs::write(bench.path("theirs/test/blended/20.png"), b"rubbish").unwrap();
    let (code, said) = told(&bench.run(&["check", "theirs"]));
    assert!(
        code == 2 && said.contains("test/blended/20.png: is no JPEG, PNG, TIFF, WebP, NEF or DNG picture"),
        "{said}"
    );
}

/// In a pipe: what is done of how much, the rate and the time left, in lines of their own.
#[test]
fn long_work_tells_its_rate_and_the_time_left() {
    use std::{io::BufRead, process::Stdio};
    let bench = Bench::new(1_000_000, "sizes: [480x640]\nsplits: {train: 1, validation: 0, test: 0}");
    let mut command = bench.command("out", &["--threads", "1"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = said.find(|line| line.starts_with("mixing: ")).unwrap();
    let number = |after: &str, end: &str| -> f64 {
        let rest = &line[line.find(after).unwrap() + after.len()..];
        rest[..rest.find(end).unwrap()].parse().unwrap()
    };
    let (done, rate, left) =
        (number("mixing: ", " of 1000000, "), number("1000000, ", "/s, "), number("/s, ", " s left"));
    assert!(done >= 1.0 && done / rate > 4.0, "{line}");
    // The rate is told to a tenth.
    assert!((left * rate / (1_000_000.0 - done) - 1.0).abs() < 0.06 / rate + 0.01, "{line}");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    let last = said.last().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert!(last.contains("stopped with") && last.contains("goes on from there"), "{last}");
}

/// Files that are too plain to be compared are known by their bytes; and of many copies the first thousand pairs are told, the
/// others counted.
#[test]
fn equal_files_in_two_splits_are_found_however_plain_and_many() {
    let bench = Bench::new(4, SMALL);
    let dark = RgbImage::from_fn(60, 40, |x, _| image::Rgb([3, 3, (x % 4) as u8]));
    for split in ["train", "test"] {
        std::fs::create_dir_all(bench.path("theirs").join(split)).unwrap();
        smooth(if split == "train" { 1 } else { 9 }, 60, 40)
            .save(bench.path("theirs").join(split).join("own.png"))
            .unwrap();
        dark.save(bench.path("theirs").join(split).join("dark.png")).unwrap();
    }
    let (code, said) = told(&bench.run(&["check", "theirs"]));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("are the same file") && said.contains("4 pictures, 1 leaks"), "{said}");
    let theirs = |split: &str, i: u32| bench.path("theirs").join(split).join(format!("{i}.png"));
    for i in 0..40 {
        // Each its own bytes, and one picture.
        for (split, blue) in [("train", 0), ("test", 1)] {
            let mut copy = smooth(3, 60, 40);
            copy.put_pixel(i, 0, image::Rgb([10, 10, blue]));
            copy.save(theirs(split, i)).unwrap();
        }
    }
    let (code, said) = told(&bench.run(&["check", "theirs", "--json"]));
    let report: serde_json::Value = serde_json::from_str(said.lines().find(|l| l.starts_with('{')).unwrap()).unwrap();
    assert_eq!((code, report["leaking"].as_u64()), (1, Some(1 + 40 * 40)));
    assert_eq!(report["leaks"].as_array().unwrap().len(), 1000);
}
