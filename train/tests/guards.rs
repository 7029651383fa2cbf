//! What a run survives or refuses, as a process: weights that are not numbers, and batches that no memory holds.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{fs, path::Path, process::Command};

use manifests::run::{METRICS_FILE, Record};
use support::{data_set, failure, run_file, train};

/// Makes every number of a tensor in a file of weights NaN.
fn poison(path: &Path, name: &str) {
    let mut bytes = fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let data = file.tensor(name).unwrap().data();
    let (start, len) = (data.as_ptr() as usize - bytes.as_ptr() as usize, data.len());
    for number in bytes[start..start + len].chunks_exact_mut(4) {
        number.copy_from_slice(&f32::NAN.to_le_bytes());
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn losses_that_are_not_numbers_keep_their_batches_and_end_the_run_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    data_set(&folder.path().join("data"), 8, 2, 0);
    let run = run_file(folder.path(), 20).display().to_string();
    assert!(train(&["fit", &run, "--out", &path("run"), "--max-steps", "4"]).status.success());
    let last = folder.path().join("run/checkpoints/last.safetensors");
    let best = fs::read(folder.path().join("run/checkpoints/best.safetensors")).unwrap();
    poison(&last, "convs3R.0.weight");
    let poisoned = fs::read(&last).unwrap();

    let done = train(&["fit", &run, "--out", &path("run")]);
    let (code, text) = failure(&done);
    // Three steps, back to the checkpoint, which is no better, and three more.
    assert!(code == Some(1) && text.lines().count() == 1, "{text}");
    assert!(text.contains("up to step 10, also after going back to"), "{text}");
    let said = String::from_utf8_lossy(&done.stdout);
    assert_eq!(said.matches("the loss is not a finite number: skipped").count(), 4, "{said}");
    assert_eq!(said.matches("back to the weights of").count(), 1, "{said}");
    let kept = folder.path().join("run/bad-batches/step-0000005");
    let batch: serde_json::Value = serde_json::from_slice(&fs::read(kept.join("batch.json")).unwrap()).unwrap();
    let first = batch["samples"][0].as_str().unwrap();
    let mixture = |path: &Path| image::open(path).unwrap().into_rgb8();
    assert_eq!(
        mixture(&kept.join(format!("{first}.mixture.png"))),
        mixture(&folder.path().join(format!("data/train/{first}.mixture.png")))
    );
    // Nothing that was saved is worse than before, and no figure is not a number.
    assert!(fs::read(&last).unwrap() == poisoned);
    assert!(fs::read(folder.path().join("run/checkpoints/best.safetensors")).unwrap() == best);
    let rows = manifests::read_log::<Record>(&folder.path().join("run").join(METRICS_FILE)).unwrap().rows;
    assert!(rows.iter().filter_map(|r| r.train.as_ref()).all(|t| t.loss.is_finite()));
}

#[cfg(target_os = "linux")]
#[test]
fn a_batch_that_memory_does_not_hold_is_refused_with_one_that_fits() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    data_set(&folder.path().join("data"), 8, 2, 0);
    let run = run_file(folder.path(), 1).display().to_string();
    // 1 GiB of address space: enough for the fixture's network, not for the weights of the paper's.
    let fit = |settings: &[&str]| {
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -v 1048576; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_train"), "fit", &run]);
        limited.args(["--out", &path("run")]).args(settings.iter().flat_map(|s| ["--set", s]));
        failure(&limited.output().unwrap())
    };
    let (code, text) = fit(&["model.width=1"]);
    assert!(code == Some(2) && text.lines().count() == 1, "{text}");
    assert!(
        text.contains("run.yaml: a batch of 3 images of") && text.contains("not even one image would fit"),
        "{text}"
    );
    assert!(!Path::new(&path("run")).exists());
    let (code, text) = fit(&[]);
    assert!(code == Some(0), "{text}");
}

/// The estimate that the advice rests on, beside what a step takes.
#[cfg(target_os = "linux")]
#[test]
fn the_estimate_of_memory_is_near_what_a_step_takes() {
    for [batch, height, width, model_width] in [["4", "224", "288", "0.25"], ["1", "96", "160", "0.5"]] {
        let step = ["bench", "step", "--json", "--steps", "1", "--batch", batch, "--height", height, "--width", width];
        let done = train(&[&step[..], &["--model-width", model_width]].concat());
        assert!(done.status.success(), "{:?}", failure(&done));
        let line: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        let (peak, estimate) = (line["peak_mib"].as_f64().unwrap(), line["estimated_mib"].as_f64().unwrap());
        assert!((0.75..=1.1).contains(&(estimate / peak)), "{estimate} MiB estimated, {peak} MiB taken");
    }
}
