//! `train fit`, `eval` and `predict` as processes on a small data set: learning, exact resume, stopping, bad input.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{path::Path, process::Stdio, time::Duration};

use manifests::run::{METRICS_FILE, Record};
use support::{command, data_set, failure, run_file, train};

fn records(run: &Path) -> Vec<Record> {
    manifests::read_log(&run.join(METRICS_FILE)).unwrap().rows
}

fn last(run: &Path) -> std::path::PathBuf {
    run.join("checkpoints/last.safetensors")
}

/// The tensors of a checkpoint, without the metadata, which hold seconds.
fn tensors(path: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<_> = file.tensors().into_iter().map(|(name, v)| (name, v.data().to_vec())).collect();
    tensors.sort();
    tensors
}

#[test]
fn a_run_learns_is_scored_and_is_applied() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    data_set(&folder.path().join("data"), 8, 2, 2);
    let run = run_file(folder.path(), 20).display().to_string();
    let done = train(&["fit", &run, "--out", &path("run")]);
    assert!(done.status.success(), "{:?}", failure(&done));

    let losses: Vec<f64> =
        records(&folder.path().join("run")).iter().filter_map(|r| Some(r.train.as_ref()?.loss)).collect();
    // One record is noise of its batches: what is learnt shows over several.
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (first, last) = (mean(&losses[..8]), mean(&losses[losses.len() - 8..]));
    assert!(last < first - 0.2, "{first} and then {last}: {losses:?}");
    for file in ["run.yaml", "environment.json", "checkpoints/best.safetensors", "samples/step-0000004.png"] {
        assert!(folder.path().join("run").join(file).is_file(), "{file} is missing");
    }

    let best = path("run/checkpoints/best.safetensors");
    let scored = train(&["eval", &best, &path("data"), "--json", "--profile", "native", "--csv", &path("scores.csv")]);
    assert!(scored.status.success(), "{:?}", failure(&scored));
    let document: serde_json::Value = serde_json::from_slice(&scored.stdout).unwrap();
    assert_eq!(document["n"], 2);
    assert_eq!(document["profile"], "native");
    for key in ["ssim", "si", "psnr"] {
        assert!(document["mean"][key].as_f64().unwrap().is_finite());
        assert!(document["input"]["mean"][key].as_f64().unwrap().is_finite());
    }
    assert_eq!(document["images"].as_array().unwrap().len(), 2);
    assert_eq!(std::fs::read_to_string(path("scores.csv")).unwrap().lines().count(), 3);

    let applied = train(&["predict", &best, &path("data/test"), "--out", &path("out")]);
    assert!(applied.status.success(), "{:?}", failure(&applied));
    let b = image::open(path("out/000010.mixture.background.png")).unwrap();
    assert_eq!((b.width(), b.height()), (64, 32));
}

#[test]
fn the_committed_run_files_are_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/examples");
    for name in ["run.yaml", "run-corrn-paper.yaml"] {
        manifests::read_yaml::<manifests::run::Run>(&folder.join(name)).unwrap();
    }
}

#[test]
fn a_run_in_two_parts_ends_with_the_same_weights_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    data_set(&folder.path().join("data"), 8, 2, 0);
    let run = run_file(folder.path(), 3).display().to_string();
    assert!(train(&["fit", &run, "--out", &path("whole")]).status.success());
    assert_eq!(train(&["fit", &run, "--out", &path("parts"), "--resume"]).status.code(), Some(2));
    assert!(train(&["fit", &run, "--out", &path("parts"), "--max-steps", "5"]).status.success());
    assert!(train(&["fit", &run, "--out", &path("parts"), "--resume"]).status.success());
    assert!(tensors(&last(&folder.path().join("whole"))) == tensors(&last(&folder.path().join("parts"))));
    let steps = |run: &str| records(&folder.path().join(run)).iter().map(|r| r.step).max();
    assert_eq!(steps("whole"), steps("parts"));
}

/// Other samples in the same place would come in another order.
#[test]
fn a_run_does_not_go_on_with_other_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    data_set(&folder.path().join("data"), 8, 2, 0);
    let run = run_file(folder.path(), 3).display().to_string();
    assert!(train(&["fit", &run, "--out", &path("run"), "--max-steps", "2"]).status.success());
    let header = path("data/dataset.yaml");
    let text = std::fs::read_to_string(&header).unwrap();
    let at = text.find("blake3: ").unwrap() + "blake3: ".len();
    let digit = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
    std::fs::write(&header, format!("{}{digit}{}", &text[..at], &text[at + 1..])).unwrap();
    let (code, said) = failure(&train(&["fit", &run, "--out", &path("run"), "--resume"]));
    assert!(code == Some(2) && said.contains("was fitted on other data"), "{code:?} {said}");
    std::fs::write(&header, text).unwrap();
    assert!(train(&["fit", &run, "--out", &path("run"), "--resume"]).status.success());
}

