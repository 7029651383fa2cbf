//! Cameras that sleep, that say nonsense, that are another model, that carry strange cards, and two of them at once.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
};

use capture::rehearsal::{Body, Model, Options, Pace};
use manifests::session::SHOTS_FILE;
use support::{Bench, capture, ending, text};

/// Eight shots that need nobody's hands at the set.
const STILL: &str = "version: 1
name: still
scenes: [{ id: hall, place: indoor, light: bright }]
sweeps:
  - { subject: reflection, shutter: [1/60, 1/15], f_number: [5.6, 11], iso: [100, 400] }
";
const FEW: usize = 8;

fn body(model: Model) -> Body {
    Body::start(Options { pace: Pace::Fast, picture_size: (300, 200), model, ..Options::default() }).unwrap()
}

#[test]
fn a_body_that_falls_asleep_is_waited_for() {
    let faults = "
  - { on: capture, do: sleep, nth: 3, seconds: 3 }
  - { on: object, do: sleep, nth: 6, seconds: 3 }
";
    let bench = Bench::with_faults(STILL, faults);
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("attempt 1 of 6"), "{}", text(&output.stderr));
    bench.assert_complete(FEW);
    assert_eq!(bench.card().len(), FEW);
}

#[test]
fn a_body_that_does_not_wake_up_ends_the_session_with_a_remedy() {
    let bench = Bench::with_faults(STILL, "  - { on: capture, do: sleep, nth: 3 }\n");
    let (code, message) = ending(&bench.run());
    assert_eq!(code, 1, "{message}");
    assert!(message.contains("auto-off timer") && message.contains("2 of 8 shots are stored"), "{message}");
    assert_eq!(bench.run().status.code(), Some(1), "it falls asleep at the third release of this body, too");
    fs::write(bench.folder.path().join("faults.yaml"), "version: 1\n").unwrap();
    assert_eq!(bench.run().status.code(), Some(0));
    bench.assert_complete(FEW);
}

#[test]
fn packets_that_are_none_cost_a_connection_and_no_photograph() {
    let faults = "
  - { on: read-property, do: malformed, nth: 60 }
  - { on: describe-property, do: malformed, nth: 40 }
  - { on: capture, do: malformed, nth: 2 }
  - { on: object, do: malformed, nth: 4 }
  - { on: object-info, do: malformed, nth: 9 }
  - { on: events, do: malformed, nth: 30 }
  - { on: device-ready, do: malformed, nth: 12 }
";
    let bench = Bench::with_faults(STILL, faults);
    let mut runs = 0;
    let output = loop {
        let output = bench.run();
        runs += 1;
        // What libgphoto2 makes of nonsense may look final; the command again goes on all the same.
        if output.status.success() || runs > 4 {
            break output;
        }
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    };
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    bench.assert_complete(FEW);
    assert_eq!(bench.card().len(), FEW + bench.unplanned().len());
    assert!(bench.unplanned().is_empty(), "{:?}", bench.unplanned());
}

