//! Bad input to the programs: one clear sentence, a non-zero exit, and nothing half-written.

use std::{fs, path::Path, process::Command};

use manifests::{dataset::SAMPLES_FILE, session::SHOTS_FILE};
use tests::{command, fixture, lines, run};

use crate::{CAPTURE, SYNTH, TRAIN, interrupted::made_photographs};

fn edited(dir: &Path, name: &str, from: &str, to: &str) -> String {
    let text = fs::read_to_string(fixture(name)).unwrap();
    assert!(text.contains(from), "{name} has no `{from}`");
    let path = dir.join(name);
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
    path.display().to_string()
}

#[test]
fn a_shutter_speed_that_the_camera_does_not_have() {
    let dir = tempfile::tempdir().unwrap();
    let session = dir.path().join("session");
    let plan = edited(dir.path(), "plan.yaml", "[1/60, 1/30]", "[1/60, 1/33]");
    run(CAPTURE, dir.path(), ["run", &plan, "--session", session.to_str().unwrap(), "--camera", "rehearsal", "--yes"])
        .refused(2, &["plan.yaml:11:", "1/33", "1/30"]);
    assert_eq!(lines(&session.join(SHOTS_FILE)), 0, "a shot was taken");
}

#[test]
fn unknown_keys_in_every_file_that_people_write() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let out = home.join("out");
    let out = out.to_str().unwrap();
    let plan = edited(home, "plan.yaml", "    shutter:", "    shuter:");
    run(CAPTURE, home, ["run", &plan, "--session", out, "--camera", "rehearsal", "--yes"])
        .refused(2, &["plan.yaml:11:5", "unknown key `shuter`", "did you mean `shutter`?"]);
    let recipe = edited(home, "recipe.yaml", "seed:", "sed:");
    run(SYNTH, home, ["build", &recipe, "--out", out]).refused(2, &["recipe.yaml:4:1", "did you mean `seed`?"]);
    let file = edited(home, "run.yaml", "width:", "witdh:");
    run(TRAIN, home, ["fit", &file, "--out", out]).refused(2, &["run.yaml:", "did you mean `width`?"]);
    assert!(!Path::new(out).exists(), "something was written");
}

#[test]
fn an_empty_folder_of_photographs() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let recipe = edited(dir.path(), "recipe.yaml", "session: session", &format!("folder: {}", empty.display()));
    run(SYNTH, dir.path(), ["build", &recipe, "--out", dir.path().join("out").to_str().unwrap()])
        .refused(2, &["recipe.yaml:", "empty"]);
}

#[test]
fn an_image_that_is_missing_or_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let photos = dir.path().join("photos");
    made_photographs(&photos);
    fs::write(photos.join("torn.png"), &fs::read(photos.join("made0.png")).unwrap()[..900]).unwrap();
    let (photos, out) = (photos.to_str().unwrap(), dir.path().join("dataset"));
    let recipe = fixture("recipe.yaml").display().to_string();
    let build = ["build", &recipe, "--backgrounds", photos, "--reflections", photos, "--out", out.to_str().unwrap()];
    run(SYNTH, dir.path(), build).refused(2, &["torn.png"]);
    fs::remove_file(dir.path().join("photos/torn.png")).unwrap();
    run(SYNTH, dir.path(), build).ok();

    let log = fs::read_to_string(out.join(SAMPLES_FILE)).unwrap();
    let first: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    let picture = out.join(first["mixture"]["path"].as_str().unwrap());
    fs::remove_file(&picture).unwrap();
    run(SYNTH, dir.path(), ["verify", out.to_str().unwrap()]).refused(1, &[]);
    run(SYNTH, dir.path(), build).ok();
}

#[test]
fn a_device_that_is_not_there_is_refused_and_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let file = fixture("run.yaml").display().to_string();
    run(TRAIN, dir.path(), ["fit", &file, "--out", dir.path().join("out").to_str().unwrap(), "--device", "cuda:99"])
        .refused(2, &["cuda:99"]);
}

#[test]
fn wrong_use_exits_2_and_no_camera_says_so() {
    let dir = tempfile::tempdir().unwrap();
    for program in [CAPTURE, SYNTH, TRAIN] {
        assert_eq!(run(program, dir.path(), ["frobnicate"]).code, Some(2));
        let said = run(program, dir.path(), ["--help"]).ok();
        assert!(said.out.contains("Usage"), "{}", said.out);
    }
    let plan = fixture("plan.yaml").display().to_string();
    // A port of loopback on which nobody listens.
    let said = run(
        CAPTURE,
        dir.path(),
        ["run", &plan, "--session", dir.path().join("s").to_str().unwrap(), "--camera", "ptpip:127.0.0.1:9", "--yes"],
    );
    said.refused(1, &["ptpip:127.0.0.1:9"]);
}

/// Each program on a file system of a few MiB: it stops with a sentence, and what was finished is valid.
#[test]
fn a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    if !small_disk(dir.path(), 1, "true").status().unwrap().success() {
        eprintln!("skipped: this machine does not let a test mount a small file system");
        return;
    }
    let photos = dir.path().join("photos");
    made_photographs(&photos);
    let (photos, recipe) = (photos.display().to_string(), fixture("recipe.yaml").display().to_string());
    let plan = fixture("plan.yaml").display().to_string();
    // After the program stops, space is made and the same command is given again: first it fails, then it verifies.
    let synth = format!(
        "{SYNTH} build {recipe} --backgrounds {photos} --reflections {photos} --count 200 --out disk/dataset; first=$?; \
         mount -o remount,size=64m disk; \
         {SYNTH} build {recipe} --backgrounds {photos} --reflections {photos} --count 200 --out disk/dataset && \
         {SYNTH} verify disk/dataset && exit $first"
    );
    let said = tests::Said::new(small_disk(dir.path(), 3, &synth).output().unwrap());
    assert_eq!(said.code, Some(1), "{}\n{}", said.out, said.err);
    assert!(said.err.contains("No space left on device") && !said.err.contains("panicked"), "{}", said.err);

    let capture = format!(
        "{CAPTURE} run {plan} --session disk/session --camera rehearsal --yes; first=$?; \
         mount -o remount,size=256m disk; \
         {CAPTURE} run {plan} --session disk/session --camera rehearsal --yes && {CAPTURE} verify disk/session && exit $first"
    );
    let said = tests::Said::new(small_disk(dir.path(), 3, &capture).output().unwrap());
    assert_eq!(said.code, Some(1), "{}\n{}", said.out, said.err);
    assert!(!said.err.contains("panicked"), "{}", said.err);
}

/// A shell in a mount namespace of its own, in `dir`, with a file system of `mib` MiB at `disk`.
fn small_disk(dir: &Path, mib: u32, script: &str) -> Command {
    fs::create_dir_all(dir.join("disk")).unwrap();
    let script = format!("mount -t tmpfs -o size={mib}m none disk || exit 125; {script}");
    let mut command = command("unshare", dir, ["-rm", "sh", "-c", &script]);
    command.current_dir(dir);
    command
}
