//! A session from the first prompt to the contact sheet, on the rehearsal camera.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{io::Write, os::unix::fs::PermissionsExt, process::Stdio};

use base64::{Engine, engine::general_purpose::STANDARD};
use support::{Bench, PLAN, SHOTS, capture, ending, text, verify};

#[test]
fn a_session_is_shot_verified_reviewed_and_not_shot_twice() {
    let bench = Bench::new(PLAN);
    let first = bench.run();
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    bench.assert_complete(SHOTS);
    // A line a shot and the summary, all JSON.
    let lines: Vec<serde_json::Value> = text(&first.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), SHOTS + 1);
    assert_eq!(lines[SHOTS]["summary"]["complete"], true);
    assert!(text(&first.stderr).contains("> Go to scene hall. Put the glass before the lens and hang the black paper"));

    // What a photograph shows follows from what was asked for.
    let shots = bench.shots();
    let level = |shutter: &str, f: f64| {
        let found = shots.iter().find(|s| {
            let q = &s.requested;
            s.index < 4 && q.shutter.to_string() == shutter && q.f_number.get() == f
        });
        found.unwrap().quality.unwrap().level
    };
    assert!(level("1/15", 5.6) > level("1/60", 5.6) && level("1/60", 5.6) > level("1/60", 11.0));
    for shot in &shots {
        let file = &shot.files[0];
        let mode = std::fs::metadata(file.path.under(&bench.session())).unwrap().permissions().mode();
        assert_eq!(mode & 0o222, 0, "{} can be written", file.path);
        assert!(file.width > 100 && file.height > 100);
        assert_eq!(shot.exif.unwrap().iso, shot.requested.iso);
    }

    let again = bench.run();
    assert_eq!(again.status.code(), Some(0));
    assert_eq!(bench.shots(), shots);

    // Small pictures come with the photographs; one that is gone is made again.
    let kept = bench.session().join(".thumbnails");
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), SHOTS);
    std::fs::remove_file(kept.join(format!("{}.jpg", shots[1].files[0].blake3))).unwrap();
    let page = bench.folder.path().join("page.html");
    let review = capture().arg("review").arg(bench.session()).arg("--out").arg(&page).output().unwrap();
    assert_eq!(review.status.code(), Some(0), "{}", text(&review.stderr));
    let html = std::fs::read_to_string(&page).unwrap();
    assert_eq!(html.matches("data:image/jpeg;base64,").count(), SHOTS);
    assert_eq!(
        html.matches("</polyline><polyline").count(),
        2 * SHOTS,
        "three channels side by side in each histogram"
    );
    assert!(!html.contains("http://") && !html.contains("https://"), "the page needs nothing from elsewhere");

    // A sheet decodes nothing that was kept, and a photograph that is gone since is not shown.
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), SHOTS);
    let marked = std::fs::read(kept.join(format!("{}.jpg", shots[1].files[0].blake3))).unwrap();
    std::fs::write(kept.join(format!("{}.jpg", shots[0].files[0].blake3)), &marked).unwrap();
    std::fs::rename(shots[2].files[0].path.under(&bench.session()), bench.folder.path().join("away")).unwrap();
    let review = capture().args(["review", "--json"]).arg(bench.session()).arg("--out").arg(&page).output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&review.stdout).unwrap();
    assert_eq!((&said["shots"], &said["unplanned"]), (&SHOTS.into(), &0.into()));
    let html = std::fs::read_to_string(&page).unwrap();
    assert_eq!(html.matches("data:image/jpeg;base64,").count(), SHOTS - 1);
    assert_eq!(html.matches(&STANDARD.encode(&marked)).count(), 2, "a kept picture was not used");
    std::fs::rename(bench.folder.path().join("away"), shots[2].files[0].path.under(&bench.session())).unwrap();
    assert_eq!(ending(&verify(&bench.session())).0, 0, "small pictures are no photographs");

    let coverage = capture().args(["coverage", "--json"]).arg(bench.session()).output().unwrap();
    let counts: serde_json::Value = serde_json::from_slice(&coverage.stdout).unwrap();
    assert_eq!((&counts["reflections"], &counts["light"]["dark"]), (&16.into(), &8.into()));
    assert_eq!(counts["next"][0], "1992 more bright reflections");
}

#[test]
fn verify_finds_a_changed_a_missing_and_an_unknown_file() {
    let plan = PLAN.replace("[1/60, 1/15], f_number: [5.6, 11]", "[1/60], f_number: [11]");
    let bench = Bench::new(&plan);
    assert_eq!(bench.run().status.code(), Some(0));
    let paths: Vec<_> = bench.shots().iter().map(|s| s.files[0].path.clone()).collect();
    let (changed, missing) = (paths[0].under(&bench.session()), paths[1].under(&bench.session()));
    let mut bytes = std::fs::read(&changed).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::set_permissions(&changed, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(&changed, bytes).unwrap();
    std::fs::remove_file(&missing).unwrap();
    std::fs::write(bench.session().join("shots/hall/stray.jpg"), "stray").unwrap();

    let output = verify(&bench.session());
    let report = text(&output.stdout);
    assert_eq!(ending(&output).0, 1);
    assert!(report.contains(&format!("{}: has hash", paths[0])), "{report}");
    assert!(report.contains(&format!("{}: No such file", paths[1])), "{report}");
    assert!(report.contains("shots/hall/stray.jpg: is recorded by no shot"), "{report}");
    assert!(report.contains("3 differences"), "{report}");
}

#[test]
fn a_dry_run_shoots_nothing() {
    let bench = Bench::new(PLAN);
    let output = bench.command().arg("--dry-run").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), SHOTS + 1);
    assert!(!bench.session().exists());
}

#[test]
fn a_person_confirms_each_prompt() {
    let bench = Bench::new(PLAN);
    let mut command = capture();
    command.arg("run").arg(bench.plan()).arg("--session").arg(bench.session()).args(["--camera", "rehearsal"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Two scenes: two zooms of reflections each, then the background, and in the first the mixture.
    let prompts = 7;
    child.stdin.take().unwrap().write_all(&vec![b'\n'; prompts]).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr).matches("[Enter when done").count(), prompts);
    assert!(text(&output.stdout).starts_with("19 of 19 shots stored"), "{}", text(&output.stdout));
    bench.assert_complete(SHOTS);
}

#[test]
fn a_session_that_cannot_be_looked_at_is_not_begun_anew() {
    let bench = Bench::new(PLAN);
    std::fs::create_dir(bench.session()).unwrap();
    // A link to itself: as with a disk that fails, the system answers an error and not that nothing is there.
    let manifest = bench.session().join("session.yaml");
    std::os::unix::fs::symlink("session.yaml", &manifest).unwrap();
    for output in [bench.run(), verify(&bench.session())] {
        let (code, message) = ending(&output);
        assert_eq!((code, message.lines().count()), (1, 1), "{message}");
        assert!(message.contains("session.yaml: cannot look at: Too many levels of symbolic links"), "{message}");
    }
    assert!(std::fs::symlink_metadata(&manifest).unwrap().is_symlink());
    assert!(bench.shots().is_empty());
}