#[test]
fn a_body_without_raw_shoots_jpegs_and_says_that_it_has_no_raw() {
    let camera = body(Model::NoRaw);
    let bench = Bench::on(STILL, &camera);
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    bench.assert_complete(FEW);

    let raw = Bench::on(&STILL.replace("name: still", "name: still\ncamera: { quality: nef }"), &camera);
    let (code, message) = ending(&raw.run());
    assert_eq!(code, 1, "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains("NEF (Raw): the body has JPEG Basic, JPEG Normal, JPEG Fine only"), "{message}");
    assert!(raw.shots().is_empty());
}

#[test]
fn a_body_that_cannot_be_set_is_refused_in_one_sentence() {
    let camera = body(Model::NoExposure);
    let bench = Bench::on(STILL, &camera);
    let (code, message) = ending(&bench.run());
    assert_eq!(code, 1, "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains("has no setting `shutterspeed2`: it cannot be driven"), "{message}");
    assert_eq!(camera.operator().releases(), 0);
}

#[test]
fn a_setting_that_cannot_be_read_for_once_ends_no_session() {
    // The body fails to describe one property or another: as it is connected to, as it is set, and as it is read back.
    for (action, every) in [("general-error", 23), ("busy", 17), ("general-error", 7)] {
        let faults = format!("  - {{ on: describe-property, do: {action}, nth: 1, every: {every} }}\n");
        let bench = Bench::with_faults(STILL, &faults);
        let output = bench.run();
        assert_eq!(output.status.code(), Some(0), "{action} every {every}: {}", text(&output.stderr));
        bench.assert_complete(FEW);
        assert_eq!(bench.card().len(), FEW);
    }
}

#[test]
fn a_value_that_is_refused_once_is_set_again_and_for_ever_is_a_sentence() {
    for action in ["refuse", "general-error", "busy"] {
        let bench = Bench::with_faults(STILL, &format!("  - {{ on: set-property, do: {action}, nth: 4, every: 5 }}\n"));
        let output = bench.run();
        assert_eq!(output.status.code(), Some(0), "{action}: {}", text(&output.stderr));
        bench.assert_complete(FEW);
    }
    // Somebody turns the dial in the middle: from then on the body sets the exposure itself.
    let bench = Bench::with_faults(STILL, "  - { on: capture, do: wrong-dial, nth: 2 }\n");
    let (code, message) = ending(&bench.run());
    assert_eq!(code, 1, "{message}");
    let last = message.lines().last().unwrap();
    assert!(last.contains("is the mode dial still on M?") && last.contains("of 8 shots are stored"), "{message}");
}

#[test]
fn a_body_that_is_still_waking_up_is_connected_to() {
    // Four connections in a row fail before the fifth: as it is unplugged, as it is asked what it is, and as it is set.
    let faults = "
  - { on: open-session, do: drop-before, nth: 1, times: 2 }
  - { on: set-property, do: drop-before, nth: 1 }
  - { on: device-info, do: drop-during, nth: 2 }
";
    let bench = Bench::with_faults(STILL, faults);
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    bench.assert_complete(FEW);
}

#[test]
fn a_clock_that_is_off_is_told_before_the_first_shot() {
    let camera = body(Model::D5300);
    let one = STILL.replace("[1/60, 1/15], f_number: [5.6, 11], iso: [100, 400]", "[1/60], f_number: [8]");
    let said = |ahead: f64| {
        camera.operator().set_clock_ahead(ahead);
        let bench = Bench::on(&one, &camera);
        let output = bench.command().env("TZ", "UTC").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    assert!(!said(0.0).contains("clock"));
    let ahead = said(2.0 * 86_400.0 + 130.0);
    assert!(ahead.contains("warning: the body's clock is 48 h 02 min ahead of this computer's: set it"), "{ahead}");
    assert!(said(-900.0).contains("behind this computer's"));
    // A body that shows local time is right, in winter and in summer: one of the two zones has it, whenever this runs.
    for (zone, offsets) in [("EST5EDT,M3.2.0,M11.1.0", [-5.0, -4.0]), ("AEST-10AEDT,M10.1.0,M4.1.0/3", [10.0, 11.0])] {
        let warned = |hours: f64| {
            camera.operator().set_clock_ahead(hours * 3600.0);
            let output = Bench::on(&one, &camera).command().env("TZ", zone).output().unwrap();
            text(&output.stderr).contains("clock")
        };
        assert_eq!(offsets.iter().filter(|hours| warned(**hours)).count(), 1, "{zone}");
    }
    // The simulated set's body runs on UTC, whatever the zone of who rehearses.
    let rehearsed = Bench::new(&one).command().env("TZ", "EST5EDT").output().unwrap();
    assert_eq!(rehearsed.status.code(), Some(0));
    assert!(!text(&rehearsed.stderr).contains("clock"), "{}", text(&rehearsed.stderr));
}

#[test]
fn strange_files_on_the_card_stay_there() {
    let bench = Bench::new(STILL);
    let card = bench.session().join(".rehearsal-card/DCIM/100D5300");
    fs::create_dir_all(&card).unwrap();
    let strange = ["DSC_0007.JPG", "IMG_1234.JPG", "README.TXT", "DSC_0008.MOV", "no extension"];
    for name in strange {
        fs::write(card.join(name), format!("not a photograph: {name}")).unwrap();
    }
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("files on the card from before this session, which stay there: 5"),
        "{}",
        text(&output.stderr)
    );
    bench.assert_complete(FEW);
    // More of them in the middle of a session, a damaged photograph among them.
    let log = bench.session().join(SHOTS_FILE);
    let lines: Vec<String> = text(&fs::read(&log).unwrap()).lines().map(|l| format!("{l}\n")).collect();
    fs::write(&log, lines[..FEW - 1].concat()).unwrap();
    fs::write(card.join("NOTES.TXT"), "more").unwrap();
    fs::write(card.join("DSC_0090.JPG"), [0xFF, 0xD8, 0xFF, 0xE0, 1, 2, 3]).unwrap();
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("\"rescued\":1"), "{}", text(&output.stderr));
    bench.assert_complete(FEW);
    assert!(bench.unplanned().is_empty());
    for name in strange {
        assert_eq!(fs::read_to_string(card.join(name)).unwrap(), format!("not a photograph: {name}"));
    }
    assert_eq!(bench.card().len(), strange.len() + 2 + FEW);
}

#[test]
fn a_journal_torn_anywhere_costs_no_photograph() {
    let bench = Bench::new(STILL);
    assert_eq!(bench.run().status.code(), Some(0));
    let logs = [SHOTS_FILE, "intents.jsonl"].map(|name| (name, fs::read(bench.session().join(name)).unwrap()));
    let ends =
        |text: &[u8]| text.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i + 1).collect::<Vec<_>>();
    let pristine = bench.folder.path().join("pristine");
    copy(&bench.session(), &pristine);
    for (name, whole) in &logs {
        let ends = ends(whole);
        // Nothing, the first line without its end, the middle of a line in the middle, and the last byte.
        for cut in [0, ends[0] - 1, ends[3] + 40, whole.len() - 1] {
            fs::remove_dir_all(bench.session()).unwrap();
            copy(&pristine, &bench.session());
            fs::write(bench.session().join(name), &whole[..cut]).unwrap();
            let output = bench.run();
            assert_eq!(output.status.code(), Some(0), "{name} cut at {cut}: {}", text(&output.stderr));
            bench.assert_complete(FEW);
            assert_eq!(bench.card().len(), FEW, "{name} cut at {cut}: a photograph was taken twice");
            assert!(bench.unplanned().is_empty(), "{name} cut at {cut}");
        }
        // Every other prefix is read as its whole lines.
        for cut in 0..whole.len() {
            let path = bench.folder.path().join("cut.jsonl");
            fs::write(&path, &whole[..cut]).unwrap();
            let log = manifests::read_log::<serde_json::Value>(&path).unwrap();
            assert_eq!(log.rows.len(), ends.iter().filter(|end| **end <= cut).count());
        }
    }
}