/// Steps of two batches, averaged weights, the two best checkpoints: in parts as in one go.
#[test]
fn accumulated_and_averaged_runs_continue_too() {
    let folder = tempfile::tempdir().unwrap();
    data_set(&folder.path().join("data"), 8, 2, 0);
    let run = run_file(folder.path(), 5).display().to_string();
    let fit = |out: &str, more: &[&str]| {
        let out = folder.path().join(out).display().to_string();
        let mut arguments = vec!["fit", &run, "--out", &out];
        for setting in ["schedule.accumulate=2", "schedule.ema=0.9", "schedule.keep_best=2"] {
            arguments.extend(["--set", setting]);
        }
        arguments.extend(more);
        let done = train(&arguments);
        assert!(done.status.success(), "{:?}", failure(&done));
    };
    fit("whole", &[]);
    for steps in ["1", "4", "7"] {
        fit("parts", &["--max-steps", steps]);
    }
    fit("parts", &["--resume"]);
    // Best, last, and two more.
    let kept = std::fs::read_dir(folder.path().join("whole/checkpoints")).unwrap().count();
    assert_eq!(kept, 4);
    // An epoch of 3 batches is 2 steps.
    let rows = records(&folder.path().join("whole"));
    assert_eq!(rows.iter().map(|r| r.step).max(), Some(10));
    assert!(tensors(&last(&folder.path().join("whole"))) == tensors(&last(&folder.path().join("parts"))));
    let names: Vec<String> = tensors(&last(&folder.path().join("whole"))).into_iter().map(|(name, _)| name).collect();
    assert!(names.iter().any(|name| name.starts_with("optimizer.ema.")), "the average is not in the checkpoint");
    // Applied, the best checkpoint is the averaged network: another one than the last.
    let weights = |name: &str| {
        let path = folder.path().join("whole/checkpoints").join(name);
        tensors(&path).into_iter().find(|(name, _)| name.ends_with(".weight")).unwrap()
    };
    assert!(weights("best.safetensors").1 != weights("last.safetensors").1);
}

#[test]
fn a_killed_run_continues_and_ends_with_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    data_set(&folder.path().join("data"), 8, 2, 0);
    let run = run_file(folder.path(), 4).display().to_string();
    assert!(train(&["fit", &run, "--out", &path("whole")]).status.success());
    // Killed at different moments: each start makes some progress or none, and nothing is lost that was saved.
    for wait in [150, 400, 250] {
        let mut child = command(&["fit", &run, "--out", &path("killed")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let done = train(&["fit", &run, "--out", &path("killed")]);
    assert!(done.status.success(), "{:?}", failure(&done));
    assert!(tensors(&last(&folder.path().join("whole"))) == tensors(&last(&folder.path().join("killed"))));
    let rows = records(&folder.path().join("killed"));
    assert!(rows.windows(2).all(|w| w[0].step <= w[1].step), "the metrics go back in time");
    assert_eq!(rows.iter().filter(|r| r.validation.is_some()).count(), 4);
}

/// At a learning rate that moves nothing, no validation after the first is better.
#[test]
fn a_run_without_gain_ends_early_and_stays_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (out, pieces) = (folder.path().join("run"), folder.path().join("pieces"));
    data_set(&folder.path().join("data"), 8, 2, 0);
    let run = run_file(folder.path(), 50).display().to_string();
    let settings = ["schedule.early_stop=2", "schedule.clip_norm=0.5", "schedule.stages[0].learning_rate=1e-30"];
    let fit = |out: &Path, more: &[&str]| {
        let out = out.display().to_string();
        let mut arguments = vec!["fit", &run, "--out", &out];
        arguments.extend(settings.iter().flat_map(|s| ["--set", s]));
        arguments.extend(more);
        let done = train(&arguments);
        assert!(done.status.success(), "{:?}", failure(&done));
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    for _ in 0..2 {
        let text = fit(&out, &[]);
        assert!(text.contains("no gain in 2 validations: ended early"), "{text}");
        assert_eq!(records(&out).iter().filter(|r| r.validation.is_some()).count(), 3);
    }
    // In pieces, each of which validates at its end, it ends at the same step.
    let last = |out: &Path| records(out).last().unwrap().step;
    for steps in ["5", "6", "7"] {
        fit(&pieces, &["--max-steps", steps]);
        assert_eq!(last(&pieces).to_string(), steps);
    }
    fit(&pieces, &[]);
    assert_eq!(last(&pieces), last(&out));
}

#[cfg(unix)]
#[test]
fn sigterm_saves_and_exits_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    data_set(&folder.path().join("data"), 8, 2, 0);
    let run = run_file(folder.path(), 100_000).display().to_string();
    let child = command(&["fit", &run, "--out", &path("run")]).stdout(Stdio::piped()).spawn().unwrap();
    while !last(&folder.path().join("run")).is_file() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let kill = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("run the same command to go on"));
    let steps = records(&folder.path().join("run")).iter().map(|r| r.step).max();
    assert!(steps > Some(0));
}

