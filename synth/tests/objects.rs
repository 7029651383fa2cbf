//! Output to object stores: the local one by the program itself, killed and gone on with.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;

use support::{Bench, SMALL, done, told, tree};

fn url(bench: &Bench, name: &str) -> String {
    format!("file://{}", bench.path(name).display())
}

#[test]
fn killed_and_run_again_it_holds_what_a_folder_holds() {
    let bench = Bench::new(2300, SMALL);
    done(bench.build("folder", &[]));
    let place = url(&bench, "store");
    let mut child = bench.command(&place, &["--threads", "2"]).spawn().unwrap();
    while child.try_wait().unwrap().is_none() && !bench.path("store/samples-000000.jsonl").exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    // SIGKILL, in the middle of a piece.
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!bench.path("store/samples-000002.jsonl").exists(), "killed before its end");
    let (code, said) = told(&bench.run(&["fetch", &place, "--out", "early"]));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("is not finished; run the `synth build` that began it again"), "{said}");
    // What other kills may have left.
    std::fs::write(bench.path("store/train-000002.tar#7"), "torn").unwrap();
    let said = done(bench.build(&place, &[]));
    assert!(said.contains("000 were there"), "{said}");
    let left = std::fs::read_dir(bench.path("store")).unwrap().map(|e| e.unwrap().file_name());
    assert!(left.filter(|name| name.to_string_lossy().contains('#')).count() == 0);
    done(bench.run(&["fetch", &place, "--out", "fetched"]));
    assert_eq!(tree(&bench.path("folder")), tree(&bench.path("fetched")));
    // The manifest is the lines' objects one after another, and the real tar reads the others.
    let join = "cat store/samples-*.jsonl | cmp - folder/samples.jsonl && tar -xOf store/train-000002.tar \
                $(tar -tf store/train-000002.tar | head -n1) | head -c4 | tail -c3";
    let output = std::process::Command::new("sh").current_dir(bench.dir.path()).args(["-c", join]).output().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"PNG"[..]));
}

#[test]
fn places_that_cannot_be_written_to_are_told() {
    let bench = Bench::new(4, SMALL);
    for end in ["?versionId=3", "#part"] {
        let (code, said) = told(&bench.build(&format!("{}{end}", url(&bench, "a")), &[]));
        assert!(code == 2 && said.contains("leave out what follows ? or #"), "{said}");
    }
    let mut places = vec![("ftp://host/place", "is no place that synth writes to: name a folder, s3:// or file:///")];
    if cfg!(not(feature = "s3")) {
        places.push(("s3://bucket/prefix", "this synth was built without S3; build it with: "));
    }
    for (place, clause) in places {
        let (code, said) = told(&bench.build(place, &[]));
        assert_eq!((code, said.lines().count()), (2, 1), "{said}");
        assert!(said.contains(place) && said.contains(clause), "{said}");
    }
    // A file where a folder should be.
    std::fs::write(bench.path("taken"), "").unwrap();
    let (code, said) = told(&bench.build(&url(&bench, "taken/inside"), &[]));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("taken/inside/"), "{said}");
}
