//! The README's commands work as they stand.

use std::{fs, path::Path};

use tests::{command, root};

use crate::{CAPTURE, SYNTH, TRAIN};

/// The commands of the README's `console` blocks that call the three programs, in order.
fn commands(readme: &str) -> Vec<Vec<String>> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in readme.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let Some(typed) = line.strip_prefix("$ ").filter(|_| inside) {
            let words: Vec<String> = typed.split_whitespace().map(String::from).collect();
            if ["capture", "synth", "train"].contains(&words[0].as_str()) {
                found.push(words);
            }
        }
    }
    found
}

/// In a folder that holds nothing but the repository's `manifests`, as a user has it after cloning.
/// Only the fit is cut short; everything else runs as printed.
#[test]
fn every_command_of_the_readme_runs() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("manifests"), dir.path().join("manifests")).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let commands = commands(&readme);
    for program in ["capture", "synth", "train"] {
        assert!(commands.iter().any(|c| c[0] == program), "the README does not show {program}");
    }
    for words in commands {
        let program = match words[0].as_str() {
            "capture" => CAPTURE,
            "synth" => SYNTH,
            _ => TRAIN,
        };
        let mut args = words[1..].to_vec();
        if args[0] == "fit" {
            args.extend(["--max-steps".into(), "4".into()]);
        }
        let said = tests::Said::new(command(program, dir.path(), &args).current_dir(dir.path()).output().unwrap());
        assert_eq!(said.code, Some(0), "$ {}\n{}\n{}", words.join(" "), said.out, said.err);
    }
    assert!(Path::new(&dir.path().join("out/report.html")).is_file());
}
