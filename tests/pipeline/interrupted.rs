//! Stopped in the middle, by Ctrl-C or by force, each program goes on where it was.

use std::{fs, path::Path};

use manifests::{
    dataset::SAMPLES_FILE,
    read_log,
    run::{METRICS_FILE, Record},
    session::{SHOTS_FILE, Shot},
};
use rustix::process::{Pid, Signal, kill_process};
use tests::{Running, Said, command, fixture, lines, run};

use crate::{CAPTURE, SYNTH, TRAIN};

/// Starts a program, sends `signal` as soon as `log` has `after` lines, and returns how it ended.
fn stop(program: &str, home: &Path, args: &[String], log: &Path, after: usize, signal: Signal) -> Said {
    let mut running = Running::start(command(program, home, args));
    assert!(running.wait_until(|| lines(log) >= after), "the program ended before line {after} of {}", log.display());
    let id = Pid::from_raw(i32::try_from(running.id()).unwrap()).unwrap();
    kill_process(id, signal).unwrap();
    running.finish()
}

fn stopped_by_the_user(said: &Said) {
    assert_eq!(said.code, Some(3), "\n--- stdout\n{}\n--- stderr\n{}", said.out, said.err);
    assert!(!said.err.contains("panicked"), "{}", said.err);
}

#[test]
fn a_session_goes_on_after_ctrl_c_and_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let session = dir.path().join("session");
    let log = session.join(SHOTS_FILE);
    let plan = fixture("plan.yaml").display().to_string();
    let args =
        ["run", &plan, "--session", &session.display().to_string(), "--camera", "rehearsal", "--yes"].map(String::from);
    stopped_by_the_user(&stop(CAPTURE, dir.path(), &args, &log, 5, Signal::INT));
    let before = read_log::<Shot>(&log).unwrap().rows;
    assert!((5..40).contains(&before.len()));
    stop(CAPTURE, dir.path(), &args, &log, before.len() + 6, Signal::KILL);
    run(CAPTURE, dir.path(), &args).ok();
    let after = read_log::<Shot>(&log).unwrap().rows;
    assert_eq!(after.len(), 40);
    assert_eq!(after[..before.len()], before[..], "finished shots were touched");
    let mut keys: Vec<_> = after.iter().map(|s| &s.key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 40, "a shot is doubled");
    run(CAPTURE, dir.path(), ["verify".into(), session.display().to_string()]).ok();
}

#[test]
fn a_data_set_built_in_pieces_is_the_same_data_set() {
    let dir = tempfile::tempdir().unwrap();
    let photos = dir.path().join("photos");
    made_photographs(&photos);
    let photos = photos.display().to_string();
    let recipe = fixture("recipe.yaml").display().to_string();
    let args = |out: &Path| {
        let out = out.display().to_string();
        ["build", &recipe, "--backgrounds", &photos, "--reflections", &photos, "--count", "3000", "--out", &out]
            .map(String::from)
    };
    let (whole, pieces) = (dir.path().join("whole"), dir.path().join("pieces"));
    run(SYNTH, dir.path(), args(&whole)).ok();
    let log = pieces.join(SAMPLES_FILE);
    stopped_by_the_user(&stop(SYNTH, dir.path(), &args(&pieces), &log, 20, Signal::INT));
    stop(SYNTH, dir.path(), &args(&pieces), &log, lines(&log) + 20, Signal::KILL);
    assert!(lines(&log) < 3000);
    run(SYNTH, dir.path(), args(&pieces)).ok();
    for name in [SAMPLES_FILE, manifests::dataset::DATASET_FILE] {
        assert_eq!(fs::read(whole.join(name)).unwrap(), fs::read(pieces.join(name)).unwrap(), "{name}");
    }
    run(SYNTH, dir.path(), ["verify".into(), pieces.display().to_string()]).ok();
}

#[test]
fn a_fit_goes_on_after_ctrl_c() {
    let dir = tempfile::tempdir().unwrap();
    let photos = dir.path().join("photos");
    made_photographs(&photos);
    let photos = photos.display().to_string();
    let (dataset, out) = (dir.path().join("dataset").display().to_string(), dir.path().join("run"));
    let recipe = fixture("recipe.yaml").display().to_string();
    run(SYNTH, dir.path(), ["build", &recipe, "--backgrounds", &photos, "--reflections", &photos, "--out", &dataset])
        .ok();
    let args =
        ["fit", &fixture("run.yaml").display().to_string(), "--data", &dataset, "--out", &out.display().to_string()]
            .map(String::from);
    let log = out.join(METRICS_FILE);
    let said = stop(TRAIN, dir.path(), &args, &log, 3, Signal::INT).ok();
    assert!(said.out.contains("run the same command to go on"), "{}", said.out);
    run(TRAIN, dir.path(), &args).ok();
    let steps: Vec<u64> =
        read_log::<Record>(&log).unwrap().rows.iter().filter(|r| r.train.is_some()).map(|r| r.step).collect();
    assert!(steps.windows(2).all(|w| w[1] > w[0]), "a step is doubled: {steps:?}");
    assert!(["best", "last"].iter().all(|n| out.join(format!("checkpoints/{n}.safetensors")).is_file()));
}

/// Eight photographs of smooth colour with edges, enough for every split.
pub(crate) fn made_photographs(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    for k in 0..8u32 {
        let picture = image::RgbImage::from_fn(160 + 8 * k, 120, |x, y| {
            let wave = |p: u32| (((x * (k + 2) + y * p) as f32 / 37.0).sin() * 90.0 + 110.0) as u8;
            let edge = if (x / 20 + y / 15 + k) % 3 == 0 { 40 } else { 0 };
            image::Rgb([wave(k + 1).saturating_add(edge), wave(2 * k + 3), wave(7).saturating_sub(edge)])
        });
        picture.save(dir.join(format!("made{k}.png"))).unwrap();
    }
}
