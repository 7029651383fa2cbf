//! The small commands and options: completions, cameras, `--resume`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::process::{Command, Stdio};

use support::{Bench, PLAN, capture, ending, text};

/// What a shell that has read the completions offers.
const OFFER: &str = r#"source "$1"; COMP_WORDS=(capture "$2"); COMP_CWORD=1; _capture capture "$2" capture
printf '%s\n' "${COMPREPLY[@]}""#;

#[test]
fn completions_are_there_for_each_shell_and_bash_completes_with_them() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = capture().args(["completions", shell]).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let script = text(&output.stdout);
        for word in ["coverage", "rehearse", "dry-run"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
        assert!(!script.contains("CameraHost"), "{shell}");
        std::fs::write(folder.path().join(shell), script).unwrap();
    }
    let offered = |typed: &str| {
        let bash = Command::new("bash").args(["-c", OFFER, "bash"]).arg(folder.path().join("bash")).arg(typed).output();
        text(&bash.unwrap().stdout).split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(offered("re"), ["review", "rehearse"]);
    assert_eq!(offered("cov"), ["coverage"]);
    let (code, said) = ending(&capture().args(["completions", "tcsh"]).output().unwrap());
    assert!(code == 2 && said.contains("zsh"), "{said}");
}

#[test]
fn cameras_are_one_json_line_for_scripts() {
    let output = capture().args(["cameras", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found.is_array(), "{found}");
    assert_eq!(text(&output.stdout).lines().count(), 1);
}

#[test]
fn resume_wants_a_session_to_resume() {
    let bench = Bench::new(PLAN);
    let (code, said) = ending(&bench.command().arg("--resume").output().unwrap());
    assert!(code == 2 && said.contains("no session to resume"), "{said}");
    assert!(!bench.session().exists());
}

#[test]
fn a_rehearsal_body_of_its_own_speaks_json_to_scripts() {
    let mut body = capture().args(["rehearse", "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut body.stdin.take().unwrap(), b"zoom 24\ndance\nquit\n").unwrap();
    let output = body.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0]["port"].as_u64().unwrap() > 1024);
    assert!(lines[1]["status"].as_str().unwrap().contains("24 mm"), "{}", lines[1]);
    assert_eq!(lines[2]["error"], "`dance` is no command");
}