/// Whoever stops a run in the middle of a validation need not wait for its end; it is done first when the run goes on, and
/// nothing differs from a run in one piece.
#[test]
fn a_stop_ends_a_validation_which_is_done_when_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    data_set(&folder.path().join("data"), 8, 2500, 0);
    let run = run_file(folder.path(), 1).display().to_string();
    let more = ["--set", "schedule.ema=0.9", "--set", "schedule.validate_every=2"];
    let fit = |out: &str| command(&[&["fit", &run, "--out", &path(out)], &more[..]].concat());
    assert!(fit("whole").output().unwrap().status.success());
    let out = folder.path().join("stopped");
    let child = fit("stopped").stdout(Stdio::piped()).spawn().unwrap();
    // The record of the step is written right before its validation.
    while manifests::read_log::<Record>(&out.join(METRICS_FILE)).map_or(0, |log| log.rows.len()) == 0 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let kill = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("stopped after step 2, everything saved"));
    assert!(records(&out).iter().all(|r| r.validation.is_none()) && last(&out).is_file());
    assert!(train::checkpoint::Checkpoint::read(&last(&out)).unwrap().header.validation_due);
    // There is something to look at, if no score.
    let page = train(&["report", &path("stopped"), "--out", &path("page.html")]);
    assert!(page.status.success(), "{:?}", failure(&page));
    // A kill right after the validation that was due leaves its record, but not what says that it is done.
    let log = std::fs::read_to_string(folder.path().join("whole").join(METRICS_FILE)).unwrap();
    let early = log.lines().find(|line| line.contains("\"step\":2,") && line.contains("\"validation\":{")).unwrap();
    let so_far = std::fs::read_to_string(out.join(METRICS_FILE)).unwrap();
    std::fs::write(out.join(METRICS_FILE), so_far + early + "\n").unwrap();

    let output = fit("stopped").output().unwrap();
    assert!(output.status.success(), "{:?}", failure(&output));
    let whole = folder.path().join("whole");
    assert!(tensors(&last(&whole)) == tensors(&last(&out)));
    assert!(tensors(&whole.join("checkpoints/best.safetensors")) == tensors(&out.join("checkpoints/best.safetensors")));
    let scores = |run: &Path| records(run).iter().map(|r| (r.step, r.validation)).collect::<Vec<_>>();
    assert_eq!(scores(&whole), scores(&out));
    assert!(scores(&out).iter().filter(|(_, v)| v.is_some()).count() >= 2);
}

#[test]
fn a_build_that_is_not_finished_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    data_set(&data, 8, 2, 0);
    let log = data.join("samples.jsonl");
    let lines = std::fs::read_to_string(&log).unwrap();
    let whole: Vec<&str> = lines.lines().collect();
    std::fs::write(&log, whole[..9].join("\n") + "\n").unwrap();
    let run = run_file(folder.path(), 1).display().to_string();
    let (code, said) = failure(&train(&["fit", &run, "--out", &folder.path().join("run").display().to_string()]));
    assert_eq!(code, Some(2));
    assert!(said.contains("samples.jsonl has 9 of 10 samples: run the `synth build` that began it again"), "{said}");
}

