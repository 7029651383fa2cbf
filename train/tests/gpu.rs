//! The program on a GPU, as a process, beside itself on the CPU: fitting in every precision, going on, scoring, applying.
#![cfg(feature = "cuda")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::{Path, PathBuf};

use manifests::run::{METRICS_FILE, Record};
use support::{data_set, failure, run_file, train};

/// Whether there is a GPU. Without one the tests say that they skip, or fail where VITRINE_REQUIRE_GPU is 1.
fn gpu() -> bool {
    match train::device::parse("cuda:0") {
        Ok(_) => true,
        Err(e) if std::env::var("VITRINE_REQUIRE_GPU").is_ok_and(|v| v == "1") => panic!("{e}"),
        Err(e) => {
            println!("SKIPPED: {e}");
            false
        }
    }
}

struct Fixture {
    folder: tempfile::TempDir,
    run: String,
}

impl Fixture {
    fn new(epochs: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        data_set(&folder.path().join("data"), 8, 2, 2);
        let run = run_file(folder.path(), epochs).display().to_string();
        Self { folder, run }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn fit(&self, out: &str, device: &str, more: &[&str]) {
        let done = train(&[&["fit", &self.run, "--out", &self.text(out), "--device", device], more].concat());
        assert!(done.status.success(), "{device} {more:?}: {:?}", failure(&done));
    }

    /// Losses of the records, in order.
    fn losses(&self, out: &str) -> Vec<f64> {
        let rows = manifests::read_log::<Record>(&self.path(out).join(METRICS_FILE)).unwrap().rows;
        rows.iter().filter_map(|r| Some(r.train.as_ref()?.loss)).collect()
    }
}

/// Largest difference, relative to the second.
fn apart(found: &[f64], expected: &[f64]) -> f64 {
    assert!(found.len() == expected.len() && !found.is_empty(), "{found:?} beside {expected:?}");
    found.iter().zip(expected).map(|(f, e)| (f - e).abs() / e.abs()).fold(0.0, |m, d| if d <= m { m } else { d })
}

#[test]
fn losses_are_those_of_the_cpu() {
    if !gpu() {
        return;
    }
    let f = Fixture::new(3);
    f.fit("cpu", "cpu", &[]);
    f.fit("gpu", "cuda:0", &[]);
    // Rounding grows from step to step: Adam's first ones divide by what is nearly nothing.
    let (found, expected) = (f.losses("gpu"), f.losses("cpu"));
    assert!(apart(&found[..2], &expected[..2]) < 1e-3, "{found:?} beside {expected:?}");
    assert!(apart(&found, &expected) < 0.05, "{found:?} beside {expected:?}");
}

#[test]
fn accumulation_clipping_and_averages_are_those_of_the_cpu() {
    if !gpu() {
        return;
    }
    let f = Fixture::new(3);
    let more = ["--set", "schedule.accumulate=2", "--set", "schedule.clip_norm=0.01", "--set", "schedule.ema=0.5"];
    f.fit("cpu", "cpu", &more);
    f.fit("gpu", "cuda:0", &more);
    let (found, expected) = (f.losses("gpu"), f.losses("cpu"));
    assert!(apart(&found[..1], &expected[..1]) < 1e-3, "{found:?} beside {expected:?}");
    assert!(apart(&found, &expected) < 0.05, "{found:?} beside {expected:?}");
}

/// bfloat16 follows the loss curve of `f32` within 2 % over 200 steps at reduced width; TF32, which rounds less, too. The curve
/// is means over [`WINDOW`] records: a single batch's loss differs by more between two runs in `f32`, whose filters' gradients
/// cuDNN may add in any order, and Adam's first steps divide by what is nearly nothing.
#[test]
fn lower_precisions_follow_f32() {
    if !gpu() {
        return;
    }
    // 8 samples of two sizes in batches of 3 are 4 steps an epoch.
    let f = Fixture::new(50);
    let width = ["--set", "model.width=0.125", "--set", "schedule.checkpoint_every=100"];
    f.fit("f32", "cuda:0", &width);
    let expected = f.losses("f32");
    for (name, precision) in [("again", "f32"), ("tf32", "tf32"), ("bf16", "bf16")] {
        f.fit(name, "cuda:0", &[&width[..], &["--set", &format!("precision={precision}")]].concat());
        let found = f.losses(name);
        let (single, off) = (apart(&found, &expected), apart(&means(&found), &means(&expected)));
        println!(
            "{name}: from f32 at most {:.2} % over {} records, {:.2} % in means over {WINDOW}",
            100.0 * single,
            found.len(),
            100.0 * off
        );
        assert!(off < 0.02, "{name} is {off} off: {found:?} beside {expected:?}");
    }
}

/// Records that are a point of a curve.
const WINDOW: usize = 20;

/// Means over [`WINDOW`] records each.
fn means(losses: &[f64]) -> Vec<f64> {
    losses.chunks(WINDOW).map(|window| window.iter().sum::<f64>() / window.len() as f64).collect()
}

#[test]
fn a_run_goes_on_and_its_weights_serve_on_the_cpu() {
    if !gpu() {
        return;
    }
    let f = Fixture::new(3);
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
    let f = Fixture::new(20);
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
    let f = Fixture::new(1);
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
