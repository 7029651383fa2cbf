//! What cannot be shot is refused in one sentence, before the first shot.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use support::{Bench, PLAN, capture, ending, text};

/// Runs a plan that must be refused; answers the sentence.
fn refused(plan: &str) -> String {
    let bench = Bench::new(plan);
    let (code, message) = ending(&bench.run());
    assert_eq!(code, 2, "{message}");
    assert!(bench.shots().is_empty());
    assert_eq!(message.trim().lines().count(), 1, "{message}");
    message
}

#[test]
fn values_that_the_camera_does_not_have_are_named_with_the_nearest() {
    let message = refused(&PLAN.replace("1/60, 1/15", "1/60, 1/75"));
    assert!(
        message.contains("plan.yaml:7:") && message.contains("no shutter speed 1/75; the nearest is 1/80"),
        "{message}"
    );
    let message = refused(&PLAN.replace("[5.6, 11]", "[7.5, 11]"));
    assert!(message.contains("plan.yaml:7:") && message.contains("no f-number 7.5; the nearest is 7.1"), "{message}");
    let message = refused(&PLAN.replace("iso: [200]", "iso: [210]"));
    assert!(message.contains("plan.yaml:9:") && message.contains("no ISO 210; the nearest is 200"), "{message}");
    let message = refused(&PLAN.replace("[24, 50]", "[24, 85]"));
    assert!(message.contains("no 85 mm: it reaches from 18 to 55 mm"), "{message}");
}

#[test]
fn plans_that_are_none_are_refused_with_line_and_column() {
    let message = refused(&PLAN.replace("shutter: [1/30]", "shuter: [1/30]"));
    assert!(message.contains("plan.yaml:8:") && message.contains("did you mean `shutter`?"), "{message}");
    let bench = Bench::new(PLAN);
    std::fs::remove_file(bench.plan()).unwrap();
    let (code, message) = ending(&bench.run());
    assert_eq!(code, 2);
    assert!(message.contains("plan.yaml: cannot read: No such file"), "{message}");
}

#[test]
fn a_session_of_another_plan_is_refused_with_what_differs() {
    let plan = PLAN.replace("[1/60, 1/15], f_number: [5.6, 11]", "[1/60], f_number: [11]");
    let bench = Bench::new(&plan);
    assert_eq!(bench.run().status.code(), Some(0));
    let before = bench.shots();
    std::fs::write(bench.plan(), plan.replace("f_number: [8]", "f_number: [9]")).unwrap();
    let (code, message) = ending(&bench.run());
    assert_eq!(code, 2);
    assert!(message.contains("begun with another plan (sweeps differ)"), "{message}");
    assert_eq!(bench.shots(), before);
}

#[test]
fn a_session_of_another_version_is_refused_by_every_command_and_stays_as_it_is() {
    let bench = Bench::new(&PLAN.replace("[1/60, 1/15], f_number: [5.6, 11]", "[1/60], f_number: [11]"));
    assert_eq!(bench.run().status.code(), Some(0));
    let path = bench.session().join("session.yaml");
    let session = std::fs::read_to_string(&path).unwrap();
    let newer = session.replacen("version: 1", "version: 2", 1).replacen("program:", "weather: fair\nprogram:", 1);
    let log = std::fs::read(bench.session().join("shots.jsonl")).unwrap();
    std::fs::write(&path, &newer).unwrap();
    let mut endings = vec![("run", bench.run())];
    for command in ["verify", "review", "coverage"] {
        endings.push((command, capture().arg(command).arg(bench.session()).output().unwrap()));
    }
    for (command, output) in endings {
        let (code, message) = ending(&output);
        assert_eq!(code, 2, "{command}: {message}");
        assert_eq!(message.trim().lines().count(), 1, "{command}: {message}");
        assert!(message.contains("session.yaml: this session has version 2, newer"), "{command}: {message}");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), newer);
    assert_eq!(std::fs::read(bench.session().join("shots.jsonl")).unwrap(), log);
    assert!(!bench.session().join("review.html").exists());
    // A line that a newer program wrote.
    std::fs::write(&path, session).unwrap();
    let newer = text(&log).replacen("\"index\":", "\"weather\":\"fair\",\"index\":", 1);
    std::fs::write(bench.session().join("shots.jsonl"), &newer).unwrap();
    let (code, message) = ending(&bench.run());
    assert!(code == 2 && message.contains("shots.jsonl:1") && message.contains("weather"), "{message}");
    assert_eq!(std::fs::read_to_string(bench.session().join("shots.jsonl")).unwrap(), newer);
}

#[test]
fn commands_on_folders_without_a_session_say_so() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["verify", "review", "coverage"] {
        let output = capture().arg(command).arg(folder.path()).output().unwrap();
        let (code, message) = ending(&output);
        assert_eq!(code, 2, "{command}: {message}");
        assert!(message.contains("holds no session"), "{command}: {message}");
    }
}

#[test]
fn without_a_person_and_without_yes_nothing_is_shot() {
    let bench = Bench::new(PLAN);
    let mut command = capture();
    command.arg("run").arg(bench.plan()).arg("--session").arg(bench.session()).args(["--camera", "rehearsal"]);
    let (code, message) = ending(&command.output().unwrap());
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("--yes"), "{message}");
    assert!(bench.shots().is_empty());
}

#[test]
fn a_disk_that_takes_no_more_loses_nothing() {
    // A body in a process of its own, on the network, so that the limit meets the session alone.
    let mut body = capture().arg("rehearse").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    // Kept until the end: a body that cannot say anything more would stop.
    let mut said = BufReader::new(body.stdout.take().unwrap());
    said.read_line(&mut first).unwrap();
    let port = first.trim().rsplit(' ').next().unwrap().to_owned();
    let bench = Bench::new(
        "{ version: 1, name: limit, scenes: [{ id: hall, place: indoor, light: bright }],
           sweeps: [{ subject: background, shutter: [1/60, 1/30], f_number: [8] }] }",
    );
    let mut run = capture();
    run.arg("run").arg(bench.plan()).arg("--session").arg(bench.session());
    run.args(["--yes", "--json", "--camera", &format!("ptpip:127.0.0.1:{port}")]);
    let mut limited = Command::new("bash");
    // In kilobytes: the journal's first lines fit, a photograph does not.
    limited.args(["-c", "ulimit -f 16; exec \"$@\"", "bash"]).arg(run.get_program()).args(run.get_args());
    let (code, message) = ending(&limited.output().unwrap());
    assert_eq!(code, 1, "{message}");
    assert!(message.contains("DSC_0001.JPG: cannot write: File too large"), "{message}");
    assert!(message.contains("0 of 2 shots are stored, and running the same command again continues"), "{message}");
    assert!(bench.shots().is_empty());
    // With room again, the first photograph is fetched from the card, not taken again.
    let output = run.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("\"rescued\":1"), "{}", text(&output.stdout));
    bench.assert_complete(2);
    drop(body.stdin.take());
    body.kill().unwrap();
    body.wait().unwrap();
}