#[test]
fn the_encoder_begins_with_the_weights_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    data_set(&folder.path().join("data"), 8, 2, 0);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    std::fs::copy(golden.join("vgg16_bn.pth"), folder.path().join("vgg.pth")).unwrap();
    let run = run_file(folder.path(), 1).display().to_string();
    let settings = ["--set", "model.encoder=vgg.pth", "--set", "schedule.stages[0].learning_rate=1e-9"];
    let fit = |out: &str, more: &[&str]| {
        failure(&train(&[&["fit", &run, "--out", &path(out), "--max-steps", "1"], &settings[..], more].concat()))
    };
    assert_eq!(fit("run", &[]).0, Some(0));
    let read = |path: &Path| train::weights::Weights::read(path).unwrap().tensors;
    let (fitted, file) = (read(&last(&folder.path().join("run"))), read(&golden.join("vgg16_bn.safetensors")));
    let difference = (&fitted["convs4R.3.weight"] - &file["features.27.weight"]).unwrap().abs().unwrap();
    let difference = difference.flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
    assert!(difference <= 1e-8, "the first step moved the encoder's weights by {difference}");

    let (code, text) = fit("wide", &["--set", "model.width=0.03125"]);
    assert!(
        code == Some(2) && text.contains("vgg.pth: does not fit the network: convs1R.0.weight is [1, 3, 3, 3]"),
        "{text}"
    );
    std::fs::remove_file(path("vgg.pth")).unwrap();
    let (code, text) = fit("none", &[]);
    assert!(code == Some(2) && text.contains("model.encoder: there is no file") && text.lines().count() == 1, "{text}");
    assert!(!Path::new(&path("wide")).exists() && !Path::new(&path("none")).exists());
}

#[test]
fn bad_input_is_one_sentence_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    data_set(&folder.path().join("data"), 4, 2, 0);
    let run = run_file(folder.path(), 1).display().to_string();
    let out = path("run");
    let fit = |more: &[&str]| failure(&train(&[&["fit", &run, "--out", &out], more].concat()));
    for (arguments, words) in [
        (vec!["--set", "modle.width=0.5"], "--set modle.width: unknown key `modle`; did you mean `model`?"),
        (vec!["--set", "model.width=2"], "model.width: must be from 1/64"),
        (vec!["--set", "schedule.batch"], "has no `=`"),
        (vec!["--device", "cuda:0"], "no CUDA"),
        (vec!["--device", "gpu"], "is not a device"),
        (vec!["--data", "nowhere"], "there is no such folder"),
        (vec!["--set", "precision=tf32"], "needs a GPU"),
    ] {
        let (code, text) = fit(&arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {text}");
        assert!(text.contains(words) && text.lines().count() == 1, "{arguments:?}: {text}");
        assert!(!Path::new(&out).exists(), "{arguments:?} left something behind");
    }

    assert_eq!(fit(&[]).0, Some(0));
    let (code, text) = fit(&["--set", "model.width=0.03125"]);
    assert!(code == Some(2) && text.contains("holds another run (model.width is"), "{text}");

    // A checkpoint of another width, a torn one, and something else.
    let other = path("other");
    assert!(train(&["fit", &run, "--out", &other, "--set", "model.width=0.03125"]).status.success());
    std::fs::copy(last(Path::new(&other)), last(Path::new(&out))).unwrap();
    let mut bytes = std::fs::read(last(Path::new(&out))).unwrap();
    let (code, text) = fit(&["--resume"]);
    assert!(code == Some(2) && text.contains("does not fit the network: convs1R.0.weight is"), "{text}");
    bytes.truncate(bytes.len() / 2);
    std::fs::write(last(Path::new(&out)), &bytes).unwrap();
    let (code, text) = fit(&["--resume"]);
    assert!(code == Some(2) && text.contains("is no file of weights, or a torn one"), "{text}");
    let (code, text) = failure(&train(&["eval", &run, &path("data")]));
    assert!(code == Some(2) && text.contains("is no file of weights, or a torn one"), "{text}");

    // A photograph that is a source of both splits.
    let header = path("data/dataset.yaml");
    let whole = std::fs::read_to_string(&header).unwrap();
    let (train_source, validation_source) = ("b0", "b4");
    let digest = |name: &str| manifests::Digest::of(name.as_bytes()).to_string();
    std::fs::write(&header, whole.replace(&digest(validation_source), &digest(train_source))).unwrap();
    let (code, text) = failure(&train(&["fit", &run, "--out", &path("leaks")]));
    assert!(code == Some(2) && text.contains("b0.png is a source of both train and validation samples"), "{text}");
    assert!(text.lines().count() == 1 && !Path::new(&path("leaks")).exists(), "{text}");
    std::fs::write(&header, whole).unwrap();

    // A picture that is none.
    std::fs::write(folder.path().join("data/train/000000.mixture.png"), "no picture").unwrap();
    let (code, text) = failure(&train(&["fit", &run, "--out", &path("third")]));
    assert!(code == Some(2) && text.contains("000000.mixture.png: is not a readable PNG or JPEG"), "{text}");
}
