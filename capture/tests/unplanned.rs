//! The body's own button, the user's own command, and what a killed program leaves behind.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    io::{BufRead, BufReader, Write},
    process::Stdio,
};

use capture::rehearsal::{Body, Options, Pace};
use support::{Bench, PLAN, SHOTS, capture, ending, text};

#[test]
fn someone_at_the_button_is_taken_in_and_mislabels_nothing() {
    let faults = "
  - { on: object, do: press-shutter, nth: 2 }
  - { on: capture, do: drop-after, nth: 4 }
  - { on: capture, do: press-shutter, nth: 6 }
  - { on: object, do: press-shutter, nth: 19 }
";
    let bench = Bench::with_faults(PLAN, faults);
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    bench.assert_complete(SHOTS);
    let unplanned = bench.unplanned();
    assert_eq!(unplanned.len(), 3, "{}", text(&output.stderr));
    // Every file of the card is in the session, as one or as the other.
    assert_eq!(bench.card().len(), SHOTS + 3);
    assert!(text(&output.stdout).contains("\"unplanned\":3"), "{}", text(&output.stdout));
    for photograph in &unplanned {
        assert!(photograph.key.starts_with("unplanned/DSC_"), "{}", photograph.key);
        assert!(photograph.files[0].path.as_str().starts_with("unplanned/DSC_"));
        assert!(photograph.exif.is_some() && photograph.quality.is_some() && photograph.scene.is_some());
    }
    // The sheet shows them as what they are, and no count has them among the plan's.
    let told = |command: &str| {
        let output = capture().arg(command).arg(bench.session()).arg("--json").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let review = told("review");
    assert_eq!((review["shots"].as_u64(), review["unplanned"].as_u64()), (Some(SHOTS as u64), Some(3)));
    let html = std::fs::read_to_string(bench.session().join("review.html")).unwrap();
    assert_eq!(html.matches("unplanned: the body's own button").count(), 3);
    assert_eq!(html.matches("data:image/jpeg;base64,").count(), SHOTS + 3);
    let coverage = told("coverage");
    assert_eq!((coverage["reflections"].as_u64(), coverage["unplanned"].as_u64()), (Some(16), Some(3)));
    assert_eq!(told("verify")["unplanned"].as_u64(), Some(3));
}

#[test]
fn the_button_pressed_at_a_prompt_and_between_two_runs() {
    let body = Body::start(Options { pace: Pace::Fast, picture_size: (300, 200), ..Options::default() }).unwrap();
    let hands = body.operator();
    // On the card before: none of the session's.
    hands.press_shutter();
    let bench = Bench::on(PLAN, &body);
    let press = || {
        let before = hands.card_shots();
        hands.press_shutter();
        while hands.card_shots() == before {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    };
    let mut command = capture();
    command.arg("run").arg(bench.plan()).arg("--session").arg(bench.session()).args(["--camera", &bench.camera]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut said = Vec::new();
    // The zoom is at 35 mm, as it is put by hand before each Enter.
    for zoom in [24.0, 50.0] {
        said.extend(lines.by_ref().take_while(|l| !l.contains("[Enter when done")));
        press();
        hands.set_focal_length(zoom);
        writeln!(stdin).unwrap();
    }
    said.extend(lines.by_ref().take_while(|l| !l.contains("[Enter when done")));
    child.kill().unwrap();
    child.wait().unwrap();
    let said = said.join("\n");
    assert!(said.contains("files on the card from before this session, which stay there: 1"), "{said}");
    assert_eq!(bench.unplanned().len(), 2, "{said}");
    assert_eq!(bench.unplanned()[0].scene.as_ref().unwrap().as_str(), "hall");
    press();
    // The set stands still: the run ends where the plan wants 35 mm, after the one shot that it wants at 50 mm.
    let (code, message) = ending(&bench.run());
    assert_eq!(code, 1, "{message}");
    assert_eq!(bench.unplanned().len(), 3, "{message}");
    assert_eq!(bench.unplanned()[2].scene, None);
    assert_eq!(bench.shots().len(), 9);
    assert_eq!(hands.card_shots(), 1 + 3 + 9);
}

#[test]
fn a_hook_gets_each_shot_and_its_failure_costs_none() {
    let mut bench = Bench::new(PLAN);
    let seen = bench.folder.path().join("seen");
    // It fails on the third shot, and does not read its input on the fourth.
    let hook = format!(
        "case $CAPTURE_INDEX in 2) exit 7;; 3) exit 0;; esac; test -f \"$CAPTURE_FILE\" && \
         echo \"$CAPTURE_SUBJECT $CAPTURE_SCENE $(cat)\" >> {} && echo noise",
        seen.display()
    );
    bench.extra.extend(["--hook".into(), hook]);
    let output = bench.run();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    bench.assert_complete(SHOTS);
    let stderr = text(&output.stderr);
    assert_eq!(stderr.matches("the hook failed for").count(), 1, "{stderr}");
    assert!(stderr.contains("exit status: 7"), "{stderr}");
    let summary = text(&output.stdout);
    assert!(summary.contains("\"hook_failures\":1"), "{summary}");
    assert!(summary.lines().all(|l| l.starts_with('{')), "the hook's own words are in the output: {summary}");
    let lines = std::fs::read_to_string(seen).unwrap();
    let shots = bench.shots();
    assert_eq!(lines.lines().count(), SHOTS - 2);
    for line in lines.lines() {
        let mut parts = line.splitn(3, ' ');
        let (subject, scene) = (parts.next().unwrap(), parts.next().unwrap());
        let shot: manifests::session::Shot = serde_json::from_str(parts.next().unwrap()).unwrap();
        assert!(shots.contains(&shot));
        assert_eq!((subject, scene), (shot.subject.to_string().as_str(), shot.scene.as_str()));
    }
}

#[test]
fn nothing_is_left_in_the_temporary_folder() {
    let mut bench = Bench::new(PLAN);
    // Still at work when it is killed, however busy the machine.
    bench.extra.extend(["--hook".into(), "sleep 5".into()]);
    let temporary = bench.folder.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let homes = || std::fs::read_dir(&temporary).unwrap().count();
    let mut child =
        bench.command().env("TMPDIR", &temporary).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    // Held still, so that neither it nor its child cleans up behind the other.
    let send = |signal: &str, id: &str| std::process::Command::new("kill").args([signal, id]).status().unwrap();
    send("-STOP", &child.id().to_string());
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
    for id in children.split_whitespace() {
        send("-KILL", id);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(homes(), 1);
    bench.extra.clear();
    assert_eq!(bench.command().env("TMPDIR", &temporary).output().unwrap().status.code(), Some(0));
    assert_eq!(homes(), 0);
    bench.assert_complete(SHOTS);
}
