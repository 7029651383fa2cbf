//! A run under faults: killed inside the writing of a checkpoint, on a full disk, started twice.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use support::{command, data_set, failure, run_file, train};

/// The files in a run's folder of checkpoints that are being written.
fn unfinished(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(".writing-")).collect()
}

#[test]
fn a_run_killed_inside_a_checkpoints_writing_ends_with_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    data_set(&folder.path().join("data"), 8, 2, 0);
    let run = run_file(folder.path(), 6).display().to_string();
    assert!(train(&["fit", &run, "--out", &path("whole")]).status.success());

    // Killed as soon as a file is seen that is being written. Sometimes the kill comes too late: then again.
    let killed = folder.path().join("killed");
    let mut torn = 0;
    for _ in 0..40 {
        let mut fit = command(&["fit", &run, "--out", &path("killed")]);
        let mut fit = fit.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let before = unfinished(&killed);
        while fit.try_wait().unwrap().is_none() {
            if unfinished(&killed).iter().any(|path| !before.contains(path)) {
                fit.kill().unwrap();
                fit.wait().unwrap();
                torn += unfinished(&killed).iter().filter(|path| !before.contains(path)).count();
                break;
            }
        }
        if torn >= 3 {
            break;
        }
    }
    assert!(torn >= 1, "no kill came inside the writing of a checkpoint");
    let done = train(&["fit", &run, "--out", &path("killed")]);
    assert!(done.status.success(), "{:?}", failure(&done));
    let last = |run: &str| fs::read(folder.path().join(run).join("checkpoints/last.safetensors")).unwrap();
    let tensors = |bytes: &[u8]| -> Vec<(String, Vec<u8>)> {
        let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
        let mut all: Vec<_> = file.tensors().into_iter().map(|(name, v)| (name, v.data().to_vec())).collect();
        all.sort();
        all
    };
    assert!(tensors(&last("whole")) == tensors(&last("killed")));
    assert!(unfinished(&killed).is_empty(), "what was being written is still there");
}

#[test]
fn a_full_disk_stops_with_the_last_checkpoint_whole() {
    let folder = tempfile::tempdir().unwrap();
    data_set(&folder.path().join("data"), 8, 2, 0);
    let run = run_file(folder.path(), 6).display().to_string();
    assert!(train(&["fit", &run, "--out", &folder.path().join("whole").display().to_string()]).status.success());
    let size = fs::metadata(folder.path().join("whole/checkpoints/last.safetensors")).unwrap().len();
    // Room for the first checkpoint that can be resumed from and the best one beside it, and not for the next ones.
    let kib = size * 23 / 10 / 1024;
    let fit = format!("{} fit {run} --out disk/run", env!("CARGO_BIN_EXE_train"));
    let script = format!(
        "mkdir disk && mount -t tmpfs -o size={kib}k none disk || exit 125; {fit}; first=$?; \
         mount -o remount,size=64m disk; {fit} || exit 9; cp disk/run/checkpoints/last.safetensors ended; exit $first"
    );
    let mut shell = Command::new("unshare");
    let output = shell.args(["-rm", "sh", "-c", &script]).current_dir(folder.path()).output().unwrap();
    let (code, text) = failure(&output);
    if code == Some(125) {
        eprintln!("skipped: this machine does not let a test mount a small file system");
        return;
    }
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("No space left on device") && !text.contains("panicked"), "{text}");
    assert_eq!(text.lines().count(), 1, "more than one sentence: {text}");
    let whole = fs::read(folder.path().join("whole/checkpoints/last.safetensors")).unwrap();
    let ended = fs::read(folder.path().join("ended")).unwrap();
    let bytes = |file: &[u8]| {
        let file = safetensors::SafeTensors::deserialize(file).unwrap();
        file.tensors()
            .into_iter()
            .map(|(name, v)| (name, v.data().to_vec()))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    assert!(bytes(&whole) == bytes(&ended), "the run that was out of room ended with other weights");
}

#[test]
fn a_run_that_is_being_fitted_is_not_fitted_twice() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run").display().to_string();
    data_set(&folder.path().join("data"), 8, 2, 0);
    let run = run_file(folder.path(), 100_000).display().to_string();
    let mut first = command(&["fit", &run, "--out", &out]);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while !folder.path().join("run/run.yaml").is_file() && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let (code, text) = failure(&train(&["fit", &run, "--out", &out]));
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(code == Some(2) && text.contains("another `train fit` is writing here"), "{code:?} {text}");
    // The lock went with its holder.
    assert!(train(&["fit", &run, "--out", &out, "--max-steps", "1"]).status.success());
}
