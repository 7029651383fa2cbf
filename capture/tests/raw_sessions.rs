//! Sessions in NEF and in NEF+JPEG: every file of a release is stored, whatever comes between two of them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    time::Duration,
};

use manifests::session::Shot;
use support::{Bench, capture, text};

/// Six shots in a quality, to card or memory.
fn plan(quality: &str, target: &str) -> String {
    format!(
        "version: 1
name: raw
camera: {{ quality: {quality}, capture_target: {target} }}
scenes: [{{ id: hall, place: indoor, light: bright }}]
sweeps:
  - {{ subject: reflection, shutter: [1/60, 1/30, 1/15], f_number: [5.6, 11] }}
"
    )
}
const SHOTS: usize = 6;

/// The session has a file with each extension for each shot, in this order, and they say the same.
fn assert_files(bench: &Bench, extensions: &[&str]) {
    bench.assert_complete(SHOTS);
    for shot in bench.shots() {
        let endings: Vec<&str> = shot.files.iter().map(|f| f.path.as_str().rsplit_once('.').unwrap().1).collect();
        assert_eq!(endings, extensions, "{}", shot.key);
        let stems: Vec<&str> = shot.files.iter().map(|f| f.path.as_str().rsplit_once('.').unwrap().0).collect();
        assert!(stems.iter().all(|s| *s == stems[0]), "{stems:?}");
        assert!(shot.files.iter().all(|f| (f.width, f.height) == (1500, 1000)), "{:?}", shot.files);
        assert_eq!(shot.exif.unwrap().f_number, shot.requested.f_number);
        assert!(shot.quality.unwrap().level > 0.0);
    }
}

fn level(shots: &[Shot], shutter: &str) -> f64 {
    let found = shots.iter().find(|s| s.requested.shutter.to_string() == shutter && s.requested.f_number.get() == 11.0);
    found.unwrap().quality.unwrap().level
}

#[test]
fn a_session_in_raw_has_settings_sizes_and_figures() {
    let bench = Bench::new(&plan("nef", "card"));
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_files(&bench, &["nef"]);
    // The figures are of the photograph, not of an empty frame.
    let shots = bench.shots();
    assert!(level(&shots, "1/15") > 1.3 * level(&shots, "1/60"));
    let review = capture().arg("review").arg(bench.session()).output().unwrap();
    assert_eq!(review.status.code(), Some(0), "{}", text(&review.stderr));
    let html = std::fs::read_to_string(bench.session().join("review.html")).unwrap();
    assert_eq!(html.matches("data:image/jpeg;base64,").count(), SHOTS);
}

#[test]
fn raw_and_jpeg_of_a_release_are_stored_together() {
    for target in ["card", "memory"] {
        let bench = Bench::new(&plan("nef-jpeg-fine", target));
        let output = bench.run();
        assert_eq!(output.status.code(), Some(0), "{target}: {}", text(&output.stderr));
        assert_files(&bench, &["jpg", "nef"]);
    }
}

#[test]
fn a_connection_lost_between_the_two_files_loses_and_doubles_nothing() {
    let faults = "
  - { on: object, do: drop-before, nth: 2 }
  - { on: object, do: drop-during, nth: 6 }
  - { on: object, do: truncate, nth: 9 }
  - { on: capture, do: drop-after, nth: 4 }
  - { on: events, do: drop-after, nth: 40 }
";
    let bench = Bench::with_faults(&plan("nef-jpeg-fine", "card"), faults);
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("connecting again"), "{}", text(&output.stderr));
    assert_files(&bench, &["jpg", "nef"]);
    assert_eq!(bench.card().len(), 2 * SHOTS, "{}", text(&output.stderr));
}

#[test]
fn a_truncated_raw_file_is_taken_again() {
    let bench = Bench::with_faults(&plan("nef", "card"), "  - { on: capture, do: truncate, nth: 3 }\n");
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("not a whole NEF: it ends before its picture does"),
        "{}",
        text(&output.stderr)
    );
    assert_files(&bench, &["nef"]);
    assert_eq!(bench.card().len(), SHOTS + 1);
}

#[test]
fn both_formats_go_on_after_the_program_was_killed() {
    for (quality, extensions) in [("nef", &["nef"][..]), ("nef-jpeg-fine", &["jpg", "nef"])] {
        let bench = Bench::new(&plan(quality, "card"));
        let mut kills = 0;
        for round in 0u64..SHOTS as u64 + 4 {
            let mut child = bench.command().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            if lines.next().is_none_or(|l| l.unwrap().contains("summary")) {
                child.wait().unwrap();
                break;
            }
            // Within the next shot, each time somewhere else.
            std::thread::sleep(Duration::from_millis(37 * round % 200));
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
        assert!(kills >= 2, "only {kills} kills");
        let output = bench.run();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_files(&bench, extensions);
    }
}

#[test]
fn half_a_photograph_on_the_card_is_none() {
    let bench = Bench::new(&plan("nef-jpeg-fine", "card"));
    assert_eq!(bench.run().status.code(), Some(0));
    // As if body and program had lost power between the two files of the last release.
    let last = bench.forget_last();
    std::fs::remove_file(bench.session().join(format!(".rehearsal-card{}", jpeg_on_card(&last)))).unwrap();
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("is only part of a photograph"), "{}", text(&output.stderr));
    assert_files(&bench, &["jpg", "nef"]);
    assert!(bench.unplanned().is_empty());
}

#[test]
fn a_photograph_with_a_damaged_half_leaves_nothing_behind() {
    let bench = Bench::new(&plan("nef-jpeg-fine", "card"));
    assert_eq!(bench.run().status.code(), Some(0));
    // The last shot is in doubt again, and of its files on the card the JPEG is whole and the NEF is not.
    let last = bench.forget_last();
    let jpeg = bench.session().join(format!(".rehearsal-card{}", jpeg_on_card(&last)));
    let raw = std::fs::read(jpeg.with_extension("NEF")).unwrap();
    std::fs::write(jpeg.with_extension("NEF"), &raw[..raw.len() / 2]).unwrap();
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("taking it again"), "{}", text(&output.stderr));
    // Both files under the shot's own name, and none beside them.
    assert_files(&bench, &["jpg", "nef"]);
    let again = bench.shots().pop().unwrap();
    assert_eq!((&again.key, &again.files[0].path), (&last.key, &last.files[0].path));
    let folder = last.files[0].path.under(&bench.session()).parent().unwrap().to_path_buf();
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2 * SHOTS);
}

/// Path of a shot's JPEG below the card's root.
fn jpeg_on_card(shot: &Shot) -> String {
    let name = shot.files.iter().map(|f| &f.camera_name).find(|n| n.ends_with(".JPG")).unwrap();
    name[name.find("/DCIM").unwrap()..].to_owned()
}
