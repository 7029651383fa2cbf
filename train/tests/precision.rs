//! Fitting in lower precisions beside fitting in `f32`.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fitted;
#[expect(dead_code, reason = "shared with the tests of fit")]
mod support;

use fitted::{Fixture, apart};

/// Lower precisions follow the loss curve of `f32` within 2 % over 200 steps at reduced width.
///
/// What is compared must not depend on luck: batch norms over few values, and a high learning rate, make a difference of 1e-5 in
/// the pictures one of 18 % in the loss (3 samples of 32 x 64, whose fifth stage has 2 pixels, at 2e-3 and width 1/8). Of 4
/// samples of 64 x 128 at 2e-4 and width 1/16 one of 1e-3 makes 0.2 %.
fn follow(device: &str, runs: &[(&str, &str)]) {
    // Two sizes of 8 samples in batches of 4 are 4 steps an epoch.
    let f = Fixture::new(50, 16, 64);
    let same = [
        "--set",
        "model.width=0.0625",
        "--set",
        "schedule.batch=4",
        "--set",
        "schedule.stages=[{epochs: 50, learning_rate: 2.0e-4}]",
        "--set",
        "schedule.checkpoint_every=100",
    ];
    f.fit("f32", device, &same);
    let expected = f.losses("f32");
    for (name, precision) in runs {
        f.fit(name, device, &[&same[..], &["--set", &format!("precision={precision}")]].concat());
        let found = f.losses(name);
        let off = apart(&found, &expected);
        println!("{name} on {device}: from f32 at most {:.2} % over {} records", 100.0 * off, found.len());
        assert!(off < 0.02, "{name} is {off} off: {found:?} beside {expected:?}");
        assert!(*precision == "f32" || off > 0.0, "{name} was computed in f32");
    }
    // A curve that goes nowhere is easy to follow.
    let (first, last) = (expected[0], expected[expected.len() - 1]);
    assert!(last < 0.75 * first, "f32 went from {first} to {last}");
}

#[test]
fn bf16_follows_f32() {
    follow("cpu", &[("bf16", "bf16")]);
}

/// TF32, which rounds less, too.
#[cfg(feature = "cuda")]
#[test]
fn lower_precisions_follow_f32_on_a_gpu() {
    if fitted::gpu() {
        follow("cuda:0", &[("again", "f32"), ("tf32", "tf32"), ("bf16", "bf16")]);
    }
}