/// Copies a folder with its files' permissions.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    assert!(std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

#[test]
fn two_cameras_side_by_side_keep_to_their_own_sessions() {
    let bodies = [body(Model::D5300), body(Model::D5300)];
    let benches = bodies.each_ref().map(|b| Bench::on(STILL, b));
    let children = benches.each_ref().map(|b| b.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    for mut child in children {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    for (bench, body) in benches.iter().zip(&bodies) {
        bench.assert_complete(FEW);
        assert_eq!(body.operator().releases(), FEW as u64);
    }
}

#[test]
fn the_doctor_lists_the_drivers_with_their_version() {
    let output = capture().args(["doctor", "--json"]).output().unwrap();
    let said = text(&output.stdout);
    let check = |what: &str| {
        let lines = said.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
        lines.into_iter().find(|l| l["what"] == what).unwrap_or_else(|| panic!("no {what} in {said}"))
    };
    for (what, driver) in [("camera drivers", "ptp2"), ("port drivers", "ptpip")] {
        let found = check(what)["found"].as_str().unwrap().to_owned();
        assert!(found.starts_with("version ") && found.contains(driver), "{found}");
    }
    let folder = tempfile::tempdir().unwrap();
    let output = capture().arg("doctor").env("CAMLIBS", folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("no ptp2.so: install the package libgphoto2-6"), "{}", text(&output.stdout));
}

#[test]
fn a_claimed_network_camera_is_one_clear_sentence() {
    let camera = body(Model::D5300);
    let first = Bench::on(STILL, &camera);
    let mut holds = capture();
    holds.arg("run").arg(first.plan()).arg("--session").arg(first.session()).args(["--camera", &first.camera]);
    let mut child = holds.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap).find(|l| l.contains("[Enter")).unwrap();
    let second = Bench::on(STILL, &camera);
    let (code, message) = ending(&second.run());
    assert_eq!(code, 1, "{message}");
    assert_eq!(message.trim().lines().count(), 1, "{message}");
    assert!(message.contains("cannot open Nikon DSC D5300"), "{message}");
    child.kill().unwrap();
    child.wait().unwrap();
}
