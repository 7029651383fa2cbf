//! The program on a GPU, as a process, beside itself on the CPU: fitting, going on, scoring, applying.
#![cfg(feature = "cuda")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod fitted;
#[expect(dead_code, reason = "shared with the tests of fit")]
mod support;

use std::path::Path;

use fitted::{Fixture, apart, gpu};
use support::{failure, train};

/// Holds the losses of a run on the GPU to those on the CPU: the first record within `first`, all within `all`.
fn as_on_the_cpu(more: &[&str], first: f64, all: f64) {
    if !gpu() {
        return;
    }
    let f = Fixture::new(3, 8, 32);
    f.fit("cpu", "cpu", more);
    f.fit("gpu", "cuda:0", more);
    let (found, expected) = (f.losses("gpu"), f.losses("cpu"));
    println!("{more:?}: {found:?} beside {expected:?}");
    assert!(apart(&found[..1], &expected[..1]) < first, "{found:?} beside {expected:?}");
    assert!(apart(&found, &expected) < all, "{found:?} beside {expected:?}");
}

/// Rounding grows from step to step: Adam's first ones divide by what is nearly nothing. On the CPU a difference of 1e-7 in the
/// pictures is one of 5e-5 in the first record, of 2e-3 in the second, and of 4e-3 at most in 12 steps.
#[test]
fn losses_are_those_of_the_cpu() {
    as_on_the_cpu(&[], 1e-3, 0.05);
}

/// With images channels last, which the CPU's are not.
#[test]
fn losses_in_bf16_are_those_of_the_cpu() {
    as_on_the_cpu(&["--set", "precision=bf16"], 1e-2, 0.1);
}

#[test]
fn accumulation_clipping_and_averages_are_those_of_the_cpu() {
    let more = ["--set", "schedule.accumulate=2", "--set", "schedule.clip_norm=0.01", "--set", "schedule.ema=0.5"];
    as_on_the_cpu(&more, 1e-3, 0.05);
}

#[test]
fn a_run_goes_on_and_its_weights_serve_on_the_cpu() {
    if !gpu() {
        return;
    }
    let f = Fixture::new(3, 8, 32);
    let ema = ["--set", "schedule.ema=0.9"];
    f.fit("run", "cuda:0", &[&ema[..], &["--max-steps", "5"]].concat());
    f.fit("run", "cuda:0", &[&ema[..], &["--resume"]].concat());
    // The optimiser's state came through.
    f.fit("whole", "cuda:0", &ema);
    let last = |out: &str| f.losses(out)[f.losses(out).len() - 1..].to_vec();
    assert!(apart(&last("run"), &last("whole")) < 0.05);

    let best = f.text("run/checkpoints/best.safetensors");
    let mean = |device: &str| {
        let done = train(&["eval", &best, &f.text("data"), "--json", "--profile", "native", "--device", device]);
        assert!(done.status.success(), "{device}: {:?}", failure(&done));
        let document: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        document["mean"]["psnr"].as_f64().unwrap()
    };
    let (gpu, cpu) = (mean("cuda:0"), mean("cpu"));
    assert!((gpu - cpu).abs() < 0.02, "{gpu} dB and {cpu} dB");

    let predict = |device: &str, out: &str| {
        let done = train(&["predict", &best, &f.text("data/test"), "--out", &f.text(out), "--device", device]);
        assert!(done.status.success(), "{device}: {:?}", failure(&done));
        image::open(f.path(out).join("000010.mixture.background.png")).unwrap().into_rgb8()
    };
    let (gpu, cpu) = (predict("cuda:0", "gpu"), predict("cpu", "cpu-out"));
    assert!(gpu.as_raw().iter().zip(cpu.as_raw()).all(|(a, b)| a.abs_diff(*b) <= 1));
}

#[test]
fn weights_that_are_not_numbers_end_the_run_in_one_sentence() {
    if !gpu() {
        return;
    }
    let f = Fixture::new(20, 8, 32);
    f.fit("run", "cuda:0", &["--max-steps", "4"]);
    let last = f.path("run/checkpoints/last.safetensors");
    poison(&last, "convs3R.0.weight");
    let done = train(&["fit", &f.run, "--out", &f.text("run"), "--device", "cuda:0"]);
    let (code, text) = failure(&done);
    assert!(code == Some(1) && text.lines().count() == 1, "{text}");
    assert!(text.contains("up to step 10, also after going back to"), "{text}");
}

#[test]
fn a_gpu_that_is_not_there_is_refused_in_one_sentence() {
    let f = Fixture::new(1, 8, 32);
    let done = train(&["fit", &f.run, "--out", &f.text("run"), "--device", "cuda:99"]);
    let (code, text) = failure(&done);
    assert!(code == Some(2) && text.contains("device cuda:99") && text.lines().count() == 1, "{text}");
}

/// Makes every number of a tensor in a file of weights NaN.
fn poison(path: &Path, name: &str) {
    let mut bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let data = file.tensor(name).unwrap().data();
    let (start, len) = (data.as_ptr() as usize - bytes.as_ptr() as usize, data.len());
    for number in bytes[start..start + len].chunks_exact_mut(4) {
        number.copy_from_slice(&f32::NAN.to_le_bytes());
    }
    std::fs::write(path, bytes).unwrap();
}
