//! What the programs do when what they print cannot be read or kept.

use std::{fs::File, path::Path, process::Stdio};

use rustix::{
    fs::{Mode, OFlags},
    pty,
};
use tests::command;

use crate::{CAPTURE, SYNTH, TRAIN};

/// For each program a command that prints and writes nothing else.
fn short(home: &Path) -> [(&'static str, Vec<String>); 3] {
    let splits = home.join("pictures");
    ["train", "test"].iter().for_each(|split| crate::interrupted::made_photographs(&splits.join(split)));
    let words = |text: &str| text.split_whitespace().map(String::from).collect();
    let check = vec!["check".into(), splits.display().to_string()];
    [(CAPTURE, words("completions bash")), (SYNTH, check), (TRAIN, words("summary --size 32x32"))]
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let home = tempfile::tempdir().unwrap();
    for (program, args) in short(home.path()) {
        let mut child =
            command(program, home.path(), &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // Whether the work found leaks or none is its own affair.
        let usual = command(program, home.path(), &args).output().unwrap().status;
        assert!(output.status == usual && !said.contains("pipe"), "{program} {args:?}: {} {said}", output.status);
    }
}

#[test]
fn a_terminal_that_hangs_up_is_no_failure() {
    let home = tempfile::tempdir().unwrap();
    for (program, args) in short(home.path()) {
        let terminal = pty::openpt(pty::OpenptFlags::RDWR | pty::OpenptFlags::NOCTTY).unwrap();
        pty::grantpt(&terminal).unwrap();
        pty::unlockpt(&terminal).unwrap();
        let name = pty::ptsname(&terminal, Vec::new()).unwrap();
        let how = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let stdout = rustix::fs::open(name.as_c_str(), how, Mode::empty()).unwrap();
        drop(terminal);
        let output = command(program, home.path(), &args).stdout(stdout).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let usual = command(program, home.path(), &args).output().unwrap().status;
        assert!(
            output.status == usual && !said.contains("cannot be written"),
            "{program} {args:?}: {} {said}",
            output.status
        );
    }
}

#[test]
fn output_that_a_full_disk_loses_is_a_failure() {
    let home = tempfile::tempdir().unwrap();
    for (program, args) in short(home.path()) {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command(program, home.path(), &args).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{program} {args:?}: {said}");
        assert_eq!(said.matches("the standard output cannot be written").count(), 1, "{program} {args:?}: {said}");
    }
}
